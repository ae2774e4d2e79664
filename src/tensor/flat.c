/* Flat vectors: what merging is made of. */
#include "tensor/variant.h"

#include <math.h>

void MU_KERNEL(scale)(size_t count, float factor, float *x)
{
    for (size_t i = 0; i < count; i++)
        x[i] = factor * x[i];
}

void MU_KERNEL(axpy)(size_t count, float alpha, const float *restrict x, float *restrict y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = fmaf(alpha, x[i], y[i]);
}

void MU_KERNEL(mean_step)(size_t count, float share, const float *restrict x, float *restrict mean)
{
    for (size_t i = 0; i < count; i++)
        mean[i] = fmaf(share, x[i] - mean[i], mean[i]);
}

double MU_KERNEL(squared_norm)(size_t count, const float *x)
{
    double lanes[MU_LANES] = { 0.0 };
    size_t i = 0;
    for (; i + MU_LANES <= count; i += MU_LANES)
        for (size_t lane = 0; lane < MU_LANES; lane++)
            lanes[lane] = mu_fma((double)x[i + lane], (double)x[i + lane], lanes[lane]);
    for (size_t lane = 0; i + lane < count; lane++)
        lanes[lane] = mu_fma((double)x[i + lane], (double)x[i + lane], lanes[lane]);
    for (size_t half = MU_LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

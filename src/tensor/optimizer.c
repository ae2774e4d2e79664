/* SGD and Adam as PyTorch writes them, with the sums fused. */
#include "tensor/variant.h"

#include <math.h>

static void sgd_plain(const mu_sgd *s, size_t count, const float *restrict gradient, float *restrict params)
{
    for (size_t i = 0; i < count; i++)
        params[i] = fmaf(-s->learning_rate, fmaf(s->weight_decay, params[i], gradient[i]), params[i]);
}

static void sgd_momentum(const mu_sgd *s, size_t count, const float *restrict gradient, float *restrict velocity,
                         float *restrict params)
{
    float take = 1.0f - s->dampening;
    for (size_t i = 0; i < count; i++) {
        float step = fmaf(s->weight_decay, params[i], gradient[i]);
        velocity[i] = s->first_step ? step : fmaf(take, step, s->momentum * velocity[i]);
        step = s->nesterov ? fmaf(s->momentum, velocity[i], step) : velocity[i];
        params[i] = fmaf(-s->learning_rate, step, params[i]);
    }
}

void MU_KERNEL(sgd)(const mu_sgd *s, size_t count, const float *gradient, float *velocity, float *params)
{
    mu_sgd copy = *s; /* so that the compiler knows that the loops do not change it */
    if (velocity)
        sgd_momentum(&copy, count, gradient, velocity, params);
    else
        sgd_plain(&copy, count, gradient, params);
}

void MU_KERNEL(adam)(const mu_adam *a, size_t count, const float *restrict gradient, float *restrict first, float *restrict second,
                     float *restrict params)
{
    float beta1 = (float)a->beta1, beta2 = (float)a->beta2, take1 = (float)(1.0 - a->beta1), take2 = (float)(1.0 - a->beta2);
    float step_size = (float)(a->learning_rate / a->correction1), root_correction = (float)sqrt(a->correction2);
    float epsilon = (float)a->epsilon;
    float shrink = a->decoupled ? (float)(1.0 - a->learning_rate * a->weight_decay) : 1.0f;
    float decay = a->decoupled ? 0.0f : (float)a->weight_decay;
    for (size_t i = 0; i < count; i++) {
        float param = params[i] * shrink;
        float slope = fmaf(decay, param, gradient[i]);
        first[i] = fmaf(take1, slope, beta1 * first[i]);
        second[i] = fmaf(take2 * slope, slope, beta2 * second[i]);
        float divisor = sqrtf(second[i]) / root_correction + epsilon;
        params[i] = fmaf(-step_size, first[i] / divisor, param);
    }
}

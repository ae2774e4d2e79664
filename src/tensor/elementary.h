/* mu_expf and mu_tanhf once more, as expressions without branches, which a compiler turns into vectors. The same bits for every
 * argument: elementary_test.c compares. */
#ifndef MUSTER_TENSOR_ELEMENTARY_H
#define MUSTER_TENSOR_ELEMENTARY_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float mu_power_of_two(int32_t exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float    power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

static inline float mu_expf_inline(float x)
{
    const float largest = 88.72283f, smallest = -87.33654f, shift = 12582912.0f;
    float inside = x > largest ? largest : x;
    inside = inside < smallest ? smallest : inside;
    inside = x != x ? 0.0f : inside; /* what follows turns it into an integer */
    float n = fmaf(inside, 1.44269504f, shift) - shift;
    float r = fmaf(n, -0.693145752f, inside);
    r = fmaf(n, -1.42860677e-6f, r);
    float p = 1.0f / 5040.0f;
    p = fmaf(p, r, 1.0f / 720.0f);
    p = fmaf(p, r, 1.0f / 120.0f);
    p = fmaf(p, r, 1.0f / 24.0f);
    p = fmaf(p, r, 1.0f / 6.0f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p * r, r, r) + 1.0f;
    int32_t whole = (int32_t)n, half = whole / 2;
    p = p * mu_power_of_two(half) * mu_power_of_two(whole - half);
    p = x > largest ? INFINITY : p;
    p = x < smallest ? 0.0f : p;
    return x != x ? x : p;
}

/* mu_exp for 0 <= x <= 20, where nothing overflows and one power of two will do. */
static inline double mu_exp_small(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: in its lowest bits the sum holds the rounded integer */
    double   shifted = fma(x, 1.4426950408889634, shift), n = shifted - shift;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    double r = fma(n, -6.93147180369123816490e-01, x);
    r = fma(n, -1.90821492927058770002e-10, r);
    double p = 1.0 / 6227020800.0; /* 1 / 13! */
    p = fma(p, r, 1.0 / 479001600.0);
    p = fma(p, r, 1.0 / 39916800.0);
    p = fma(p, r, 1.0 / 3628800.0);
    p = fma(p, r, 1.0 / 362880.0);
    p = fma(p, r, 1.0 / 40320.0);
    p = fma(p, r, 1.0 / 5040.0);
    p = fma(p, r, 1.0 / 720.0);
    p = fma(p, r, 1.0 / 120.0);
    p = fma(p, r, 1.0 / 24.0);
    p = fma(p, r, 1.0 / 6.0);
    p = fma(p, r, 0.5);
    p = fma(p * r, r, r) + 1.0;
    bits = (bits + 1023) << 52; /* 2^n */
    double power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static inline float mu_tanhf_inline(float x)
{
    float magnitude = fabsf(x);
    float inside = magnitude > 9.1f ? 9.1f : magnitude;
    inside = x != x ? 0.0f : inside;
    float result = (float)(1.0 - 2.0 / (mu_exp_small(2.0 * (double)inside) + 1.0));
    result = magnitude > 9.1f ? 1.0f : result;
    result = magnitude > 0x1p-12f ? result : magnitude;
    result = x < 0.0f ? -result : result;
    return x != x ? x : result;
}

#endif

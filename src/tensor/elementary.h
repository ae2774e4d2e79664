/* mu_expf and mu_tanhf once more, as expressions without branches, which a compiler turns into vectors. The same bits for every
 * argument: elementary_test.c compares. And the sigmoid made from them. */
#ifndef MUSTER_TENSOR_ELEMENTARY_H
#define MUSTER_TENSOR_ELEMENTARY_H

#include "base/fused.h"

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

static inline float mu_tanhf_inline(float x)
{
    float a = fabsf(x), z = a * a;
    float q = 0x1.197b14p-9f;
    q = fmaf(q, z, -0x1.0c2128p-7f);
    q = fmaf(q, z, 0x1.6394d2p-6f);
    q = fmaf(q, z, -0x1.b9ef7cp-5f);
    q = fmaf(q, z, 0x1.11106cp-3f);
    q = fmaf(q, z, -0x1.555554p-2f);
    float near = fmaf(q * z, a, a);
    float far = 1.0f - 2.0f / (mu_expf_inline(a + a) + 1.0f);
    return copysignf(a > 0.625f ? far : near, x);
}

/* 1 / (1 + exp(-x)). Largest error seen: 2.5 ulp, far below zero, where it is that of exp and two roundings; 0 below -88.7. */
static inline float mu_sigmoidf_inline(float x)
{
    return 1.0f / (1.0f + mu_expf_inline(-x));
}

#endif

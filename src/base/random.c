/* Philox4x32-10 streams and the distributions that we draw from them. */
#include "muster/random.h"

#include "muster/math.h"

#include <math.h>

void mu_random_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* splitmix64's finaliser: neighbouring seeds and purposes become unrelated keys. */
static uint64_t mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

mu_random mu_random_stream(uint64_t seed, mu_random_purpose purpose, uint32_t round, uint64_t device)
{
    uint64_t key = mix(mix(seed) + (uint64_t)purpose);
    return (mu_random){
        .key = { (uint32_t)key, (uint32_t)(key >> 32) },
        .counter = { 0, (uint32_t)device, (uint32_t)(device >> 32), round },
    };
}

uint32_t mu_random_u32(mu_random *random)
{
    if (random->unused == 0) {
        mu_random_philox(random->key, random->counter, random->block);
        random->counter[0]++;
        random->unused = 4;
    }
    return random->block[4 - random->unused--];
}

void mu_random_skip(mu_random *random, uint64_t count)
{
    uint64_t position = (uint64_t)random->counter[0] * 4 - random->unused + count;
    uint32_t begun = position % 4;
    random->counter[0] = (uint32_t)(position / 4);
    random->unused = 0;
    if (begun) {
        (void)mu_random_u32(random);
        random->unused = 4 - begun;
    }
}

uint64_t mu_random_u64(mu_random *random)
{
    uint64_t low = mu_random_u32(random);
    return low | (uint64_t)mu_random_u32(random) << 32;
}

/* Lemire 2019: the high half of a product, and a redraw in the rare case that would favour some values. */
uint32_t mu_random_below(mu_random *random, uint32_t bound)
{
    uint64_t product = (uint64_t)mu_random_u32(random) * bound;
    if ((uint32_t)product < bound) {
        uint32_t unfair_below = (0u - bound) % bound;
        while ((uint32_t)product < unfair_below)
            product = (uint64_t)mu_random_u32(random) * bound;
    }
    return (uint32_t)(product >> 32);
}

float mu_random_unit_float(mu_random *random)
{
    return (float)(mu_random_u32(random) >> 8) * 0x1p-24f;
}

double mu_random_unit(mu_random *random)
{
    return (double)(mu_random_u64(random) >> 11) * 0x1p-53;
}

double mu_random_normal(mu_random *random)
{
    double u, v, square;
    do {
        u = 2.0 * mu_random_unit(random) - 1.0;
        v = 2.0 * mu_random_unit(random) - 1.0;
        square = u * u + v * v;
    } while (square >= 1.0 || square == 0.0);
    return u * sqrt(-2.0 * mu_log(square) / square);
}

double mu_random_gamma(mu_random *random, double shape)
{
    if (shape < 1.0) { /* gamma(a) = gamma(a + 1) * u^(1/a) */
        double larger = mu_random_gamma(random, shape + 1.0);
        double u;
        do
            u = mu_random_unit(random);
        while (u == 0.0);
        return larger * mu_exp(mu_log(u) / shape);
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = mu_random_normal(random), v = 1.0 + c * x;
        if (v <= 0.0)
            continue;
        v = v * v * v;
        double u = mu_random_unit(random);
        if (u == 0.0 || mu_log(u) < 0.5 * x * x + d - d * v + d * mu_log(v))
            return d * v;
    }
}

void mu_random_dirichlet(mu_random *random, double alpha, size_t count, double *shares)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += shares[i] = mu_random_gamma(random, alpha);
    if (sum <= 0.0) { /* a tiny alpha can leave nothing at all: then one of them has it all */
        for (size_t i = 0; i < count; i++)
            shares[i] = 0.0;
        shares[mu_random_below(random, (uint32_t)count)] = 1.0;
        return;
    }
    for (size_t i = 0; i < count; i++)
        shares[i] /= sum;
}

void mu_random_shuffle(mu_random *random, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = mu_random_below(random, (uint32_t)i);
        uint32_t item = items[i - 1];
        items[i - 1] = items[j];
        items[j] = item;
    }
}

/* exp, log, tanh, sine and cosine from IEEE operations and fused multiply-adds alone: the same bits everywhere. */
#include "muster/math.h"

#include "base/fused.h"

#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint64_t bits_of_double(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 in two parts so that r keeps all its digits. */
float mu_expf(float x)
{
    if (x != x)
        return x;
    if (x > 88.72283f)
        return INFINITY;
    if (x < -87.33654f)
        return 0.0f;
    const float shift = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float n = fmaf(x, 1.44269504f, shift) - shift;
    float r = fmaf(n, -0.693145752f, x);
    r = fmaf(n, -1.42860677e-6f, r);
    float p = 1.0f / 5040.0f;
    p = fmaf(p, r, 1.0f / 720.0f);
    p = fmaf(p, r, 1.0f / 120.0f);
    p = fmaf(p, r, 1.0f / 24.0f);
    p = fmaf(p, r, 1.0f / 6.0f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p * r, r, r) + 1.0f;
    /* n reaches 128 just below the upper end, one more than an exponent can say: scale in two steps. */
    int32_t whole = (int32_t)n, half = whole / 2;
    return p * float_of_bits((uint32_t)(half + 127) << 23) * float_of_bits((uint32_t)(whole - half + 127) << 23);
}

/* log(x) = e ln 2 + log(m), m in [sqrt(1/2), sqrt(2)), log(m) = 2 atanh(s) with s = (m - 1) / (m + 1). */
double mu_log(double x)
{
    if (x != x || x < 0.0)
        return NAN;
    if (x == 0.0)
        return -INFINITY;
    if (x == INFINITY)
        return x;
    int exponent = 0;
    if (x < 2.2250738585072014e-308) {
        x *= 18014398509481984.0; /* 2^54 */
        exponent = -54;
    }
    uint64_t bits = bits_of_double(x);
    exponent += (int)(bits >> 52) - 1023;
    double m = double_of_bits((bits & 0x000FFFFFFFFFFFFFull) | 0x3FF0000000000000ull);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        exponent++;
    }
    double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double p = 1.0 / 21.0;
    for (int odd = 19; odd >= 3; odd -= 2)
        p = mu_fma(p, z, 1.0 / odd);
    /* log(m) = f - s * (f - 2 s^2 p'), arranged so that f, which is exact, carries the leading digits. */
    double half_square = 0.5 * f * f;
    double tail = s * mu_fma(2.0 * z, p, half_square);
    double k = (double)exponent;
    double low = mu_fma(k, 1.90821492927058770002e-10, tail);
    return mu_fma(k, 6.93147180369123816490e-01, f - (half_square - low));
}

float mu_logf(float x)
{
    return (float)mu_log((double)x);
}

double mu_exp(double x)
{
    if (x != x)
        return x;
    if (x > 709.782712893384)
        return INFINITY;
    if (x < -708.0)
        return 0.0;
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    double n = mu_fma(x, 1.4426950408889634, shift) - shift;
    double r = mu_fma(n, -6.93147180369123816490e-01, x);
    r = mu_fma(n, -1.90821492927058770002e-10, r);
    double p = 1.0 / 6227020800.0; /* 1 / 13! */
    static const double inverse_factorial[] = {
        1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
        1.0 / 5040.0,      1.0 / 720.0,      1.0 / 120.0,     1.0 / 24.0,     1.0 / 6.0,
        0.5,
    };
    for (size_t i = 0; i < MU_COUNT(inverse_factorial); i++)
        p = mu_fma(p, r, inverse_factorial[i]);
    p = mu_fma(p * r, r, r) + 1.0;
    int64_t whole = (int64_t)n, half = whole / 2;
    return p * double_of_bits((uint64_t)(half + 1023) << 52) * double_of_bits((uint64_t)(whole - half + 1023) << 52);
}

/* Near 0 the odd series x + x^3 q(x^2), fitted up to 0.625 to an error of 0.003 ulp; from there on nothing cancels in
 * 1 - 2 / (exp(2x) + 1). */
float mu_tanhf(float x)
{
    float a = fabsf(x), result;
    if (a > 0.625f) {
        result = 1.0f - 2.0f / (mu_expf(a + a) + 1.0f);
    } else {
        float z = a * a, q = 0x1.197b14p-9f;
        q = fmaf(q, z, -0x1.0c2128p-7f);
        q = fmaf(q, z, 0x1.6394d2p-6f);
        q = fmaf(q, z, -0x1.b9ef7cp-5f);
        q = fmaf(q, z, 0x1.11106cp-3f);
        q = fmaf(q, z, -0x1.555554p-2f);
        result = fmaf(q * z, a, a);
    }
    return copysignf(result, x);
}

double mu_pow(double x, double y)
{
    return mu_exp(y * mu_log(x));
}

/* Quarter turns off, in two parts of pi / 2; then the two Taylor series, good to the last digit on |r| <= pi / 4. */
void mu_sincos(double x, double *sine, double *cosine)
{
    const double shift = 6755399441055744.0;
    double n = mu_fma(x, 0.63661977236758134, shift) - shift;
    double r = mu_fma(n, -1.5707963267948966, x);
    r = mu_fma(n, -6.123233995736766e-17, r);
    double z = r * r, s = 0.0, c = 0.0;
    static const double sine_terms[] = { 1.0 / 355687428096000.0, -1.0 / 1307674368000.0, 1.0 / 6227020800.0,
                                         -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0 };
    static const double cosine_terms[] = { 1.0 / 20922789888000.0, -1.0 / 87178291200.0, 1.0 / 479001600.0,
                                           -1.0 / 3628800.0, 1.0 / 40320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5 };
    for (size_t i = 0; i < MU_COUNT(sine_terms); i++)
        s = mu_fma(s, z, sine_terms[i]);
    for (size_t i = 0; i < MU_COUNT(cosine_terms); i++)
        c = mu_fma(c, z, cosine_terms[i]);
    s = mu_fma(s * z, r, r);
    c = mu_fma(c, z, 1.0);
    switch ((int64_t)n & 3) {
    case 0: *sine = s; *cosine = c; break;
    case 1: *sine = c; *cosine = -s; break;
    case 2: *sine = -s; *cosine = -c; break;
    default: *sine = -c; *cosine = s; break;
    }
}

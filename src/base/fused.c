/* a * b + c in integers: the product exactly, the sum with everything below its last bits kept as one sticky bit, one rounding to the
 * nearest, ties to even. */
#include "base/fused.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct wide {
    uint64_t high, low;
} wide;

/* (high, low) * 2^exponent, the highest bit set being bit 125: two bits of room for a sum. */
typedef struct number {
    wide bits;
    int  exponent;
    bool negative;
} number;

enum { TOP_BIT = 125, FRACTION_BITS = 52, LEAST_EXPONENT = -1074 };

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static wide shift_left(wide x, unsigned by) /* by < 128 */
{
    if (by >= 64)
        return (wide){ x.low << (by - 64), 0 };
    return by ? (wide){ x.high << by | x.low >> (64 - by), x.low << by } : x;
}

/* What falls out at the end is remembered in the last bit. */
static wide shift_right_sticky(wide x, unsigned by)
{
    if (by == 0)
        return x;
    if (by >= 128)
        return (wide){ 0, (x.high | x.low) != 0 };
    wide kept = { 0, x.high >> (by - 64) % 64 };
    if (by < 64)
        kept = (wide){ x.high >> by, x.high << (64 - by) | x.low >> by };
    wide lost = shift_left(x, 128 - by);
    kept.low |= (lost.high | lost.low) != 0;
    return kept;
}

static wide sum(wide x, wide y)
{
    wide total = { x.high + y.high, x.low + y.low };
    total.high += total.low < x.low;
    return total;
}

static wide difference(wide x, wide y)
{
    return (wide){ x.high - y.high - (x.low < y.low), x.low - y.low };
}

static bool less(wide x, wide y)
{
    return x.high != y.high ? x.high < y.high : x.low < y.low;
}

static number normalised(wide bits, int exponent, bool negative)
{
    int zeros = bits.high ? __builtin_clzll(bits.high) : 64 + __builtin_clzll(bits.low), by = zeros - (127 - TOP_BIT);
    bits = by >= 0 ? shift_left(bits, (unsigned)by) : shift_right_sticky(bits, (unsigned)-by);
    return (number){ bits, exponent - by, negative };
}

/* A finite double other than 0: its significand and exponent. */
static uint64_t digits_of(uint64_t bits, int *exponent)
{
    int      field = (int)(bits >> FRACTION_BITS & 0x7FF);
    uint64_t fraction = bits & (((uint64_t)1 << FRACTION_BITS) - 1);
    *exponent = (field ? field : 1) - 1 + LEAST_EXPONENT;
    return field ? fraction | (uint64_t)1 << FRACTION_BITS : fraction;
}

static wide product(uint64_t x, uint64_t y)
{
    uint64_t x0 = (uint32_t)x, x1 = x >> 32, y0 = (uint32_t)y, y1 = y >> 32;
    wide     ends = { x1 * y1, x0 * y0 };
    uint64_t one = x0 * y1, other = x1 * y0;
    ends = sum(ends, (wide){ one >> 32, one << 32 });
    return sum(ends, (wide){ other >> 32, other << 32 });
}

static double rounded(number x)
{
    /* The last bit of the result: 52 below the first one, or where the smallest numbers end. */
    int exponent = x.exponent + TOP_BIT - FRACTION_BITS;
    if (exponent < LEAST_EXPONENT)
        exponent = LEAST_EXPONENT;
    wide     bits = shift_right_sticky(x.bits, (unsigned)(exponent - x.exponent) - 2); /* two bits more than are kept */
    uint64_t result = bits.low >> 2, rest = bits.low & 3;
    result += rest > 2 || (rest == 2 && (result & 1));
    result += (uint64_t)(exponent - LEAST_EXPONENT) << FRACTION_BITS; /* the leading 1 counts the exponent up by one */
    const uint64_t infinity = (uint64_t)0x7FF << FRACTION_BITS;
    return double_of((result < infinity ? result : infinity) | (uint64_t)x.negative << 63);
}

double mu_fma_in_integers(double a, double b, double c)
{
    if (!(fabs(a) < INFINITY && fabs(b) < INFINITY) || a == 0.0 || b == 0.0)
        return a * b + c;
    if (!(fabs(c) < INFINITY))
        return c;
    if (c == 0.0)
        return a * b; /* which may round to a zero of its own sign */
    int      a_exponent, b_exponent, c_exponent;
    uint64_t a_bits = bits_of(a), b_bits = bits_of(b), c_bits = bits_of(c);
    wide     exact = product(digits_of(a_bits, &a_exponent), digits_of(b_bits, &b_exponent));
    wide     addend = { 0, digits_of(c_bits, &c_exponent) };
    number   large = normalised(exact, a_exponent + b_exponent, (a_bits ^ b_bits) >> 63);
    number   small = normalised(addend, c_exponent, c_bits >> 63);
    if (large.exponent < small.exponent || (large.exponent == small.exponent && less(large.bits, small.bits))) {
        number swap = large;
        large = small;
        small = swap;
    }
    small.bits = shift_right_sticky(small.bits, (unsigned)(large.exponent - small.exponent));
    wide total = large.negative == small.negative ? sum(large.bits, small.bits) : difference(large.bits, small.bits);
    if ((total.high | total.low) == 0)
        return 0.0;
    return rounded(normalised(total, large.exponent, large.negative));
}

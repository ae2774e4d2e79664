/* What the tests of the kernels share: arrays of exactly the size needed, so that a sanitizer sees a step outside, and values that
 * are rarely kind. */
#ifndef MUSTER_TENSOR_KERNELS_TEST_H
#define MUSTER_TENSOR_KERNELS_TEST_H

#include "tensor/kernels.h"

#include "muster/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mu_random test_random;

static inline void test_seed(uint64_t seed)
{
    test_random = mu_random_stream(seed, MU_RANDOM_TEST, 0, 0);
}

static inline uint32_t test_below(uint32_t bound)
{
    return mu_random_below(&test_random, bound);
}

static inline bool test_coin(void)
{
    return test_below(2) == 1;
}

static inline uint32_t test_pick(const uint32_t *values, size_t count)
{
    return values[test_below((uint32_t)count)];
}
#define TEST_PICK(...) test_pick((const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* How unkind the values are. */
typedef enum test_values {
    TEST_ORDINARY, /* normal, mean 0 */
    TEST_TINY,     /* products that are denormal or round to nothing, and zeros of both signs */
    TEST_SPECIAL,  /* now and then a NaN or an infinity */
    TEST_VALUES_COUNT
} test_values;

static inline float test_value(test_values kind)
{
    float ordinary = (float)mu_random_normal(&test_random);
    if (kind == TEST_TINY) {
        static const float scales[] = { 1e-20f, 1e-24f, 1e-38f, 1e-42f, 0.0f, -0.0f };
        return ordinary * scales[test_below(6)];
    }
    if (kind == TEST_SPECIAL && test_below(40) == 0) {
        static const float specials[] = { NAN, INFINITY, -INFINITY };
        return specials[test_below(3)];
    }
    return ordinary;
}

static inline void *test_alloc(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    assert_non_null(memory);
    return memory;
}

static inline float *test_floats(size_t count)
{
    return test_alloc(count * sizeof(float));
}

/* Scratch as kernels want it, full of NaN: nothing may depend on what was there. */
static inline float *test_work(size_t count)
{
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, count * sizeof(float) + 1), 0);
    for (size_t i = 0; i < count; i++)
        ((float *)memory)[i] = NAN;
    return memory;
}

static inline float *test_filled(size_t count, test_values kind)
{
    float *x = test_floats(count);
    for (size_t i = 0; i < count; i++)
        x[i] = test_value(kind);
    return x;
}

/* Floats in a matrix of rows; the last row ends with its last channel, so that a step beyond it is seen. */
static inline size_t test_rows_floats(size_t rows, uint32_t channels, size_t stride)
{
    return rows ? (rows - 1) * stride + channels : 0;
}

/* The gaps between rows are NaN: whoever reads them shows it. */
static inline float *test_rows(size_t rows, uint32_t channels, size_t stride, test_values kind)
{
    size_t count = test_rows_floats(rows, channels, stride);
    float *x = test_floats(count);
    for (size_t i = 0; i < count; i++)
        x[i] = i % stride < channels ? test_value(kind) : NAN;
    return x;
}

#define TEST_UNTOUCHED (-12345.678f)

/* An array to be written: rows hold values (to accumulate on), gaps what must still be there afterwards. */
static inline float *test_output(size_t rows, uint32_t channels, size_t stride)
{
    size_t count = test_rows_floats(rows, channels, stride);
    float *x = test_floats(count);
    for (size_t i = 0; i < count; i++)
        x[i] = i % stride < channels ? test_value(TEST_ORDINARY) : TEST_UNTOUCHED;
    return x;
}

static inline float *test_copy(const float *x, size_t count)
{
    float *copy = test_floats(count);
    memcpy(copy, x, count * sizeof(float));
    return copy;
}

static inline bool test_same_bits(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Equal bits (any NaN is as good as another). */
static inline void test_equal(const char *what, const float *expected, const float *actual, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!test_same_bits(expected[i], actual[i]))
            fail_msg("%s: element %zu of %zu is %a, the reference has %a", what, i, count, (double)actual[i], (double)expected[i]);
}

static inline void test_gaps_untouched(const char *what, const float *x, size_t rows, uint32_t channels, size_t stride)
{
    size_t count = test_rows_floats(rows, channels, stride);
    for (size_t i = 0; i < count; i++)
        if (i % stride >= channels && x[i] != TEST_UNTOUCHED)
            fail_msg("%s: wrote %a into the gap at %zu", what, (double)x[i], i);
}

/* The tables to hold against the reference; returns how many this processor has. */
static inline size_t test_vector_tables(const mu_kernel_table *tables[3])
{
    static const char *const names[] = { "avx512", "avx2", "neon" };
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const mu_kernel_table *table = mu_kernels_named(names[i]);
        if (table)
            tables[count++] = table;
    }
    return count;
}

#endif

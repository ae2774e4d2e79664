/* The machine's own limits: fused multiply-adds in registers, and bytes from and to memory. */
#include "cli/bench_machine.h"

#include "muster/arena.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- multiply-adds: sums that do not wait for each other, in registers ---- */

enum { CHAINS = 12, TURNS = 100000 };

typedef struct peak {
    const char *kernels;
    uint32_t    floats; /* of a vector */
    void (*call)(void *result);
} peak;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void call_avx512(void *result)
{
    __m512 sums[CHAINS], a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm512_set1_ps((float)i);
    for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sums[i] = _mm512_fmadd_ps(sums[i], a, b);
    for (int i = 0; i < CHAINS; i++)
        *(float *)result += _mm512_cvtss_f32(sums[i]);
}

__attribute__((target("avx2,fma"))) static void call_avx2(void *result)
{
    __m256 sums[CHAINS], a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm256_set1_ps((float)i);
    for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sums[i] = _mm256_fmadd_ps(sums[i], a, b);
    for (int i = 0; i < CHAINS; i++)
        *(float *)result += _mm256_cvtss_f32(sums[i]);
}

static const peak peaks[] = { { "avx512", 16, call_avx512 }, { "avx2", 8, call_avx2 } };
#elif defined(__aarch64__)
static void call_neon(void *result)
{
    float32x4_t sums[CHAINS], a = vdupq_n_f32(0.999f), b = vdupq_n_f32(0.001f);
    for (int i = 0; i < CHAINS; i++)
        sums[i] = vdupq_n_f32((float)i);
    for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sums[i] = vfmaq_f32(b, sums[i], a);
    for (int i = 0; i < CHAINS; i++)
        *(float *)result += vgetq_lane_f32(sums[i], 0);
}

static const peak peaks[] = { { "neon", 4, call_neon } };
#else
static void call_nothing(void *result)
{
    (void)result;
}

static const peak peaks[] = { { "", 0, call_nothing } };
#endif

static mu_status measure_peak(const char *kernels, const cli_bench_effort *effort, double *flop_per_s, mu_error *err)
{
    for (size_t i = 0; i < MU_COUNT(peaks); i++) {
        float result = 0.0f;
        cli_bench_work work = { .call = peaks[i].call, .self = &result };
        if (strcmp(peaks[i].kernels, kernels) != 0)
            continue;
        mu_status status = cli_bench_measure(&work, 1, effort, err);
        *flop_per_s = 2.0 * CHAINS * TURNS * peaks[i].floats / work.median_s;
        return status;
    }
    *flop_per_s = 0.0; /* the plain kernels have no vectors to speak of */
    return MU_OK;
}

/* ---- memory ---- */

enum { ARRAY_FLOATS = 32 << 20 }; /* 128 MiB, four times a large cache */

typedef struct arrays {
    float *a, *b, *c;
    float  sum;
} arrays;

static void read_all(void *self)
{
    arrays *m = self;
    float lanes[64] = { 0.0f };
    for (size_t i = 0; i < ARRAY_FLOATS; i += 64)
        for (size_t lane = 0; lane < 64; lane++)
            lanes[lane] += m->b[i + lane];
    for (size_t lane = 0; lane < 64; lane++)
        m->sum += lanes[lane];
}

static void copy_all(void *self)
{
    arrays *m = self;
    memcpy(m->a, m->b, ARRAY_FLOATS * sizeof *m->a);
}

static void triad(void *self)
{
    arrays *m = self;
    float *restrict a = m->a;
    const float *restrict b = m->b, *restrict c = m->c;
    for (size_t i = 0; i < ARRAY_FLOATS; i++)
        a[i] = b[i] + 0.5f * c[i];
}

static mu_status measure_memory(const cli_bench_effort *effort, cli_bench_machine *out, mu_error *err)
{
    const double array_bytes = (double)ARRAY_FLOATS * sizeof(float);
    arrays m = { cli_bench_floats(ARRAY_FLOATS), cli_bench_floats(ARRAY_FLOATS), cli_bench_floats(ARRAY_FLOATS), 0.0f };
    cli_bench_work works[] = { { .call = read_all, .self = &m }, { .call = copy_all, .self = &m }, { .call = triad, .self = &m } };
    mu_status status = MU_OK;
    if (!m.a || !m.b || !m.c)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for three arrays of %.0f bytes", array_bytes);
    else
        status = cli_bench_measure(works, MU_COUNT(works), effort, err);
    if (!status) {
        out->read_byte_per_s = array_bytes / works[0].median_s;
        out->copy_byte_per_s = 2.0 * array_bytes / works[1].median_s;
        out->triad_byte_per_s = 3.0 * array_bytes / works[2].median_s;
    }
    mu_arena_block_free(m.a);
    mu_arena_block_free(m.b);
    mu_arena_block_free(m.c);
    return status;
}

mu_status cli_bench_machine_measure(const char *kernels, const cli_bench_effort *effort, cli_bench_machine *out, mu_error *err)
{
    mu_status status = measure_peak(kernels, effort, &out->flop_per_s, err);
    return status ? status : measure_memory(effort, out, err);
}

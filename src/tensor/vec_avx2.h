/* vec.h for AVX2 with FMA. */
#include <immintrin.h>
#include <string.h>

#define VEC_LANES 8
#define VEC_REGISTERS 16

typedef __m256  vec;
typedef __m256i vec_mask;
typedef __m256  vec_bool;
typedef __m256i vec_ids;

static inline vec_mask vec_first(uint32_t lanes)
{
    int count = (int)(lanes >= VEC_LANES ? VEC_LANES : lanes);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec vec_all(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_load(const float *from)
{
    return _mm256_loadu_ps(from);
}

static inline vec vec_load_first(const float *from, vec_mask mask)
{
    return _mm256_maskload_ps(from, mask);
}

static inline void vec_store(float *to, vec x)
{
    _mm256_storeu_ps(to, x);
}

static inline void vec_store_first(float *to, vec_mask mask, vec x)
{
    _mm256_maskstore_ps(to, mask, x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

/* The second operand comes out where the two are equal or one is NaN. */
static inline vec vec_relu(vec x)
{
    return _mm256_max_ps(_mm256_setzero_ps(), x);
}

static inline vec vec_subtract(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_divide(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline vec_bool vec_greater(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

static inline vec_bool vec_at_most(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

static inline vec_bool vec_is_nan(vec x)
{
    return _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
}

static inline vec_bool vec_either(vec_bool p, vec_bool q)
{
    return _mm256_or_ps(p, q);
}

static inline vec vec_choose(vec_bool p, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, p);
}

static inline vec_ids vec_ids_all(uint8_t id)
{
    return _mm256_set1_epi32(id);
}

static inline vec_ids vec_ids_choose(vec_bool p, vec_ids yes, vec_ids no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(p));
}

static inline vec_bool vec_ids_equal(vec_ids a, vec_ids b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}

static inline vec_ids vec_ids_load(const uint8_t *from, uint32_t lanes)
{
    int64_t bytes = 0;
    if (lanes >= VEC_LANES)
        memcpy(&bytes, from, VEC_LANES);
    else
        memcpy(&bytes, from, lanes);
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes));
}

static inline void vec_ids_store(uint8_t *to, uint32_t lanes, vec_ids ids)
{
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(ids), _mm256_extracti128_si256(ids, 1));
    int64_t bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    if (lanes >= VEC_LANES)
        memcpy(to, &bytes, VEC_LANES);
    else
        memcpy(to, &bytes, lanes);
}

/* In three rounds: lanes in pairs, in fours, then the halves of the vectors. */
static inline void vec_transpose(vec rows[VEC_LANES])
{
    __m256 pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            fours[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + 2 + j], 0x44);
            fours[i + 2 * j + 1] = _mm256_shuffle_ps(pairs[i + j], pairs[i + 2 + j], 0xEE);
        }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x20);
        rows[4 + i] = _mm256_permute2f128_ps(fours[i], fours[4 + i], 0x31);
    }
}

typedef struct vec_wide {
    __m256d low, high;
} vec_wide;

static inline vec_wide vec_widen(vec x)
{
    return (vec_wide){ _mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)) };
}

static inline vec_wide vec_wide_load(const double *from)
{
    return (vec_wide){ _mm256_loadu_pd(from), _mm256_loadu_pd(from + 4) };
}

static inline void vec_wide_store(double *to, vec_wide x)
{
    _mm256_storeu_pd(to, x.low);
    _mm256_storeu_pd(to + 4, x.high);
}

static inline vec_wide vec_wide_add(vec_wide a, vec_wide b)
{
    return (vec_wide){ _mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high) };
}

static inline vec_wide vec_wide_fma(vec_wide a, vec_wide b, vec_wide c)
{
    return (vec_wide){ _mm256_fmadd_pd(a.low, b.low, c.low), _mm256_fmadd_pd(a.high, b.high, c.high) };
}

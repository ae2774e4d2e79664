/* vec.h for AVX-512. */
#include <immintrin.h>

#define VEC_LANES 16
#define VEC_REGISTERS 32

typedef __m512    vec;
typedef __mmask16 vec_mask;
typedef __mmask16 vec_bool;
typedef __m512i   vec_ids;

static inline vec_mask vec_first(uint32_t lanes)
{
    return (vec_mask)(lanes >= VEC_LANES ? 0xFFFFu : (1u << lanes) - 1u);
}

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec vec_all(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

static inline vec vec_load_first(const float *from, vec_mask mask)
{
    return _mm512_maskz_loadu_ps(mask, from);
}

static inline void vec_store(float *to, vec x)
{
    _mm512_storeu_ps(to, x);
}

static inline void vec_store_first(float *to, vec_mask mask, vec x)
{
    _mm512_mask_storeu_ps(to, mask, x);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

/* The second operand comes out where the two are equal or one is NaN. */
static inline vec vec_relu(vec x)
{
    return _mm512_max_ps(_mm512_setzero_ps(), x);
}

static inline vec vec_subtract(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_divide(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec_bool vec_greater(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

static inline vec_bool vec_at_most(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

static inline vec_bool vec_is_nan(vec x)
{
    return _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
}

static inline vec_bool vec_either(vec_bool p, vec_bool q)
{
    return (vec_bool)(p | q);
}

static inline vec vec_choose(vec_bool p, vec yes, vec no)
{
    return _mm512_mask_blend_ps(p, no, yes);
}

static inline vec_ids vec_ids_all(uint8_t id)
{
    return _mm512_set1_epi32(id);
}

static inline vec_ids vec_ids_choose(vec_bool p, vec_ids yes, vec_ids no)
{
    return _mm512_mask_blend_epi32(p, no, yes);
}

static inline vec_bool vec_ids_equal(vec_ids a, vec_ids b)
{
    return _mm512_cmpeq_epi32_mask(a, b);
}

static inline vec_ids vec_ids_load(const uint8_t *from, uint32_t lanes)
{
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(vec_first(lanes), from));
}

static inline void vec_ids_store(uint8_t *to, uint32_t lanes, vec_ids ids)
{
    _mm_mask_storeu_epi8(to, vec_first(lanes), _mm512_cvtepi32_epi8(ids));
}

/* In four rounds: lanes in pairs, in fours, then the quarters of the vectors. */
static inline void vec_transpose(vec rows[VEC_LANES])
{
    __m512 pairs[16], fours[16], halves[16];
    for (int i = 0; i < 16; i += 2) {
        pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            __m512d low = _mm512_castps_pd(pairs[i + j]), high = _mm512_castps_pd(pairs[i + 2 + j]);
            fours[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            fours[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    for (int i = 0; i < 4; i++) /* of rows 0-3 and 4-7, of rows 8-11 and 12-15 */
        for (int j = 0; j < 16; j += 8) {
            halves[j + i] = _mm512_shuffle_f32x4(fours[j + i], fours[j + 4 + i], 0x88);
            halves[j + 4 + i] = _mm512_shuffle_f32x4(fours[j + i], fours[j + 4 + i], 0xDD);
        }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm512_shuffle_f32x4(halves[i], halves[8 + i], 0x88);
        rows[8 + i] = _mm512_shuffle_f32x4(halves[i], halves[8 + i], 0xDD);
        rows[4 + i] = _mm512_shuffle_f32x4(halves[4 + i], halves[12 + i], 0x88);
        rows[12 + i] = _mm512_shuffle_f32x4(halves[4 + i], halves[12 + i], 0xDD);
    }
}

typedef struct vec_wide {
    __m512d low, high;
} vec_wide;

static inline vec_wide vec_widen(vec x)
{
    return (vec_wide){ _mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1)) };
}

static inline vec_wide vec_wide_load(const double *from)
{
    return (vec_wide){ _mm512_loadu_pd(from), _mm512_loadu_pd(from + 8) };
}

static inline void vec_wide_store(double *to, vec_wide x)
{
    _mm512_storeu_pd(to, x.low);
    _mm512_storeu_pd(to + 8, x.high);
}

static inline vec_wide vec_wide_add(vec_wide a, vec_wide b)
{
    return (vec_wide){ _mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high) };
}

static inline vec_wide vec_wide_fma(vec_wide a, vec_wide b, vec_wide c)
{
    return (vec_wide){ _mm512_fmadd_pd(a.low, b.low, c.low), _mm512_fmadd_pd(a.high, b.high, c.high) };
}

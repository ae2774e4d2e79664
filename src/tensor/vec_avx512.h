/* vec.h for AVX-512. */
#include <immintrin.h>

#define VEC_LANES 16
#define VEC_REGISTERS 32

typedef __m512    vec;
typedef __mmask16 vec_mask;

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

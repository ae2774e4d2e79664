/* vec.h for AVX2 with FMA. */
#include <immintrin.h>

#define VEC_LANES 8
#define VEC_REGISTERS 16

typedef __m256  vec;
typedef __m256i vec_mask;

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

/* vec.h for NEON. A mask is the number of lanes. */
#include <arm_neon.h>

#define VEC_LANES 4
#define VEC_REGISTERS 32

typedef float32x4_t vec;
typedef uint32_t    vec_mask;

static inline vec_mask vec_first(uint32_t lanes)
{
    return lanes >= VEC_LANES ? VEC_LANES : lanes;
}

static inline vec vec_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static inline vec vec_all(float x)
{
    return vdupq_n_f32(x);
}

static inline vec vec_load(const float *from)
{
    return vld1q_f32(from);
}

static inline vec vec_load_first(const float *from, vec_mask mask)
{
    if (mask == VEC_LANES)
        return vld1q_f32(from);
    float lanes[VEC_LANES] = { 0.0f };
    for (vec_mask i = 0; i < mask; i++)
        lanes[i] = from[i];
    return vld1q_f32(lanes);
}

static inline void vec_store(float *to, vec x)
{
    vst1q_f32(to, x);
}

static inline void vec_store_first(float *to, vec_mask mask, vec x)
{
    float lanes[VEC_LANES];
    vst1q_f32(lanes, x);
    for (vec_mask i = 0; i < mask; i++)
        to[i] = lanes[i];
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

static inline vec vec_add(vec a, vec b)
{
    return vaddq_f32(a, b);
}

/* x < 0 ? 0 : x; the compare is false for NaN. */
static inline vec vec_relu(vec x)
{
    return vbslq_f32(vcltq_f32(x, vdupq_n_f32(0.0f)), vdupq_n_f32(0.0f), x);
}

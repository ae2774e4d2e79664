/* vec.h for NEON. A mask is the number of lanes. */
#include <arm_neon.h>
#include <string.h>

#define VEC_LANES 4
#define VEC_REGISTERS 32

typedef float32x4_t vec;
typedef uint32_t    vec_mask;
typedef uint32x4_t  vec_bool;
typedef uint32x4_t  vec_ids;

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

static inline vec vec_subtract(vec a, vec b)
{
    return vsubq_f32(a, b);
}

static inline vec vec_multiply(vec a, vec b)
{
    return vmulq_f32(a, b);
}

static inline vec vec_divide(vec a, vec b)
{
    return vdivq_f32(a, b);
}

static inline vec_bool vec_greater(vec a, vec b)
{
    return vcgtq_f32(a, b);
}

static inline vec_bool vec_at_most(vec a, vec b)
{
    return vcleq_f32(a, b);
}

static inline vec_bool vec_is_nan(vec x)
{
    return vmvnq_u32(vceqq_f32(x, x));
}

static inline vec_bool vec_either(vec_bool p, vec_bool q)
{
    return vorrq_u32(p, q);
}

static inline vec vec_choose(vec_bool p, vec yes, vec no)
{
    return vbslq_f32(p, yes, no);
}

static inline vec_ids vec_ids_all(uint8_t id)
{
    return vdupq_n_u32(id);
}

static inline vec_ids vec_ids_choose(vec_bool p, vec_ids yes, vec_ids no)
{
    return vbslq_u32(p, yes, no);
}

static inline vec_bool vec_ids_equal(vec_ids a, vec_ids b)
{
    return vceqq_u32(a, b);
}

static inline vec_ids vec_ids_load(const uint8_t *from, uint32_t lanes)
{
    uint8_t bytes[8] = { 0 };
    memcpy(bytes, from, lanes >= VEC_LANES ? VEC_LANES : lanes);
    return vmovl_u16(vget_low_u16(vmovl_u8(vld1_u8(bytes))));
}

static inline void vec_ids_store(uint8_t *to, uint32_t lanes, vec_ids ids)
{
    uint8_t    bytes[8];
    uint16x4_t words = vmovn_u32(ids);
    vst1_u8(bytes, vmovn_u16(vcombine_u16(words, words)));
    memcpy(to, bytes, lanes >= VEC_LANES ? VEC_LANES : lanes);
}

static inline void vec_transpose(vec rows[VEC_LANES])
{
    float32x4x2_t upper = vtrnq_f32(rows[0], rows[1]), lower = vtrnq_f32(rows[2], rows[3]);
    rows[0] = vcombine_f32(vget_low_f32(upper.val[0]), vget_low_f32(lower.val[0]));
    rows[1] = vcombine_f32(vget_low_f32(upper.val[1]), vget_low_f32(lower.val[1]));
    rows[2] = vcombine_f32(vget_high_f32(upper.val[0]), vget_high_f32(lower.val[0]));
    rows[3] = vcombine_f32(vget_high_f32(upper.val[1]), vget_high_f32(lower.val[1]));
}

typedef struct vec_wide {
    float64x2_t low, high;
} vec_wide;

static inline vec_wide vec_widen(vec x)
{
    return (vec_wide){ vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x) };
}

static inline vec_wide vec_wide_load(const double *from)
{
    return (vec_wide){ vld1q_f64(from), vld1q_f64(from + 2) };
}

static inline void vec_wide_store(double *to, vec_wide x)
{
    vst1q_f64(to, x.low);
    vst1q_f64(to + 2, x.high);
}

static inline vec_wide vec_wide_add(vec_wide a, vec_wide b)
{
    return (vec_wide){ vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high) };
}

static inline vec_wide vec_wide_fma(vec_wide a, vec_wide b, vec_wide c)
{
    return (vec_wide){ vfmaq_f64(c.low, a.low, b.low), vfmaq_f64(c.high, a.high, b.high) };
}

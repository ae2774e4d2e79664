/* The kernels' sources are compiled several times, each time with the flags of another processor and another MU_VARIANT: the plain
 * reference, AVX2, AVX-512, NEON. What they define is named by MU_KERNEL, so that all variants fit into one program.
 * What gains by it has two sources, such as conv_plain.c and conv_vector.c; everything else has one, which the compiler turns into
 * vectors where the flags let it. */
#ifndef MUSTER_TENSOR_VARIANT_H
#define MUSTER_TENSOR_VARIANT_H

#include "base/fused.h"
#include "tensor/kernels.h"

#ifndef MU_VARIANT
#define MU_VARIANT plain
#endif
#define MU_PASTE_NAMES(variant, name) mu_##variant##_##name
#define MU_PASTE(variant, name) MU_PASTE_NAMES(variant, name)
#define MU_KERNEL(name) MU_PASTE(MU_VARIANT, name)
#define MU_STRING_OF(name) #name
#define MU_STRING(name) MU_STRING_OF(name)

/* Every member of mu_kernel_table but its name: the one list that declares the kernels and fills in the tables. */
#define MU_KERNEL_LIST(ENTRY)                                                                                                    \
    ENTRY(conv_work_floats) ENTRY(conv_forward) ENTRY(conv_grad_input) ENTRY(conv_grad_weight) ENTRY(gemm_work_floats)           \
    ENTRY(gemm) ENTRY(sum_rows) ENTRY(max_pool_forward) ENTRY(max_pool_backward) ENTRY(average_pool_forward)                     \
    ENTRY(average_pool_backward) ENTRY(batch_norm_work_floats) ENTRY(batch_norm_forward) ENTRY(batch_norm_infer) ENTRY(batch_norm_again)                 \
    ENTRY(batch_norm_backward)                                                                                                   \
    ENTRY(group_norm_forward) ENTRY(group_norm_backward) ENTRY(activation_forward) ENTRY(activation_backward) ENTRY(add)         \
    ENTRY(layer_norm_forward) ENTRY(layer_norm_backward) ENTRY(embedding_forward) ENTRY(embedding_backward)                      \
    ENTRY(recurrent_work_floats) ENTRY(lstm_forward) ENTRY(gru_forward) ENTRY(lstm_backward) ENTRY(gru_backward)                 \
    ENTRY(recurrent_grad_weight)                                                                                                 \
    ENTRY(copy) ENTRY(multiply) ENTRY(dropout_mask) ENTRY(softmax_cross_entropy) ENTRY(sgd) ENTRY(adam) ENTRY(axpy)              \
    ENTRY(scale) ENTRY(mean_step) ENTRY(squared_norm) ENTRY(gather) ENTRY(scatter) ENTRY(scatter_add)

#define MU_DECLARE_KERNEL(name) extern __typeof__(*((const mu_kernel_table *)0)->name) MU_KERNEL(name);
MU_KERNEL_LIST(MU_DECLARE_KERNEL)

/* The table of this variant, in table.c. */
extern const mu_kernel_table MU_KERNEL(table);

/* In front of a loop whose steps do not depend on each other although its arrays may be one and the same. */
#if defined(__clang__)
#define MU_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define MU_INDEPENDENT _Pragma("GCC ivdep")
#else
#define MU_INDEPENDENT
#endif

/* ReLU as all kernels do it: -0 and NaN stay what they are, so that a model that has diverged is seen to have. */
static inline float mu_relu(float x)
{
    return x < 0.0f ? 0.0f : x;
}

/* The sum of the lanes of a reduction: pairwise, the upper half onto the lower. */
static inline float mu_sum_lanes(float lanes[MU_LANES])
{
    for (size_t half = MU_LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            lanes[lane] += lanes[lane + half];
    return lanes[0];
}

#endif

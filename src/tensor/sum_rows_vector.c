/* Sums over the rows of a matrix, with vectors along the channels: as many as there are additions in flight. */
#include "tensor/variant.h"
#include "tensor/vec.h"

#define CHUNK_VECTORS 4

static inline __attribute__((always_inline)) void sum_chunk(mu_rows rows, const float *x, float *sums, bool resume, const int vectors,
                                                            const vec_mask mask)
{
    vec sum[CHUNK_VECTORS];
    for (int v = 0; v < vectors; v++)
        sum[v] = resume ? vec_load_first(sums + v * VEC_LANES, mask) : vec_zero();
    for (size_t row = 0; row < rows.rows; row++, x += rows.stride)
        for (int v = 0; v < vectors; v++)
            sum[v] = vec_add(sum[v], vec_load_first(x + v * VEC_LANES, mask));
    for (int v = 0; v < vectors; v++)
        vec_store_first(sums + v * VEC_LANES, mask, sum[v]);
}

void MU_KERNEL(sum_rows)(mu_rows rows, const float *x, float *sums, bool resume)
{
    const uint32_t chunk = CHUNK_VECTORS * VEC_LANES;
    uint32_t c = 0;
    for (; c + chunk <= rows.channels; c += chunk)
        sum_chunk(rows, x + c, sums + c, resume, CHUNK_VECTORS, vec_first(VEC_LANES));
    for (; c + 2 * VEC_LANES <= rows.channels; c += 2 * VEC_LANES)
        sum_chunk(rows, x + c, sums + c, resume, 2, vec_first(VEC_LANES));
    for (; c < rows.channels; c += VEC_LANES)
        sum_chunk(rows, x + c, sums + c, resume, 1, vec_first(rows.channels - c));
}

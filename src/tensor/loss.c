/* Softmax cross-entropy: against labels, and against what another network says. */
#include "tensor/elementary.h"
#include "tensor/variant.h"

#include "muster/math.h"

/* One row of logits as the loss sees it: times `factor`, and 0 where a class is not held. */
typedef struct row_view {
    const float *x;
    const bool  *held;
    uint32_t     count;
    float        factor;
} row_view;

static inline size_t block_width(const row_view *row, uint32_t first)
{
    return row->count - first < MU_LANES ? row->count - first : MU_LANES;
}

/* `width` elements from `first` on: where they lie, or in `room` where the loss sees others. */
static inline const float *block_of(const row_view *row, uint32_t first, size_t width, float room[MU_LANES])
{
    if (!row->held && row->factor == 1.0f)
        return row->x + first;
    for (size_t lane = 0; lane < width; lane++)
        room[lane] = row->x[first + lane] * row->factor;
    for (size_t lane = 0; row->held && lane < width; lane++)
        room[lane] = row->held[first + lane] ? room[lane] : 0.0f;
    return room;
}

static inline float element(const row_view *row, uint32_t index)
{
    return !row->held || row->held[index] ? row->x[index] * row->factor : 0.0f;
}

/* NaN is passed over; a row of nothing else has -INFINITY. */
static inline float largest(const row_view *row)
{
    float lanes[MU_LANES], room[MU_LANES];
    for (size_t lane = 0; lane < MU_LANES; lane++)
        lanes[lane] = -INFINITY;
    uint32_t i = 0;
    for (; i + MU_LANES <= row->count; i += MU_LANES) {
        const float *x = block_of(row, i, MU_LANES, room);
        for (size_t lane = 0; lane < MU_LANES; lane++)
            lanes[lane] = x[lane] > lanes[lane] ? x[lane] : lanes[lane];
    }
    const float *rest = block_of(row, i, row->count - i, room);
    for (size_t lane = 0; i + lane < row->count; lane++)
        lanes[lane] = rest[lane] > lanes[lane] ? rest[lane] : lanes[lane];
    for (size_t lane = 1; lane < MU_LANES; lane++)
        lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
    return lanes[0];
}

/* The sum of exp(x - top), by lanes; the terms are kept in `terms` unless that is NULL. */
static inline float sum_exponentials(const row_view *row, float top, float *restrict terms)
{
    float lanes[MU_LANES] = { 0.0f };
    for (uint32_t i = 0; i < row->count; i += MU_LANES) {
        size_t width = block_width(row, i);
        float  room[MU_LANES], term[MU_LANES];
        const float *x = block_of(row, i, width, room);
        for (size_t lane = 0; lane < width; lane++)
            term[lane] = mu_expf_inline(x[lane] - top);
        for (size_t lane = 0; lane < width; lane++)
            lanes[lane] += term[lane];
        for (size_t lane = 0; terms && lane < width; lane++)
            terms[i + lane] = term[lane];
    }
    return mu_sum_lanes(lanes);
}

static inline bool is_first_largest(const row_view *row, uint32_t label, float top)
{
    for (uint32_t i = 0; i < label; i++)
        if (element(row, i) == top)
            return false;
    return element(row, label) == top;
}

/* The loss by the label; its gradient to dx unless that is NULL. */
static inline float by_label(const row_view *row, uint32_t label, float scale, float *dx, uint8_t *correct)
{
    float top = largest(row);
    *correct = is_first_largest(row, label, top);
    float sum = sum_exponentials(row, top, dx);
    if (dx) {
        float inverse = 1.0f / sum, term = dx[label];
        for (uint32_t i = 0; i < row->count; i++)
            dx[i] = dx[i] * inverse * scale;
        dx[label] = (term * inverse - 1.0f) * scale;
    }
    return mu_logf(sum) - (element(row, label) - top);
}

/* The loss by the teacher's softmax; its gradient is added to dx unless that is NULL. Exponentials are taken twice, which needs no room. */
static float by_teacher(const row_view *own, const row_view *teacher, float scale, float *dx)
{
    float own_top = largest(own), teacher_top = largest(teacher);
    float own_sum = sum_exponentials(own, own_top, NULL), teacher_sum = sum_exponentials(teacher, teacher_top, NULL);
    float own_inverse = 1.0f / own_sum, teacher_inverse = 1.0f / teacher_sum;
    float lanes[MU_LANES] = { 0.0f }, own_room[MU_LANES], teacher_room[MU_LANES], u[MU_LANES], target[MU_LANES];
    for (uint32_t i = 0; i < own->count; i += MU_LANES) {
        size_t width = block_width(own, i);
        const float *z = block_of(own, i, width, own_room), *t = block_of(teacher, i, width, teacher_room);
        for (size_t lane = 0; lane < width; lane++) {
            u[lane] = z[lane] - own_top;
            target[lane] = mu_expf_inline(t[lane] - teacher_top) * teacher_inverse;
            lanes[lane] = fmaf(target[lane], u[lane], lanes[lane]);
        }
        for (size_t lane = 0; dx && lane < width; lane++)
            dx[i + lane] = fmaf(mu_expf_inline(u[lane]) * own_inverse - target[lane], scale, dx[i + lane]);
    }
    return mu_logf(own_sum) - mu_sum_lanes(lanes);
}

void MU_KERNEL(softmax_cross_entropy)(const mu_loss *loss, size_t rows, const float *logits, const int32_t *labels, float *dlogits,
                                      float *losses, uint8_t *correct)
{
    const float label_scale = loss->teacher ? loss->gradient_scale * loss->label_weight : loss->gradient_scale;
    const float teacher_scale = loss->teacher_weight * loss->inverse_temperature * loss->gradient_scale;
    for (size_t row = 0; row < rows; row++) {
        row_view own = { logits + row * loss->stride, loss->held, loss->classes, 1.0f };
        float   *dx = dlogits ? dlogits + row * loss->stride : NULL;
        if (loss->held)
            losses[row] = by_label(&own, (uint32_t)labels[row], label_scale, dx, &correct[row]);
        else /* the same without the flags, which the compiler then need not look for */
            losses[row] = by_label(&(row_view){ own.x, NULL, own.count, 1.0f }, (uint32_t)labels[row], label_scale, dx, &correct[row]);
        if (loss->teacher) {
            row_view teacher = { loss->teacher + row * loss->stride, loss->held, loss->classes, loss->inverse_temperature };
            own.factor = loss->inverse_temperature;
            losses[row] = fmaf(loss->teacher_weight, by_teacher(&own, &teacher, teacher_scale, dx), loss->label_weight * losses[row]);
        }
        for (uint32_t i = 0; dx && loss->held && i < loss->classes; i++)
            dx[i] = loss->held[i] ? dx[i] : 0.0f;
    }
}

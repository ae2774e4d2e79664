/* Forming submodels: the same graph with narrower shapes, in the same memory each time. */
#include "nn/submodel.h"

#include <string.h>

/* ---- memory ---- */

typedef struct pieces {
    mu_submodel  *submodel;
    mu_node      *nodes;
    mu_param     *params;
    mu_kept_axis *axes;
    mu_slice     *slices;
    mu_input     *inputs;
    uint32_t     *places;
    mu_pick_block *blocks;
} pieces;

static size_t input_count(const mu_model *model)
{
    size_t count = 0;
    for (uint32_t i = 0; i < model->node_count; i++)
        count += model->nodes[i].input_count;
    return count;
}

static size_t block_count(mu_axis axis)
{
    return (axis.count + MU_LANES - 1) / MU_LANES;
}

static void count_places(const mu_units *units, size_t *places, size_t *blocks)
{
    *places = *blocks = 0;
    for (uint32_t i = 0; i < units->axis_count; i++) {
        *places += units->axes[i].count;
        *blocks += block_count(units->axes[i]);
    }
}

static pieces take_pieces(const mu_units *units, mu_arena *arena)
{
    const mu_model *model = units->model;
    size_t places, blocks;
    count_places(units, &places, &blocks);
    pieces p;
    p.submodel = mu_arena_take(arena, 1, sizeof *p.submodel);
    p.nodes = mu_arena_take(arena, model->node_count, sizeof *p.nodes);
    p.params = mu_arena_take(arena, model->param_count, sizeof *p.params);
    p.axes = mu_arena_take(arena, units->axis_count, sizeof *p.axes);
    p.slices = mu_arena_take(arena, model->param_count, sizeof *p.slices);
    p.inputs = mu_arena_take(arena, input_count(model), sizeof *p.inputs);
    p.places = mu_arena_take(arena, places, sizeof *p.places);
    p.blocks = mu_arena_take(arena, blocks, sizeof *p.blocks);
    return p;
}

/* A config is the layer's own: a copy for each node, whose width changes. */
static void take_configs(const mu_model *model, mu_node *nodes, mu_arena *arena)
{
    for (uint32_t i = 0; i < model->node_count; i++) {
        const mu_node *node = &model->nodes[i];
        if (node->layer->config_bytes == 0)
            continue;
        void *config = mu_arena_take(arena, 1, node->layer->config_bytes);
        if (!config)
            continue;
        memcpy(config, node->config, node->layer->config_bytes);
        nodes[i].config = config;
    }
}

static void copy_graph(const mu_units *units, const pieces *p)
{
    const mu_model *model = units->model;
    mu_input *inputs = p->inputs;
    uint32_t *places = p->places;
    mu_pick_block *blocks = p->blocks;
    memcpy(p->nodes, model->nodes, model->node_count * sizeof *p->nodes);
    memcpy(p->params, model->params, model->param_count * sizeof *p->params);
    for (uint32_t i = 0; i < model->node_count; i++) {
        p->nodes[i].inputs = inputs;
        memcpy(inputs, model->nodes[i].inputs, p->nodes[i].input_count * sizeof *inputs);
        inputs += p->nodes[i].input_count;
    }
    for (uint32_t i = 0; i < units->axis_count; i++) {
        p->axes[i] = (mu_kept_axis){ .places = places, .blocks = blocks };
        places += units->axes[i].count;
        blocks += block_count(units->axes[i]);
    }
    *p->submodel = (mu_submodel){ .units = units, .small = *model, .axes = p->axes, .slices = p->slices };
    p->submodel->small.nodes = p->nodes;
    p->submodel->small.params = p->params;
}

mu_status mu_submodel_plan(const mu_units *units, mu_arena *arena, mu_submodel **out, mu_error *err)
{
    const mu_model *model = units->model;
    size_t there_bytes = arena->capacity_bytes - arena->used_bytes;
    pieces p = take_pieces(units, arena);
    if (arena->memory && !arena->overflowed)
        copy_graph(units, &p);
    take_configs(model, p.nodes, arena);
    if (arena->overflowed) {
        mu_arena counting = mu_arena_measuring();
        take_pieces(units, &counting);
        take_configs(model, NULL, &counting);
        return mu_error_set(err, MU_E_MEMORY, "a submodel of model '%s' takes %zu bytes, there are %zu", model->name, counting.used_bytes,
                            there_bytes);
    }
    *out = p.submodel;
    return p.submodel ? mu_submodel_form(p.submodel, NULL, err) : MU_OK;
}

mu_status mu_submodel_create(const mu_units *units, mu_submodel **out, mu_error *err)
{
    *out = NULL;
    mu_arena arena = mu_arena_measuring();
    mu_submodel *submodel;
    mu_status status = mu_submodel_plan(units, &arena, &submodel, err);
    if (status)
        return status;
    const size_t size_bytes = arena.used_bytes;
    void *block = mu_arena_block(size_bytes);
    if (!block)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a part of model '%s': %zu bytes", units->model->name, size_bytes);
    arena = mu_arena_over(block, size_bytes);
    status = mu_submodel_plan(units, &arena, &submodel, err);
    MU_ASSERT(!status && (void *)submodel == block); /* it is the first thing taken, so it names its block */
    *out = submodel;
    return MU_OK;
}

void mu_submodel_destroy(mu_submodel *submodel)
{
    mu_arena_block_free(submodel);
}

/* ---- forming ---- */

static mu_status check_choice(const mu_units *units, const bool *kept, mu_error *err)
{
    for (uint32_t g = 0; kept && g < units->group_count; g++) {
        const mu_unit_group *group = &units->groups[g];
        uint32_t u = 0;
        while (u < group->count && !kept[group->first + u])
            u++;
        if (u == group->count)
            return mu_error_set(err, MU_E_RANGE, "the choice keeps none of the %u units of '%s' in model '%s'; keep at least one",
                                group->count, group->name, units->model->name);
    }
    return MU_OK;
}

static void keep_places(mu_axis axis, const bool *kept, mu_kept_axis *out)
{
    uint32_t count = 0;
    for (uint32_t first = 0; first < axis.count; first += MU_LANES) {
        mu_pick_block *block = &out->blocks[first / MU_LANES];
        *block = (mu_pick_block){ .begin = (uint8_t)(count % MU_LANES), .vector = count - count % MU_LANES };
        for (uint32_t i = first; i < axis.count && i < first + MU_LANES; i++) {
            uint32_t unit = axis.channels[i];
            bool     keep = unit == MU_UNIT_NONE || !kept || kept[unit];
            out->places[count] = i; /* overwritten by the next one where it is not kept, as is its lane */
            block->lanes[count % MU_LANES] = (uint8_t)(i - first);
            block->marks |= (uint16_t)((unsigned)keep << (i - first));
            count += keep;
        }
        block->end = (uint8_t)(count - block->vector);
    }
    out->count = count;
}

static void form_tensors(mu_submodel *submodel, const mu_node *node)
{
    const mu_units *units = submodel->units;
    mu_model *small = &submodel->small;
    for (uint32_t t = node->first_tensor; t < node->first_tensor + node->tensor_count; t++) {
        mu_tensor *tensor = &small->params[t].tensor;
        const mu_tensor *whole = &units->model->params[t].tensor;
        for (int side = 0; side < 2; side++)
            if (units->tensor_axes[t][side] != MU_AXIS_NONE)
                tensor->shape[mu_tensor_axis(tensor, (mu_side)side)] = submodel->axes[units->tensor_axes[t][side]].count;
        if (whole->flattened.height)
            tensor->flattened = node->inputs[0].flattened;
        tensor->count = 1;
        for (uint32_t i = 0; i < tensor->rank; i++)
            tensor->count *= tensor->shape[i];
        /* Statistics follow what is trained, and how much that is, is known in the end. */
        tensor->offset = tensor->trainable ? small->trainable_count : small->state_count - small->trainable_count;
        small->state_count += tensor->count;
        if (tensor->trainable)
            small->trainable_count += tensor->count;
    }
}

static void form_node(mu_submodel *submodel, uint32_t index)
{
    mu_model *small = &submodel->small;
    mu_node *node = &small->nodes[index];
    mu_unit_width width = submodel->units->widths[index];
    for (uint32_t k = 0; k < node->input_count; k++)
        node->inputs[k] = mu_value_as_input(small, node->inputs[k].value);
    if (width.axis != MU_AXIS_NONE)
        *(uint32_t *)(void *)((unsigned char *)node->config + width.config_offset) = submodel->axes[width.axis].count;
    mu_status status = mu_node_infer(node, small->classes, NULL);
    MU_ASSERT(status == MU_OK);
    node->param_offset = small->trainable_count;
    node->statistic_offset = small->state_count - small->trainable_count;
    form_tensors(submodel, node);
    node->param_count = small->trainable_count - node->param_offset;
    node->statistic_count = small->state_count - small->trainable_count - node->statistic_offset;
}

/* Where the kept places along an axis begin when there are no gaps between them; otherwise 0, and their list. */
static uint32_t first_place(const mu_kept_axis *kept, const uint32_t **places)
{
    bool gaps = kept->places[kept->count - 1] - kept->places[0] + 1 != kept->count;
    *places = gaps ? kept->places : NULL;
    return gaps ? 0 : kept->places[0];
}

/* A convolution's taps are planes; other tensors have one. */
static void form_slice(mu_submodel *submodel, uint32_t index)
{
    const mu_tensor *whole = &submodel->units->model->params[index].tensor, *part = &submodel->small.params[index].tensor;
    const uint32_t *axes = submodel->units->tensor_axes[index];
    uint32_t height = mu_tensor_side(whole, MU_SIDE_INPUT), width = mu_tensor_side(whole, MU_SIDE_OUTPUT);
    mu_pick pick = { .height = height, .width = width, .rows = height, .columns = width };
    pick.planes = (uint32_t)(whole->count / ((size_t)height * width));
    size_t offset = whole->offset;
    if (axes[MU_SIDE_INPUT] != MU_AXIS_NONE) {
        const mu_kept_axis *kept = &submodel->axes[axes[MU_SIDE_INPUT]];
        pick.rows = kept->count;
        offset += (size_t)first_place(kept, &pick.row) * width;
    }
    if (axes[MU_SIDE_OUTPUT] != MU_AXIS_NONE) {
        const mu_kept_axis *kept = &submodel->axes[axes[MU_SIDE_OUTPUT]];
        pick.columns = kept->count;
        pick.blocks = kept->blocks;
        offset += first_place(kept, &pick.column);
    }
    if (!pick.row && pick.columns == width) { /* one long row */
        pick.columns *= pick.rows;
        pick.rows = 1;
    }
    submodel->slices[index] =
        (mu_slice){ .pick = pick, .trainable = whole->trainable, .whole_offset = offset, .part_offset = part->offset };
}

/* All sets are as wide. */
static void form_further_set(mu_submodel *submodel, uint32_t index)
{
    mu_model *small = &submodel->small;
    mu_param *param = &small->params[index];
    const mu_tensor *first = &small->params[param->original].tensor;
    memcpy(param->tensor.shape, first->shape, sizeof first->shape);
    param->tensor.flattened = first->flattened;
    param->tensor.count = first->count;
    param->tensor.offset = first->offset + param->set * mu_model_set_floats(small);
}

mu_status mu_submodel_form(mu_submodel *submodel, const bool *kept, mu_error *err)
{
    const mu_units *units = submodel->units;
    mu_model *small = &submodel->small;
    mu_status status = check_choice(units, kept, err);
    if (status)
        return status;
    for (uint32_t i = 0; i < units->axis_count; i++)
        keep_places(units->axes[i], kept, &submodel->axes[i]);
    small->trainable_count = small->state_count = 0;
    for (uint32_t i = 0; i < small->node_count; i++)
        form_node(submodel, i);
    for (uint32_t i = 0; i < small->node_count; i++)
        small->nodes[i].statistic_offset += small->trainable_count;
    small->state_count += (small->statistic_sets - 1) * (small->state_count - small->trainable_count);
    for (uint32_t t = 0; t < small->param_count; t++) {
        if (small->params[t].set)
            form_further_set(submodel, t);
        else if (!small->params[t].tensor.trainable)
            small->params[t].tensor.offset += small->trainable_count;
        form_slice(submodel, t);
    }
    return MU_OK;
}

const mu_model *mu_submodel_model(const mu_submodel *submodel)
{
    return &submodel->small;
}

void mu_submodel_factors(const mu_submodel *submodel, float *factors)
{
    const mu_units *units = submodel->units;
    for (uint32_t i = 0; i < submodel->small.node_count; i++) {
        const mu_node *whole = &units->model->nodes[i];
        bool makes = whole->layer->takes_factor && units->widths[i].axis != MU_AXIS_NONE;
        factors[i] = makes ? (float)((double)whole->output.channels / submodel->small.nodes[i].output.channels) : 1.0f;
    }
}

/* ---- copying ---- */

static bool takes_part(const mu_slice *slice, mu_extent extent)
{
    return extent == MU_EXTENT_STATE || slice->trainable == (extent == MU_EXTENT_PARAMS);
}

/* Where a slice lies in the vectors of an extent: as in the states, unless statistics are alone. */
static size_t whole_place(const mu_submodel *submodel, const mu_slice *slice, mu_extent extent)
{
    return slice->whole_offset - (extent == MU_EXTENT_STATISTICS_ALONE ? submodel->units->model->trainable_count : 0);
}

static size_t part_place(const mu_submodel *submodel, const mu_slice *slice, mu_extent extent)
{
    return slice->part_offset - (extent == MU_EXTENT_STATISTICS_ALONE ? submodel->small.trainable_count : 0);
}

void mu_submodel_gather(const mu_submodel *submodel, mu_extent extent, const float *whole, float *part)
{
    const mu_slice *end = submodel->slices + submodel->small.param_count;
    for (const mu_slice *slice = submodel->slices; slice < end; slice++)
        if (takes_part(slice, extent))
            mu_kernels()->gather(&slice->pick, whole + whole_place(submodel, slice, extent), part + part_place(submodel, slice, extent));
}

void mu_submodel_scatter(const mu_submodel *submodel, mu_extent extent, const float *part, float *whole)
{
    const mu_slice *end = submodel->slices + submodel->small.param_count;
    for (const mu_slice *slice = submodel->slices; slice < end; slice++)
        if (takes_part(slice, extent))
            mu_kernels()->scatter(&slice->pick, part + part_place(submodel, slice, extent), whole + whole_place(submodel, slice, extent));
}

void mu_submodel_add(const mu_submodel *submodel, mu_extent extent, float alpha, const float *part, float *whole)
{
    const mu_slice *end = submodel->slices + submodel->small.param_count;
    for (const mu_slice *slice = submodel->slices; slice < end; slice++)
        if (takes_part(slice, extent))
            mu_kernels()->scatter_add(&slice->pick, alpha, part + part_place(submodel, slice, extent),
                                      whole + whole_place(submodel, slice, extent));
}

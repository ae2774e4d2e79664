/* What a training step fetches from behind a cache. A value that is used again lies in the cache still, unless too much else was used in between; so for every
 * use of every layer's values and weights we count what lies between it and the one before: in the order in which a step goes, layer by layer forward, back
 * again, and then the update. Gradients of values lie where others lay before them, which is near. Steps follow each other: the first use in a step
 * comes after the last one in the step before. */
#include "nn/work.h"

#include "nn/graph.h"

/* All counts here are floats, and whole. */
typedef struct place {
    double input, wanted;     /* of this layer: what it reads, and what of that gets a gradient */
    double output, saved, weights;
    double made, made_behind; /* values of layers before this one, and of it and those behind it */
    double weights_before, weights_behind, weights_all, made_all;
    mu_layer_needs needs;
} place;

typedef struct traffic {
    double near, far; /* the caches */
    double floats[2], weights[2];
} traffic;

/* Nobody knows what else is in a cache: half of it is ours for sure, and nothing of half as much again as it holds. */
static double share_gone(double between, double cache)
{
    const double share = cache > 0.0 ? between / cache - 0.5 : 1.0;
    return share < 0.0 ? 0.0 : share < 1.0 ? share : 1.0;
}

static void use(traffic *t, double count, double between, double sums[2])
{
    sums[0] += count * share_gone(between, t->near);
    sums[1] += count * share_gone(between, t->far);
}

static void use_values(traffic *t, double count, double between)
{
    use(t, count, between, t->floats);
}

static void use_weights(traffic *t, double count, double between)
{
    use(t, count, between, t->weights);
}

static double size_of(mu_shape shape, uint32_t batch)
{
    return (double)batch * (double)mu_shape_size(shape);
}

static mu_layer_needs needs_of(const mu_node *node, uint32_t batch)
{
    mu_layer_needs needs = { 0 };
    if (!node->view && node->layer->needs)
        node->layer->needs(node, mu_kernels_plain(), batch, true, &needs);
    return needs;
}

static double made_by(const mu_node *node, uint32_t batch)
{
    return node->view ? 0.0 : size_of(node->output, batch) + (double)(needs_of(node, batch).saved_bytes / sizeof(float));
}

/* From where the value was made to the node that reads it now, itself included. */
static double since(const mu_model *model, uint32_t batch, uint32_t value, uint32_t reader, double made)
{
    double sum = 0.0;
    while (value && model->nodes[value - 1].view)
        value = model->nodes[value - 1].inputs[0].value;
    for (uint32_t i = value; i > 0 && i <= reader; i++)
        sum += made_by(&model->nodes[i - 1], batch);
    return value ? sum : made;
}

static bool is_norm(const mu_node *node)
{
    return node->layer->elementwise == MU_WORK_NORM;
}

static void go_forward(const mu_model *model, uint32_t index, uint32_t batch, const place *p, traffic *t)
{
    const mu_node *node = &model->nodes[index];
    use_weights(t, p->weights, p->weights_all + p->weights_behind + p->made);
    for (uint32_t k = 0; k < node->input_count; k++)
        use_values(t, size_of(node->inputs[k].shape, batch), since(model, batch, node->inputs[k].value, index, p->made));
    if (is_norm(node)) /* once for the mean, once more to normalise */
        use_values(t, p->input, p->input);
    use_values(t, p->output + p->saved, p->made + p->output + p->saved + 2 * p->weights_all);
}

static void go_back(const mu_node *node, const place *p, traffic *t)
{
    const double late = p->input + p->made_behind + p->weights_all - p->weights_before + p->weights_behind + 2 * p->output;
    const double input = p->needs.input_in_backward ? p->input : 0.0, again = p->output + input;
    use_values(t, input + p->saved, late);
    use_values(t, p->output, 2 * p->output); /* its gradient */
    if (node->relu || p->needs.output_in_backward)
        use_values(t, p->output, 3 * p->output);
    use_weights(t, p->weights, late);
    use_weights(t, p->weights, p->weights_all + p->weights_behind + p->weights + p->made_all); /* their gradient */
    if (is_norm(node))
        use_values(t, p->input + p->output, again);
    else if (p->weights > 0.0 && p->wanted > 0.0) /* once for the weights' gradient, once for its input's */
        use_values(t, p->output, again);
    use_values(t, p->wanted, again + p->input + p->wanted);
}

static void go_update(const place *p, traffic *t)
{
    use_weights(t, 2 * p->weights, p->made + 2 * (p->weights_before + p->weights) + p->output + p->input);
}

static void look_at(const mu_model *model, uint32_t index, uint32_t batch, place *p)
{
    const mu_node *node = &model->nodes[index];
    p->input = p->wanted = 0.0;
    for (uint32_t k = 0; k < node->input_count; k++) {
        const double size = size_of(node->inputs[k].shape, batch);
        p->input += size;
        p->wanted += mu_value_needs_gradient(model, node->inputs[k].value) ? size : 0.0;
    }
    p->needs = needs_of(node, batch);
    p->output = size_of(node->output, batch);
    p->saved = (double)(p->needs.saved_bytes / sizeof(float));
    p->weights = (double)node->param_count;
    p->weights_behind = p->weights_all - p->weights_before - p->weights;
}

void mu_work_count_traffic(const mu_model *model, uint32_t batch, uint64_t near_bytes, uint64_t cache_bytes, mu_step_work *out)
{
    traffic t = { .near = (double)near_bytes / sizeof(float), .far = (double)cache_bytes / sizeof(float) };
    place p = { .made = size_of(model->input, batch), .weights_all = (double)model->trainable_count };
    for (uint32_t i = 0; i < model->node_count; i++)
        p.made_behind += made_by(&model->nodes[i], batch);
    p.made_all = p.made + p.made_behind;
    for (uint32_t i = 0; i < model->node_count; i++) {
        if (model->nodes[i].view)
            continue;
        look_at(model, i, batch, &p);
        go_forward(model, i, batch, &p, &t);
        go_back(&model->nodes[i], &p, &t);
        go_update(&p, &t);
        p.made += p.output + p.saved;
        p.made_behind -= p.output + p.saved;
        p.weights_before += p.weights;
    }
    out->of[MU_WORK_NEAR] = (uint64_t)t.floats[0];
    out->of[MU_WORK_FAR] = (uint64_t)t.floats[1];
    out->of[MU_WORK_NEAR_WEIGHTS] = (uint64_t)t.weights[0];
    out->of[MU_WORK_FAR_WEIGHTS] = (uint64_t)t.weights[1];
}

/* Lives of buffers. Time runs through the step:
 *
 *     0            1 ... n           n + 1     n + 2 ... 2n + 1          2n + 2
 *     input ready  forward of nodes  the loss  backward, last node first  the caller looks at the logits
 *
 * and ends after the loss where nothing is trained. A value's output lives from its producer's forward to its last reader, a
 * gradient from the first that writes to it to its producer's backward. */
#include "nn/memory_plan.h"

typedef struct walk {
    const mu_model  *model;
    uint32_t         batch, node_count;
    bool             training, share;
    mu_layer_needs  *needs;     /* of each node */
    uint32_t        *last_read; /* of each value's output */
    mu_memory_plan  *plan;
} walk;

static uint32_t forward_time(uint32_t node) { return node + 1; }
static uint32_t loss_time(const walk *w) { return w->node_count + 1; }
static uint32_t backward_time(const walk *w, uint32_t node) { return 2 * w->node_count + 1 - node; }
static uint32_t end_time(const walk *w) { return w->training ? 2 * w->node_count + 2 : w->node_count + 2; }

static bool runs_backward(const walk *w, uint32_t node)
{
    return w->training && w->model->nodes[node].needs_gradient;
}

static uint32_t add_lease(walk *w, size_t size_bytes, uint32_t begin, uint32_t end)
{
    if (size_bytes == 0)
        return MU_LEASE_NONE;
    if (!w->share) {
        begin = 0;
        end = end_time(w);
    }
    w->plan->leases[w->plan->lease_count] = (mu_lease){ .size_bytes = size_bytes, .begin = begin, .end = end };
    return w->plan->lease_count++;
}

static size_t value_bytes(const walk *w, uint32_t value)
{
    return sizeof(float) * w->batch * mu_shape_size(mu_value_shape(w->model, value));
}

static void read_until(walk *w, uint32_t value, uint32_t time)
{
    if (w->last_read[value] < time)
        w->last_read[value] = time;
}

static void ask_node(walk *w, const mu_kernel_table *kernels, uint32_t index)
{
    const mu_node *node = &w->model->nodes[index];
    mu_layer_needs *needs = &w->needs[index];
    if (node->view)
        needs->in_place = true;
    else if (node->layer->needs)
        node->layer->needs(node, kernels, w->batch, w->training, needs);
    if (!runs_backward(w, index)) {
        needs->input_in_backward = needs->output_in_backward = false;
        needs->backward_work_floats = 0;
    }
}

/* The input is the caller's: while training it stays, so that a method may run the same batch twice. The logits stay for him to see. */
static void find_last_reads(walk *w, const mu_kernel_table *kernels)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        const mu_node *node = &w->model->nodes[i];
        ask_node(w, kernels, i);
        w->plan->input_count += node->input_count;
        for (uint32_t k = 0; k < node->input_count; k++) {
            read_until(w, node->inputs[k].value, forward_time(i));
            if (w->needs[i].input_in_backward)
                read_until(w, node->inputs[k].value, backward_time(w, i));
        }
        if (w->needs[i].output_in_backward)
            read_until(w, i + 1, backward_time(w, i));
    }
    if (w->training)
        read_until(w, 0, end_time(w));
    read_until(w, w->node_count, end_time(w));
}

/* A node may write over an input that nobody reads later; a view is its input in any case. */
static uint32_t lease_to_write_over(const walk *w, uint32_t node_index)
{
    const mu_node *node = &w->model->nodes[node_index];
    if (node->view)
        return w->plan->outputs[node->inputs[0].value];
    for (uint32_t k = 0; w->share && w->needs[node_index].in_place && k < node->input_count; k++) {
        uint32_t lease = w->plan->outputs[node->inputs[k].value];
        if (w->plan->leases[lease].end <= forward_time(node_index))
            return lease;
    }
    return MU_LEASE_NONE;
}

static void lease_forward(walk *w)
{
    mu_memory_plan *plan = w->plan;
    plan->outputs[0] = add_lease(w, value_bytes(w, 0), 0, w->last_read[0]);
    for (uint32_t i = 0; i < w->node_count; i++) {
        uint32_t value = i + 1, lease = lease_to_write_over(w, i);
        if (lease == MU_LEASE_NONE)
            lease = add_lease(w, value_bytes(w, value), forward_time(i), w->last_read[value]);
        else if (plan->leases[lease].end < w->last_read[value])
            plan->leases[lease].end = w->last_read[value];
        plan->outputs[value] = lease;
        plan->nodes[i].forward_work = add_lease(w, sizeof(float) * w->needs[i].forward_work_floats, forward_time(i), forward_time(i));
        plan->nodes[i].saved = add_lease(w, w->needs[i].saved_bytes, forward_time(i),
                                         runs_backward(w, i) ? backward_time(w, i) : forward_time(i));
    }
    plan->losses = add_lease(w, sizeof(float) * w->batch, loss_time(w), loss_time(w));
    plan->correct = add_lease(w, w->batch, loss_time(w), loss_time(w));
}

/* Whoever reads a value last in forward writes its gradient first in backward; the others add to it. The first writer may do so
 * over the gradient of its own output, once: nobody needs that one any more. */
static void lease_backward(walk *w)
{
    mu_memory_plan *plan = w->plan;
    uint32_t edge = plan->input_count;
    plan->gradients[w->node_count] = add_lease(w, value_bytes(w, w->node_count), loss_time(w), backward_time(w, w->node_count - 1));
    for (uint32_t i = w->node_count; i-- > 0;) {
        const mu_node *node = &w->model->nodes[i];
        edge -= node->input_count;
        if (!runs_backward(w, i))
            continue;
        bool may_write_over = w->share && w->needs[i].in_place;
        for (uint32_t k = 0; k < node->input_count; k++) {
            uint32_t value = node->inputs[k].value;
            if (!mu_value_needs_gradient(w->model, value))
                continue;
            uint32_t until = backward_time(w, value - 1);
            plan->accumulate[edge + k] = plan->gradients[value] != MU_LEASE_NONE;
            if (plan->accumulate[edge + k])
                continue;
            if (may_write_over) {
                plan->gradients[value] = plan->gradients[i + 1];
                plan->leases[plan->gradients[value]].end = until;
                may_write_over = false;
            } else
                plan->gradients[value] = add_lease(w, value_bytes(w, value), backward_time(w, i), until);
        }
        plan->nodes[i].backward_work =
            add_lease(w, sizeof(float) * w->needs[i].backward_work_floats, backward_time(w, i), backward_time(w, i));
    }
}

mu_status mu_memory_plan_make(const mu_model *model, const mu_kernel_table *kernels, uint32_t batch, bool training, bool share,
                              mu_memory_plan *out, mu_error *err)
{
    mu_memory_plan plan = { 0 };
    const uint32_t nodes = model->node_count, values = nodes + 1, most_leases = 5 * nodes + 4;
    uint32_t edges = 0;
    for (uint32_t i = 0; i < nodes; i++)
        edges += model->nodes[i].input_count;
    plan.leases = mu_store_take(&plan.store, most_leases, sizeof *plan.leases);
    plan.outputs = mu_store_take(&plan.store, values, sizeof *plan.outputs);
    plan.gradients = mu_store_take(&plan.store, values, sizeof *plan.gradients);
    plan.nodes = mu_store_take(&plan.store, nodes, sizeof *plan.nodes);
    plan.accumulate = mu_store_take(&plan.store, edges, sizeof *plan.accumulate);
    uint32_t *order = mu_store_take(&plan.store, most_leases, sizeof *order);
    walk w = { .model = model, .batch = batch, .node_count = nodes, .training = training, .share = share, .plan = &plan };
    w.needs = mu_store_take(&plan.store, nodes, sizeof *w.needs);
    w.last_read = mu_store_take(&plan.store, values, sizeof *w.last_read);
    if (!plan.leases || !plan.outputs || !plan.gradients || !plan.nodes || !plan.accumulate || !order || !w.needs || !w.last_read) {
        mu_memory_plan_release(&plan);
        return mu_error_set(err, MU_E_MEMORY, "no memory to plan a step of model '%s'", model->name);
    }
    for (uint32_t v = 0; v < values; v++)
        plan.outputs[v] = plan.gradients[v] = MU_LEASE_NONE;
    for (uint32_t i = 0; i < nodes; i++)
        plan.nodes[i] = (mu_node_leases){ MU_LEASE_NONE, MU_LEASE_NONE, MU_LEASE_NONE };
    find_last_reads(&w, kernels);
    lease_forward(&w);
    if (training)
        lease_backward(&w);
    MU_ASSERT(plan.lease_count <= most_leases);
    plan.total_bytes = mu_leases_place(plan.leases, plan.lease_count, order);
    *out = plan;
    return MU_OK;
}

void mu_memory_plan_release(mu_memory_plan *plan)
{
    mu_store_release(&plan->store);
}

/* Lives of buffers. Time runs through the step:
 *
 *     0            1 ... n           n + 1     n + 2 ...                                             end
 *     input ready  forward of nodes  the loss  backward, last node first, and what runs again for it  the caller looks at the logits
 *
 * and ends after the loss where nothing is trained. A value's output lives from its producer's forward to its last reader, a
 * gradient from the first that writes to it to its producer's backward.
 *
 * A node that is to be recomputed gives its output up after its last reader in the forward pass. When a backward asks for
 * it, its forward runs again, and before it that of whatever it reads and is not there; then it stays until its last reader. Nothing
 * runs more than twice. An output that no backward reads is never kept, and so comes back in the same way. */
#include "nn/memory_plan.h"

static uint32_t forward_time(uint32_t node) { return node + 1; }
static uint32_t loss_time(const mu_memory_plan *p) { return p->model->node_count + 1; }

static bool runs_backward(const mu_memory_plan *p, uint32_t node)
{
    return p->request.training && p->model->nodes[node].needs_gradient;
}

static bool saved_goes(const mu_memory_plan *p, uint32_t node)
{
    return p->needs[node].saved_bytes && !p->needs[node].saved_stays;
}

static size_t value_bytes(const mu_memory_plan *p, uint32_t value)
{
    return sizeof(float) * p->request.batch * mu_shape_size(mu_value_shape(p->model, value));
}

/* ---- room ---- */

void mu_memory_plan_take(mu_memory_plan *plan, const mu_model *model, mu_arena *arena)
{
    const size_t nodes = model->node_count, values = nodes + 1, most_leases = 8 * nodes + 4, most_times = 3 * nodes + 4;
    size_t edges = 0;
    for (size_t i = 0; i < nodes; i++)
        edges += model->nodes[i].input_count;
    *plan = (mu_memory_plan){ .model = model, .input_count = (uint32_t)edges };
    plan->recompute = mu_arena_take(arena, nodes, sizeof *plan->recompute);
    plan->needs = mu_arena_take(arena, nodes, sizeof *plan->needs);
    plan->read_late = mu_arena_take(arena, values, sizeof *plan->read_late);
    plan->root = mu_arena_take(arena, values, sizeof *plan->root);
    plan->leases = mu_arena_take(arena, most_leases, sizeof *plan->leases);
    plan->outputs = mu_arena_take(arena, values, sizeof *plan->outputs);
    plan->outputs_again = mu_arena_take(arena, values, sizeof *plan->outputs_again);
    plan->gradients = mu_arena_take(arena, values, sizeof *plan->gradients);
    plan->nodes = mu_arena_take(arena, nodes, sizeof *plan->nodes);
    plan->accumulate = mu_arena_take(arena, edges, sizeof *plan->accumulate);
    plan->again = mu_arena_take(arena, nodes, sizeof *plan->again);
    plan->last_read = mu_arena_take(arena, values, sizeof *plan->last_read);
    plan->last_again = mu_arena_take(arena, values, sizeof *plan->last_again);
    plan->again_time = mu_arena_take(arena, nodes, sizeof *plan->again_time);
    plan->backward_time = mu_arena_take(arena, nodes, sizeof *plan->backward_time);
    plan->there = mu_arena_take(arena, values, sizeof *plan->there);
    plan->wanted = mu_arena_take(arena, values, sizeof *plan->wanted);
    plan->order = mu_arena_take(arena, most_leases, sizeof *plan->order);
    plan->alive_bytes = mu_arena_take(arena, most_times, sizeof *plan->alive_bytes);
}

static void ask_node(mu_memory_plan *p, uint32_t index)
{
    const mu_node *node = &p->model->nodes[index];
    mu_layer_needs *needs = &p->needs[index];
    *needs = (mu_layer_needs){ .in_place = node->view };
    if (!node->view && node->layer->needs)
        node->layer->needs(node, p->request.kernels, p->request.batch, p->request.training, needs);
    if (!runs_backward(p, index)) {
        needs->input_in_backward = needs->output_in_backward = false;
        needs->backward_work_floats = 0;
    }
}

void mu_memory_plan_ask(mu_memory_plan *p, const mu_memory_request *request)
{
    p->request = *request;
    p->root[0] = 0;
    p->read_late[0] = false;
    for (uint32_t i = 0; i < p->model->node_count; i++) {
        const mu_node *node = &p->model->nodes[i];
        uint32_t value = i + 1;
        ask_node(p, i);
        p->recompute[i] = false;
        p->root[value] = node->view ? p->root[node->inputs[0].value] : value;
        p->read_late[value] = false;
        if (p->needs[i].output_in_backward)
            p->read_late[p->root[value]] = true;
        for (uint32_t k = 0; p->needs[i].input_in_backward && k < node->input_count; k++)
            p->read_late[p->root[node->inputs[k].value]] = true;
    }
}

/* Logits stay for the caller to see. */
bool mu_memory_plan_can_recompute(const mu_memory_plan *p, uint32_t node)
{
    uint32_t value = node + 1;
    if (!p->request.training || p->model->nodes[node].view || value == p->root[p->model->node_count])
        return false;
    return p->read_late[value] || (runs_backward(p, node) && saved_goes(p, node));
}

/* ---- who reads what, and when ---- */

static void later(uint32_t *last, uint32_t time)
{
    if (*last < time)
        *last = time;
}

static void read_in_backward(mu_memory_plan *p, uint32_t value, uint32_t time)
{
    uint32_t root = p->root[value];
    later(root && p->again_time[root - 1] ? &p->last_again[root] : &p->last_read[root], time);
}

static void reset(mu_memory_plan *p)
{
    const uint32_t nodes = p->model->node_count;
    p->lease_count = p->again_count = 0;
    for (uint32_t v = 0; v <= nodes; v++) {
        p->outputs[v] = p->outputs_again[v] = p->gradients[v] = MU_LEASE_NONE;
        p->last_read[v] = p->last_again[v] = 0;
        p->there[v] = v == 0 || (p->read_late[v] && !p->recompute[v - 1]);
        p->wanted[v] = false;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        p->nodes[i] = (mu_node_leases){ MU_LEASE_NONE, MU_LEASE_NONE, MU_LEASE_NONE, MU_LEASE_NONE, MU_LEASE_NONE };
        p->again_time[i] = p->backward_time[i] = 0;
    }
    for (uint32_t edge = 0; edge < p->input_count; edge++)
        p->accumulate[edge] = false;
}

static uint32_t want(mu_memory_plan *p, uint32_t value)
{
    uint32_t root = p->root[value];
    bool     new = !p->there[root] && !p->wanted[root];
    p->wanted[root] |= new;
    return new;
}

/* Everything that the backward of `before` wants and is not there, and what that is made of: found from the last to the first,
 * computed from the first to the last. */
static void run_again(mu_memory_plan *p, uint32_t before, uint32_t wanted, uint32_t *clock)
{
    uint32_t first = before + 1;
    for (uint32_t value = before + 1; wanted; value--) {
        if (!p->wanted[value])
            continue;
        const mu_node *node = &p->model->nodes[value - 1];
        wanted--;
        for (uint32_t k = 0; k < node->input_count; k++)
            wanted += want(p, node->inputs[k].value);
        first = value;
    }
    for (uint32_t value = first; value <= before + 1; value++) {
        if (!p->wanted[value])
            continue;
        const mu_node *node = &p->model->nodes[value - 1];
        p->wanted[value] = false;
        p->there[value] = true;
        p->again[p->again_count++] = (mu_again){ .node = value - 1, .before = before };
        p->again_time[value - 1] = *clock;
        for (uint32_t k = 0; k < node->input_count; k++)
            read_in_backward(p, node->inputs[k].value, *clock);
        ++*clock;
    }
}

static void walk_back(mu_memory_plan *p, uint32_t *clock)
{
    for (uint32_t i = p->model->node_count; i-- > 0;) {
        const mu_node *node = &p->model->nodes[i];
        const mu_layer_needs *needs = &p->needs[i];
        if (!runs_backward(p, i))
            continue;
        uint32_t wanted = 0;
        for (uint32_t k = 0; needs->input_in_backward && k < node->input_count; k++)
            wanted += want(p, node->inputs[k].value);
        if (needs->output_in_backward || (p->recompute[i] && saved_goes(p, i)))
            wanted += want(p, i + 1);
        if (wanted)
            run_again(p, i, wanted, clock);
        for (uint32_t k = 0; needs->input_in_backward && k < node->input_count; k++)
            read_in_backward(p, node->inputs[k].value, *clock);
        if (needs->output_in_backward)
            read_in_backward(p, i + 1, *clock);
        p->backward_time[i] = (*clock)++;
    }
}

/* The input is the caller's: while training it stays, so that a method may run the same batch twice. The logits stay for him to see. */
static void find_last_reads(mu_memory_plan *p)
{
    const uint32_t nodes = p->model->node_count, logits = p->root[nodes];
    for (uint32_t i = 0; i < nodes; i++)
        for (uint32_t k = 0; k < p->model->nodes[i].input_count; k++)
            later(&p->last_read[p->root[p->model->nodes[i].inputs[k].value]], forward_time(i));
    uint32_t clock = loss_time(p) + 1;
    p->there[logits] = true;
    if (p->request.training)
        walk_back(p, &clock);
    p->end_time = clock;
    later(&p->last_read[logits], p->request.whole ? p->end_time : loss_time(p));
    if (p->request.training && p->request.whole)
        later(&p->last_read[0], p->end_time);
}

/* ---- leases ---- */

static uint32_t add_lease(mu_memory_plan *p, size_t size_bytes, uint32_t begin, uint32_t end)
{
    if (size_bytes == 0)
        return MU_LEASE_NONE;
    if (!p->request.share) {
        begin = 0;
        end = p->end_time;
    }
    p->leases[p->lease_count] = (mu_lease){ .size_bytes = size_bytes, .begin = begin, .end = end };
    return p->lease_count++;
}

/* The output of a node at one of its two times. It may be written over an input that nobody reads later. */
static uint32_t lease_output(mu_memory_plan *p, uint32_t node_index, bool again, uint32_t time, uint32_t last_read)
{
    const mu_node *node = &p->model->nodes[node_index];
    for (uint32_t k = 0; p->request.share && p->needs[node_index].in_place && k < node->input_count; k++) {
        uint32_t input = node->inputs[k].value, lease = again ? mu_memory_plan_late(p, input) : p->outputs[p->root[input]];
        if (p->leases[lease].end <= time) {
            later(&p->leases[lease].end, last_read);
            return lease;
        }
    }
    return add_lease(p, value_bytes(p, node_index + 1), time, last_read > time ? last_read : time);
}

static void lease_forward(mu_memory_plan *p)
{
    p->outputs[0] = add_lease(p, value_bytes(p, 0), 0, p->last_read[0]);
    for (uint32_t i = 0; i < p->model->node_count; i++) {
        const mu_layer_needs *needs = &p->needs[i];
        uint32_t now = forward_time(i), saved_until = now;
        if (p->model->nodes[i].view)
            continue;
        p->outputs[i + 1] = lease_output(p, i, false, now, p->last_read[i + 1]);
        p->nodes[i].forward_work = add_lease(p, sizeof(float) * needs->forward_work_floats, now, now);
        if (!p->again_time[i] || needs->saved_stays)
            later(&saved_until, p->backward_time[i] > p->again_time[i] ? p->backward_time[i] : p->again_time[i]);
        p->nodes[i].saved = add_lease(p, needs->saved_bytes, now, saved_until);
    }
    size_t predictions = (size_t)p->request.batch * mu_model_targets(p->model);
    p->losses = add_lease(p, sizeof(float) * predictions, loss_time(p), loss_time(p));
    p->correct = add_lease(p, predictions, loss_time(p), loss_time(p));
}

static void lease_again(mu_memory_plan *p, uint32_t i)
{
    const mu_layer_needs *needs = &p->needs[i];
    uint32_t now = p->again_time[i], saved_until = p->backward_time[i];
    p->outputs_again[i + 1] = lease_output(p, i, true, now, p->last_again[i + 1]);
    p->nodes[i].work_again = add_lease(p, sizeof(float) * needs->forward_work_floats, now, now);
    if (saved_goes(p, i))
        p->nodes[i].saved_again = add_lease(p, needs->saved_bytes, now, saved_until > now ? saved_until : now);
}

/* Whoever reads a value last in forward writes its gradient first in backward; the others add to it. The first writer may do so
 * over the gradient of its own output, once: nobody needs that one any more. */
static void lease_gradients(mu_memory_plan *p, uint32_t i, uint32_t edge)
{
    const mu_node *node = &p->model->nodes[i];
    bool may_write_over = p->request.share && p->needs[i].in_place;
    for (uint32_t k = 0; k < node->input_count; k++) {
        uint32_t value = node->inputs[k].value;
        if (!mu_value_needs_gradient(p->model, value))
            continue;
        uint32_t until = p->backward_time[value - 1];
        p->accumulate[edge + k] = p->gradients[value] != MU_LEASE_NONE;
        if (p->accumulate[edge + k])
            continue;
        if (may_write_over) {
            p->gradients[value] = p->gradients[i + 1];
            p->leases[p->gradients[value]].end = until;
            may_write_over = false;
        } else
            p->gradients[value] = add_lease(p, value_bytes(p, value), p->backward_time[i], until);
    }
}

static void lease_backward(mu_memory_plan *p)
{
    const uint32_t nodes = p->model->node_count;
    uint32_t edge = p->input_count, next = 0;
    uint32_t logits_until = p->backward_time[nodes - 1];
    p->gradients[nodes] = add_lease(p, value_bytes(p, nodes), loss_time(p), logits_until ? logits_until : loss_time(p));
    for (uint32_t i = nodes; i-- > 0;) {
        edge -= p->model->nodes[i].input_count;
        if (!runs_backward(p, i))
            continue;
        for (; next < p->again_count && p->again[next].before == i; next++)
            lease_again(p, p->again[next].node);
        lease_gradients(p, i, edge);
        p->nodes[i].backward_work =
            add_lease(p, sizeof(float) * p->needs[i].backward_work_floats, p->backward_time[i], p->backward_time[i]);
    }
}

void mu_memory_plan_live(mu_memory_plan *p)
{
    reset(p);
    find_last_reads(p);
    lease_forward(p);
    if (p->request.training)
        lease_backward(p);
}

/* ---- bytes ---- */

size_t mu_memory_plan_most_alive(mu_memory_plan *p)
{
    for (uint32_t t = 0; t <= p->end_time + 1; t++)
        p->alive_bytes[t] = 0;
    for (uint32_t i = 0; i < p->lease_count; i++) {
        size_t bytes = mu_lease_bytes(&p->leases[i]);
        p->alive_bytes[p->leases[i].begin] += bytes;
        p->alive_bytes[p->leases[i].end + 1] -= bytes; /* modulo 2^n: the sums are right */
    }
    size_t alive = 0, most = 0;
    for (uint32_t t = 0; t <= p->end_time; t++) {
        alive += p->alive_bytes[t];
        p->alive_bytes[t] = alive;
        most = alive > most ? alive : most;
    }
    return most;
}

size_t mu_memory_plan_place(mu_memory_plan *p)
{
    return mu_leases_place(p->leases, p->lease_count, p->order);
}

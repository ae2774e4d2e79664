/* The search for the cheapest schedule that fits.
 *
 * Two things save memory. An output that is recomputed is not kept while the network's later layers run; a batch that comes in k parts
 * needs room for one of them. The first costs multiply-accumulates, the second a pass over all weights for every part. Neither
 * changes a bit of the gradient: what runs again repeats itself, and the kernels' sums over the examples go on where the part before
 * left them.
 *
 * For each number of parts the search goes down from the plain way, one layer at a time, to less memory: of all layers that could be
 * recomputed, or kept after all, it takes the one that saves the most bytes at the peak for what it costs, as told by the plan itself. The
 * way down does not depend on the limit: so every limit that one of its stops fits is met, and the least of all stops is the smallest
 * limit. The first stop that fits is then relieved of what it would not have needed. */
#include "nn/memory_schedule.h"

#include "nn/cost.h"
#include "nn/step.h"

#include <string.h>

typedef struct search {
    mu_memory_schedule   *schedule;
    mu_memory_plan       *plan;
    const mu_step_config *config;
    const mu_memory_wish *wish; /* or NULL */
    size_t                limit_bytes, smallest_bytes;
    uint64_t              best_cost; /* UINT64_MAX: none found */
    uint32_t              best_micro_batch;
} search;

void mu_memory_schedule_take(mu_memory_schedule *schedule, const mu_model *model, mu_arena *arena)
{
    *schedule = (mu_memory_schedule){ 0 };
    mu_memory_plan_take(&schedule->plan, model, arena);
    schedule->again_cost = mu_arena_take(arena, model->node_count, sizeof *schedule->again_cost);
    schedule->candidates = mu_arena_take(arena, model->node_count, sizeof *schedule->candidates);
    schedule->best = mu_arena_take(arena, model->node_count, sizeof *schedule->best);
}

/* ---- costs ---- */

static uint32_t part_count(const search *s, uint32_t micro_batch)
{
    return (s->config->batch_size + micro_batch - 1) / micro_batch;
}

static mu_work_done forward_work(const search *s, uint32_t node, uint32_t micro_batch)
{
    mu_work_done work = mu_cost_forward(&s->plan->model->nodes[node], micro_batch, &s->plan->needs[node]);
    work.macs = mu_cost_forward_macs(&s->plan->model->nodes[node], s->config->batch_size); /* to the last part, which may be smaller */
    work.moved_bytes *= part_count(s, micro_batch);
    return work;
}

/* Every part but the first reads the weights again and goes on with their gradient. */
static uint64_t split_bytes(const search *s, uint32_t micro_batch)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->plan->model->node_count; i++)
        sum += mu_cost_weight_bytes(s->plan->model, i, s->config->training);
    return sum * (part_count(s, micro_batch) - 1);
}

static uint64_t again_cost(const search *s)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->plan->again_count; i++)
        sum += s->schedule->again_cost[s->plan->again[i].node];
    return sum;
}

/* ---- one number of parts ---- */

static void begin_parts(search *s, uint32_t micro_batch)
{
    const mu_memory_request request = { .kernels = s->config->plain_kernels ? mu_kernels_plain() : mu_kernels(), .batch = micro_batch,
                                        .whole = micro_batch == s->config->batch_size, .training = s->config->training,
                                        .share = !s->wish || !s->wish->apart };
    s->schedule->micro_batch = micro_batch;
    mu_memory_plan_ask(s->plan, &request);
}

static void find_candidates(search *s)
{
    s->schedule->candidate_count = 0;
    for (uint32_t i = 0; i < s->plan->model->node_count; i++) {
        s->schedule->again_cost[i] = mu_cost_of_work(forward_work(s, i, s->schedule->micro_batch));
        if (mu_memory_plan_can_recompute(s->plan, i))
            s->schedule->candidates[s->schedule->candidate_count++] = i;
    }
}

/* Lives and places of the plan as it is. True: the step fits. */
static bool settle(search *s)
{
    mu_memory_schedule *schedule = s->schedule;
    mu_memory_plan_live(s->plan);
    schedule->lease_bytes = mu_memory_plan_place(s->plan);
    size_t lasting = mu_step_lasting_bytes(s->config, s->plan);
    if (__builtin_add_overflow(lasting, schedule->lease_bytes, &schedule->total_bytes))
        schedule->total_bytes = SIZE_MAX;
    if (schedule->total_bytes < s->smallest_bytes)
        s->smallest_bytes = schedule->total_bytes;
    return schedule->total_bytes <= s->limit_bytes;
}

/* A change of the plan: one or two groups of layers recomputed that were kept, or the other way round. A group is one layer, or in a large
 * network some neighbours, so that the search does not take longer than the training. */
typedef struct change {
    uint32_t groups[2];
    uint32_t count;    /* 0: no change */
    size_t   saved_bytes;
    uint64_t cost;
} change;

#define MOST_GROUPS 128u

static uint32_t group_size(const search *s)
{
    return (s->schedule->candidate_count + MOST_GROUPS - 1) / MOST_GROUPS;
}

static void apply(search *s, const change *c)
{
    const uint32_t size = group_size(s);
    for (uint32_t k = 0; k < c->count; k++) {
        uint32_t first = c->groups[k] * size;
        for (uint32_t i = first; i < first + size && i < s->schedule->candidate_count; i++)
            s->plan->recompute[s->schedule->candidates[i]] = !s->plan->recompute[s->schedule->candidates[i]];
    }
}

/* More bytes for the cost; what costs nothing comes first. */
static bool is_better(const change *a, const change *b)
{
    return (double)a->saved_bytes * (double)b->cost > (double)b->saved_bytes * (double)a->cost ||
           (a->cost == 0 && (b->cost > 0 || a->saved_bytes > b->saved_bytes));
}

/* Put it into `best`, where it is better: of what needs less, or costs less and needs no more. */
static void consider(search *s, change c, size_t here_bytes, uint64_t here_cost, change *best)
{
    apply(s, &c);
    mu_memory_plan_live(s->plan);
    size_t   alive = mu_memory_plan_most_alive(s->plan);
    uint64_t cost = again_cost(s);
    apply(s, &c);
    if (alive > here_bytes || (alive == here_bytes && cost >= here_cost))
        return;
    c.saved_bytes = here_bytes - alive;
    c.cost = cost > here_cost ? cost - here_cost : 0;
    if (best->count == 0 || is_better(&c, best))
        *best = c;
}

/* One step to less memory. Where no group alone is one, two together may be: so that a long stretch of recomputed layers can be parted at
 * another place. False: there is none. */
static bool step_down(search *s)
{
    const uint32_t size = group_size(s), groups = size ? (s->schedule->candidate_count + size - 1) / size : 0;
    const size_t   here_bytes = mu_memory_plan_most_alive(s->plan);
    const uint64_t here_cost = again_cost(s);
    change best = { .count = 0 };
    for (uint32_t i = 0; i < groups; i++)
        consider(s, (change){ .groups = { i }, .count = 1 }, here_bytes, here_cost, &best);
    for (uint32_t i = 0; best.count != 1 && i < groups; i++)
        for (uint32_t k = 0; k < i; k++)
            consider(s, (change){ .groups = { i, k }, .count = 2 }, here_bytes, here_cost, &best);
    apply(s, &best);
    return best.count > 0;
}

#define MOST_TRIES 256u

/* The next layer that is recomputed, by falling cost, after one of cost `below` at `after`; node_count: none. */
static uint32_t next_dearest(const search *s, uint64_t below, uint32_t after)
{
    const uint32_t nodes = s->plan->model->node_count;
    const uint64_t *cost = s->schedule->again_cost;
    uint32_t best = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        bool comes_later = cost[i] < below || (cost[i] == below && i > after);
        if (s->plan->recompute[i] && comes_later && (best == nodes || cost[i] > cost[best]))
            best = i;
    }
    return best;
}

/* Keep again whatever can be kept within the limit, first what saves the most time. */
static void relieve(search *s)
{
    const uint32_t nodes = s->plan->model->node_count;
    uint32_t i = next_dearest(s, UINT64_MAX, 0);
    for (uint32_t tries = 0; i < nodes && tries < MOST_TRIES; tries++) {
        s->plan->recompute[i] = false;
        s->plan->recompute[i] = !settle(s);
        i = next_dearest(s, s->schedule->again_cost[i], i);
    }
    settle(s);
}

static void try_parts(search *s, uint32_t micro_batch)
{
    uint64_t split_cost = mu_cost_of_work((mu_work_done){ .moved_bytes = split_bytes(s, micro_batch) });
    if (split_cost >= s->best_cost)
        return;
    begin_parts(s, micro_batch);
    find_candidates(s);
    while (!settle(s))
        if (!step_down(s))
            return;
    relieve(s);
    uint64_t cost = split_cost + again_cost(s);
    if (cost >= s->best_cost)
        return;
    s->best_cost = cost;
    s->best_micro_batch = micro_batch;
    memcpy(s->schedule->best, s->plan->recompute, s->plan->model->node_count * sizeof *s->schedule->best);
}

/* ---- the whole search ---- */

/* The first layer that must see all examples at once, or NULL. */
static const mu_node *needs_whole_batch(const mu_model *model, bool training)
{
    for (uint32_t i = 0; training && i < model->node_count; i++)
        if (model->nodes[i].param_count && !model->nodes[i].layer->splits)
            return &model->nodes[i];
    return NULL;
}

static mu_status say_smallest(const search *s, mu_error *err)
{
    const mu_model *model = s->plan->model;
    const mu_node  *whole = needs_whole_batch(model, s->config->training);
    if (whole)
        return mu_error_set(err, MU_E_MEMORY, "a step of model '%s' with batch size %u needs at least %zu bytes, the limit is %zu; layer "
                            "'%s' (%s) must see the whole batch, so a smaller one would take less", model->name, s->config->batch_size,
                            s->smallest_bytes, s->limit_bytes, whole->name, whole->layer->kind);
    return mu_error_set(err, MU_E_MEMORY, "a step of model '%s' with batch size %u needs at least %zu bytes, the limit is %zu", model->name,
                        s->config->batch_size, s->smallest_bytes, s->limit_bytes);
}

/* 1, 2, 3, 4, 6, 8, 12, 16, ... */
static uint32_t more_parts(uint32_t parts)
{
    if (parts == 1)
        return 2;
    bool power_of_two = (parts & (parts - 1)) == 0;
    return power_of_two ? parts / 2 * 3 : parts / 3 * 4;
}

/* If neither the whole batch fits nor one example at a time, nothing is said to fit; else some number of parts is the cheapest. */
static void try_all_parts(search *s)
{
    const uint32_t batch = s->config->batch_size;
    try_parts(s, batch);
    if (batch == 1 || needs_whole_batch(s->plan->model, s->config->training))
        return;
    try_parts(s, 1);
    for (uint32_t parts = 2; s->best_cost != UINT64_MAX && parts < batch; parts = more_parts(parts))
        try_parts(s, (batch + parts - 1) / parts);
}

/* Of the parts and of what runs again. */
static void count_extra(search *s)
{
    mu_work_done extra = { .moved_bytes = split_bytes(s, s->schedule->micro_batch) };
    for (uint32_t i = 0; i < s->plan->again_count; i++) {
        mu_work_done work = forward_work(s, s->plan->again[i].node, s->schedule->micro_batch);
        extra.macs += work.macs;
        extra.moved_bytes += work.moved_bytes;
    }
    s->schedule->extra_macs = extra.macs;
    s->schedule->extra_moved_bytes = extra.moved_bytes;
}

static void grant(search *s)
{
    begin_parts(s, s->wish->micro_batch);
    for (uint32_t i = 0; i < s->plan->model->node_count; i++)
        s->plan->recompute[i] = s->wish->recompute[i] && mu_memory_plan_can_recompute(s->plan, i);
    settle(s);
}

mu_status mu_memory_schedule_settle(mu_memory_schedule *schedule, const mu_step_config *config, const mu_memory_wish *wish, mu_error *err)
{
    search s = { .schedule = schedule, .plan = &schedule->plan, .config = config, .wish = wish, .smallest_bytes = SIZE_MAX,
                 .limit_bytes = config->memory_limit_bytes ? config->memory_limit_bytes : SIZE_MAX, .best_cost = UINT64_MAX };
    begin_parts(&s, config->batch_size);
    if (wish && wish->micro_batch)
        grant(&s);
    else if (!settle(&s) && config->memory_limit_bytes) {
        try_all_parts(&s);
        if (s.best_cost == UINT64_MAX) {
            schedule->total_bytes = s.smallest_bytes;
            return say_smallest(&s, err);
        }
        begin_parts(&s, s.best_micro_batch);
        memcpy(s.plan->recompute, schedule->best, s.plan->model->node_count * sizeof *schedule->best);
        settle(&s);
    }
    count_extra(&s);
    return MU_OK;
}

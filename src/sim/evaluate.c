/* The server's look at a model, or at parts of it, spread over the workers: the test set, and some of the devices' own examples for each tier.
 * Pieces have a fixed size and are added in their order, so the sums do not depend on who computed them. */
#include "sim/simulator.h"

#include "fl/tier_sample.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 500 };

/* A tier's sample: example number i is example `index[i]` of device `device[i]`. Drawn once, the same in every evaluation. */
struct mu_tier_examples {
    const mu_data *data;
    uint32_t      *device, *index, count;
};

typedef struct piece {
    mu_job           job; /* first: the pool hands it back */
    mu_simulator    *simulator;
    const float     *state;
    const mu_usable *part;
    const bool      *classes; /* those that count; NULL: all */
    mu_examples      examples;
    uint32_t         first, count;
    mu_evaluation   *sum; /* what its result is added to */
    mu_evaluation    result;
    mu_status        status;
    mu_error         error;
} piece;

static void read_test(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    /* pieces ask for neighbours */
    mu_data_read_test(self, indices[0], count, x, labels);
}

static void read_tier(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const mu_tier_examples *tier = self;
    mu_shape shape = mu_data_shape(tier->data);
    size_t values = (size_t)shape.height * shape.width * shape.channels, targets = mu_data_targets(tier->data);
    for (uint32_t i = 0; i < count; i++)
        mu_data_read(tier->data, tier->device[indices[i]], &tier->index[indices[i]], 1, x + i * values, labels + i * targets);
}

/* Of each tier, the examples of its sample. */
static mu_status draw_tiers(mu_simulator *sim, uint32_t wanted, mu_error *err)
{
    const uint32_t tier_count = mu_fleet_tier_count(sim->fleet);
    mu_tier_sample sample;
    mu_status status = mu_tier_sample_draw(sim->fleet, sim->data, sim->seed, wanted, NULL, NULL, &sample, err);
    if (status)
        return status;
    sim->tiers = calloc(tier_count, sizeof *sim->tiers);
    bool good = sim->tiers;
    for (uint32_t t = 0; t < tier_count && good; t++) {
        mu_tier_examples *tier = &sim->tiers[t];
        tier->data = sim->data;
        tier->device = malloc(wanted * sizeof *tier->device);
        tier->index = malloc(wanted * sizeof *tier->index);
        good = tier->device && tier->index;
    }
    for (uint32_t i = 0; i < sample.count && good; i++) {
        mu_tier_examples *tier = &sim->tiers[sample.shares[i].tier];
        for (uint32_t k = 0; k < sample.shares[i].examples; k++) {
            tier->device[tier->count] = sample.shares[i].device;
            tier->index[tier->count++] = k;
        }
    }
    mu_tier_sample_release(&sample);
    return good ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory to evaluate %u examples a tier", wanted);
}

void mu_simulator_release_tiers(mu_simulator *sim)
{
    for (uint32_t t = 0; sim->tiers && t < mu_fleet_tier_count(sim->fleet); t++) {
        free(sim->tiers[t].device);
        free(sim->tiers[t].index);
    }
    free(sim->tiers);
}

static void evaluate_piece(mu_job *job, uint32_t worker)
{
    piece *p = (piece *)job;
    p->status = mu_trainer_evaluate_part(p->simulator->evaluators[worker], p->part->kept, p->part->statistics, p->classes, &p->examples,
                                         p->first, p->count, p->state, &p->result, &p->error);
}

/* What an evaluation is about: which parts, and where the results go. */
typedef struct look {
    mu_simulator    *simulator;
    const float     *state;
    const mu_usable *parts;
    uint32_t         part_count;
    mu_evaluation   *tests, *tiers; /* [part_count]; [tiers], or NULL */
} look;

static size_t cut(const look *l, const mu_usable *part, mu_examples examples, mu_evaluation *sum, piece *pieces, size_t used)
{
    for (uint32_t first = 0; first < examples.count; first += PIECE, used++)
        if (pieces)
            pieces[used] = (piece){
                .job = { .run = evaluate_piece }, .simulator = l->simulator, .state = l->state, .part = part, .examples = examples,
                .first = first, .count = examples.count - first < PIECE ? examples.count - first : PIECE, .sum = sum,
            };
    return used;
}

/* All pieces, the test set's first; with `pieces` NULL only their number. */
static size_t cut_all(const look *l, piece *pieces)
{
    const mu_simulator *sim = l->simulator;
    mu_examples test = { .self = sim->data, .count = mu_data_test_count(sim->data), .read = read_test };
    size_t used = 0;
    for (uint32_t p = 0; p < l->part_count; p++)
        used = cut(l, &l->parts[p], test, &l->tests[p], pieces, used);
    for (uint32_t t = 0; l->tiers && t < mu_fleet_tier_count(sim->fleet); t++) {
        mu_examples own = { .self = &sim->tiers[t], .count = sim->tiers[t].count, .read = read_tier };
        used = cut(l, &l->parts[0], own, &l->tiers[t], pieces, used);
    }
    return used;
}

static void add(mu_evaluation *sum, const mu_evaluation *more)
{
    sum->loss_sum += more->loss_sum;
    sum->correct += more->correct;
    sum->count += more->count;
}

/* All pieces through the workers; the first failure in their order. */
static mu_status run(mu_simulator *sim, piece *pieces, size_t count, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < count; i++)
        mu_pool_submit(sim->pool, &pieces[i].job);
    for (size_t i = 0; i < count; i++) {
        mu_pool_wait(sim->pool, &pieces[i].job);
        if (pieces[i].status && !status) {
            status = pieces[i].status;
            if (err)
                *err = pieces[i].error;
        }
    }
    return status;
}

mu_status mu_simulator_evaluate(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                                mu_evaluation *tests, mu_evaluation *tiers, mu_error *err)
{
    mu_simulator *sim = self;
    const look l = { .simulator = sim, .state = state, .parts = parts, .part_count = part_count, .tests = tests, .tiers = tiers };
    mu_status status = MU_OK;
    if (tiers && !sim->tiers)
        status = draw_tiers(sim, tier_examples, err);
    if (status)
        return status;
    size_t count = cut_all(&l, NULL);
    piece *pieces = calloc(count ? count : 1, sizeof *pieces);
    if (!pieces)
        return mu_error_set(err, MU_E_MEMORY, "no memory to evaluate in %zu pieces", count);
    cut_all(&l, pieces);
    memset(tests, 0, part_count * sizeof *tests);
    status = run(sim, pieces, count, err);
    for (size_t i = 0; i < count; i++)
        add(pieces[i].sum, &pieces[i].result);
    free(pieces);
    return status;
}

/* Which classes each device has an example of, [count][classes]; NULL: no memory. */
static bool *find_classes(const mu_simulator *sim, const uint32_t *devices, uint32_t count)
{
    uint32_t classes = mu_data_classes(sim->data), *counts = malloc(classes * sizeof *counts);
    bool *found = malloc((count ? count : 1) * (size_t)classes * sizeof *found);
    for (uint32_t i = 0; i < count && counts && found; i++) {
        mu_data_label_counts(sim->data, devices[i], counts);
        for (uint32_t c = 0; c < classes; c++)
            found[(size_t)i * classes + c] = counts[c] > 0;
    }
    if (!counts) {
        free(found);
        return NULL;
    }
    free(counts);
    return found;
}

mu_status mu_simulator_evaluate_devices(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices,
                                        uint32_t count, uint32_t examples_each, mu_evaluation *each, mu_error *err)
{
    mu_simulator *sim = self;
    piece *pieces = calloc(count ? count : 1, sizeof *pieces);
    mu_device_examples *sources = calloc(count ? count : 1, sizeof *sources);
    bool *classes = own_classes ? find_classes(sim, devices, count) : NULL;
    mu_status status = MU_OK;
    if (!pieces || !sources || (own_classes && !classes))
        status = mu_error_set(err, MU_E_MEMORY, "no memory to evaluate on %u devices", count);
    for (uint32_t i = 0; i < count && !status; i++) {
        sources[i] = (mu_device_examples){ sim->data, devices[i] };
        mu_examples examples = mu_device_examples_of(&sources[i]);
        pieces[i] = (piece){
            .job = { .run = evaluate_piece }, .simulator = sim, .state = state, .part = part, .examples = examples,
            .classes = classes ? classes + (size_t)i * mu_data_classes(sim->data) : NULL,
            .count = examples.count < examples_each ? examples.count : examples_each,
        };
    }
    if (!status)
        status = run(sim, pieces, count, err);
    for (uint32_t i = 0; i < count && !status; i++)
        each[i] = pieces[i].result;
    free(classes);
    free(sources);
    free(pieces);
    return status;
}

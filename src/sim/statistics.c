/* Static batch norm: norms' running statistics found anew over devices' own examples, spread over the workers. A device's are one piece, as where it finds them
 * itself (src/net/agent_look.c), and pieces are added up in the order of the devices, so the sums do not depend on who computed them. */
#include "sim/simulator.h"

#include <stdlib.h>
#include <string.h>

typedef struct piece {
    mu_job             job; /* first: the pool hands it back */
    mu_simulator      *simulator;
    const mu_usable   *part;
    const float       *state;
    mu_device_examples source;
    uint32_t           count;
    float             *found; /* [statistics of all sets] */
    mu_status          status;
    mu_error           error;
} piece;

static void find(mu_job *job, uint32_t worker)
{
    piece *p = (piece *)job;
    mu_examples examples = mu_device_examples_of(&p->source);
    p->status = mu_trainer_statistics(p->simulator->evaluators[worker], p->part->kept, p->part->statistics, &examples, 0, p->count,
                                      MU_STATISTICS_BATCH, p->state, p->found, &p->error);
}

static size_t statistics_count(const mu_simulator *sim)
{
    return mu_model_state_count(sim->model) - mu_model_param_count(sim->model);
}

/* With `pieces` NULL only their number. */
static size_t cut(mu_simulator *sim, const uint32_t *devices, uint32_t count, uint32_t examples_each, piece *pieces)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = mu_data_num_examples(sim->data, devices[i]);
        uint32_t wanted = examples_each && examples_each < own ? examples_each : own;
        if (wanted && pieces)
            pieces[used] = (piece){ .job = { .run = find }, .simulator = sim, .source = { sim->data, devices[i] }, .count = wanted };
        used += wanted > 0;
    }
    return used;
}

/* All pieces through the workers, and the mean of what they found into `state`; the first failure in their order. */
static mu_status run(mu_simulator *sim, piece *pieces, size_t count, double *sums, float *state, mu_error *err)
{
    mu_status status = MU_OK;
    const size_t values = statistics_count(sim);
    double examples = 0.0;
    for (size_t i = 0; i < count; i++)
        mu_pool_submit(sim->pool, &pieces[i].job);
    for (size_t i = 0; i < count; i++) {
        mu_pool_wait(sim->pool, &pieces[i].job);
        if (pieces[i].status && !status) {
            status = pieces[i].status;
            if (err)
                *err = pieces[i].error;
        }
        examples += pieces[i].count;
        for (size_t v = 0; v < values; v++)
            sums[v] += pieces[i].count * (double)pieces[i].found[v];
    }
    for (size_t v = 0; v < values && !status; v++)
        state[mu_model_param_count(sim->model) + v] = (float)(sums[v] / examples);
    return status;
}

mu_status mu_simulator_statistics(void *self, const mu_usable *part, const uint32_t *devices, uint32_t count, uint32_t examples_each,
                                  float *state, mu_error *err)
{
    mu_simulator *sim = self;
    const size_t values = statistics_count(sim), piece_count = cut(sim, devices, count, examples_each, NULL);
    if (!piece_count || !values)
        return MU_OK;
    piece *pieces = calloc(piece_count, sizeof *pieces);
    float *found = calloc(piece_count * values, sizeof *found);
    double *sums = calloc(values, sizeof *sums);
    mu_status status = MU_OK;
    if (!pieces || !found || !sums)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for statistics of norms in %zu pieces", piece_count);
    if (!status) {
        cut(sim, devices, count, examples_each, pieces);
        for (size_t i = 0; i < piece_count; i++) {
            pieces[i].part = part;
            pieces[i].state = state;
            pieces[i].found = found + i * values;
        }
        status = run(sim, pieces, piece_count, sums, state, err);
    }
    free(sums);
    free(found);
    free(pieces);
    return status;
}

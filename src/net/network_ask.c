/* Looks at a model on devices' own examples. A look is a task of another kind: the device fetches the model, trains nothing, and answers with a few numbers. The
 * federation waits for the answers; whatever else comes in meanwhile is kept for it.
 *
 * Those are asked that are there and can look. Waiting ends when each of them has answered, cannot, or has gone, and when a lease is over: who has not answered
 * then counts as one without examples. Answers are added in the order in which the federation named the devices, whenever they came.
 *
 * The outcome is in the journal before the federation has it. A coordinator that was killed comes to the same question again, finds the outcome and goes on; one that
 * was killed while it waited asks again, because answers that came until then were only in its memory. */
#include "net/network_internal.h"

#include "base/clock.h"
#include "fl/tier_sample.h"
#include "net/wire.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTION_BYTES = 32 };
#define LOOK_EVERY_S 1.0 /* at who has gone */

/* Numbers of looks are those of no task: tasks are counted from 1 on. Of each process they begin elsewhere, so that what a device still has from before a restart is
 * not taken for something new. */
#define FIRST_LOOK ((uint64_t)1 << 62)

typedef struct question {
    const float     *state;
    const mu_usable *part;
    const uint32_t  *devices;
    uint32_t         count;
    const uint32_t  *examples_of; /* [count] how many of each, at most; NULL: */
    uint32_t         examples;    /* of all of them; 0: all that they have */
    bool             own_classes, statistics;
} question;

typedef enum answer_state { NOT_ASKED, ASKED, ANSWERED, WILL_NOT } answer_state;
typedef struct answer {
    answer_state   state;
    mu_desk_looked looked; /* zeros: nothing came */
} answer;

struct mu_ask {
    const question *about;
    uint64_t        first; /* number of the look of the first device */
    answer         *answers; /* [about->count] */
    uint32_t        open;
};

/* ---- asking ---- */

static uint32_t examples_of(const question *q, uint32_t i) { return q->examples_of ? q->examples_of[i] : q->examples; }

/* Floats of one set of statistics of the part. */
static mu_status count_statistics(mu_network *network, const mu_usable *part, const mu_submodel **submodel, size_t *first, size_t *count, mu_error *err)
{
    size_t state_count;
    mu_status status = mu_starts_part(network->config.starts, part->kept, submodel, &state_count, err);
    if (status)
        return status;
    const mu_model *model = *submodel ? mu_submodel_model(*submodel) : network->model;
    *count = (mu_model_state_count(model) - mu_model_param_count(model)) / mu_model_statistic_sets(model);
    *first = part->statistics * *count;
    return MU_OK;
}

static bool can_look(const void *self, uint32_t device)
{
    const mu_told *told = &((const mu_network *)self)->told[device];
    return told->is_there && told->can_look;
}

static mu_status put_on_desk(mu_network *network, const question *q, uint32_t i, const mu_start *start, uint64_t number, size_t statistics, mu_error *err)
{
    const mu_federation_config *federation = network->config.federation;
    const uint32_t own = mu_data_num_examples(network->config.data, q->devices[i]), asked = examples_of(q, i);
    mu_wire_task message = {
        .id = number, .plan = { .kept = q->part->kept }, .start_floats = start->floats, .lease_s = network->config.serve->lease_s, .looks = true,
        .look = { .examples = asked, .own_classes = q->own_classes, .statistics = q->statistics, .statistic_set = q->part->statistics },
    };
    memcpy(message.start_digest, start->digest_hex, sizeof message.start_digest);
    unsigned char *packed;
    size_t packed_bytes;
    mu_status status = mu_wire_pack_task(&message, federation->units ? mu_units_count(federation->units) : 0, &packed, &packed_bytes, err);
    if (status)
        return status;
    const mu_desk_look look = { .examples_most = asked && asked < own ? asked : own, .targets = mu_model_targets(network->model), .statistics = statistics };
    const mu_desk_task task = { .id = number, .device = q->devices[i], .packed = packed, .packed_bytes = packed_bytes, .look = &look,
                                .start_digest_hex = start->digest_hex, .start_path = start->path };
    status = mu_desk_put_task(network->config.desk, &task, err);
    free(packed);
    return status;
}

static mu_status put_all(mu_network *network, struct mu_ask *ask, const mu_start *start, mu_error *err)
{
    const question *q = ask->about;
    const mu_submodel *submodel;
    size_t first = 0, statistics = 0;
    mu_status status = q->statistics ? count_statistics(network, q->part, &submodel, &first, &statistics, err) : MU_OK;
    for (uint32_t i = 0; i < q->count && !status; i++) {
        if (!can_look(network, q->devices[i]) || mu_data_num_examples(network->config.data, q->devices[i]) == 0)
            continue;
        status = put_on_desk(network, q, i, start, ask->first + i, statistics, err);
        ask->answers[i].state = status ? NOT_ASKED : ASKED;
        ask->open += !status;
    }
    return status;
}

/* ---- waiting ---- */

static void close_answer(struct mu_ask *ask, answer *at, answer_state state)
{
    at->state = state;
    ask->open--;
}

void mu_network_answered(mu_network *network, uint64_t task, bool has_failed)
{
    struct mu_ask *ask = network->ask;
    if (!ask || task < ask->first || task - ask->first >= ask->about->count)
        return;
    answer *at = &ask->answers[task - ask->first];
    if (at->state == ASKED)
        close_answer(ask, at, !has_failed && mu_desk_take_looked(network->config.desk, task, &at->looked) ? ANSWERED : WILL_NOT);
}

static void give_up_those_who_went(mu_network *network, struct mu_ask *ask, double now_s)
{
    double silent_s;
    for (uint32_t i = 0; i < ask->about->count; i++)
        if (ask->answers[i].state == ASKED && strcmp(mu_desk_state_of(network->config.desk, ask->about->devices[i], now_s, &silent_s), "absent") == 0)
            close_answer(ask, &ask->answers[i], WILL_NOT);
}

static mu_status await(mu_network *network, struct mu_ask *ask, mu_error *err)
{
    mu_status status = MU_OK;
    double looked_s = mu_clock_monotonic_s(), end_s = looked_s + network->config.serve->lease_s, now_s = looked_s;
    while (!status && ask->open && now_s < end_s) {
        status = mu_network_take_from_desk(network, end_s - now_s < LOOK_EVERY_S ? end_s - now_s : LOOK_EVERY_S, err);
        now_s = mu_clock_monotonic_s();
        if (!status && network->config.stop && network->config.stop(network->config.self))
            return mu_error_set(err, MU_E_INTERRUPTED, "stopped while devices were looking at a model");
        if (now_s - looked_s < LOOK_EVERY_S)
            continue;
        looked_s = now_s;
        give_up_those_who_went(network, ask, now_s);
    }
    return status;
}

/* All answers that come. */
static mu_status ask_devices(mu_network *network, const question *q, const mu_start *start, struct mu_ask *ask, mu_error *err)
{
    if (!network->next_look)
        network->next_look = FIRST_LOOK | (uint64_t)randombytes_random() << 24;
    *ask = (struct mu_ask){ .about = q, .first = network->next_look, .answers = calloc(q->count + 1, sizeof *ask->answers) };
    network->next_look += q->count;
    if (!ask->answers)
        return mu_error_set(err, MU_E_MEMORY, "no memory to ask %u devices", q->count);
    network->ask = ask;
    mu_status status = mu_network_open_up(network, err);
    if (!status)
        status = put_all(network, ask, start, err);
    if (!status)
        status = await(network, ask, err);
    network->ask = NULL;
    for (uint32_t i = 0; i < q->count; i++)
        if (ask->answers[i].state != NOT_ASKED)
            mu_desk_drop_task(network->config.desk, ask->first + i);
    return status;
}

static void ask_release(struct mu_ask *ask)
{
    for (uint32_t i = 0; ask->answers && i < ask->about->count; i++)
        free(ask->answers[i].looked.statistics);
    free(ask->answers);
}

/* ---- outcomes ---- */

/* [count] evaluations. */
static void gather_evaluations(const struct mu_ask *ask, mu_evaluation *each)
{
    for (uint32_t i = 0; i < ask->about->count; i++) {
        const mu_desk_looked *looked = &ask->answers[i].looked;
        each[i] = (mu_evaluation){ .loss_sum = looked->loss_sum, .correct = looked->correct, .count = looked->count };
    }
}

/* The mean of what devices found, each weighted by its examples, in the order of the devices: as src/sim/statistics.c. Behind it, how many examples there were. */
static mu_status gather_statistics(const struct mu_ask *ask, size_t count, double *means, mu_error *err)
{
    double examples = 0.0;
    double *sums = calloc(count + 1, sizeof *sums);
    if (!sums)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu statistics of norms", count);
    for (uint32_t i = 0; i < ask->about->count; i++) {
        const mu_desk_looked *looked = &ask->answers[i].looked;
        if (!looked->statistics)
            continue;
        examples += looked->num_examples;
        for (size_t v = 0; v < count; v++)
            sums[v] += looked->num_examples * (double)looked->statistics[v];
    }
    for (size_t v = 0; v < count && examples > 0; v++)
        means[v] = sums[v] / examples;
    means[count] = examples;
    free(sums);
    return MU_OK;
}

/* What is asked, and of which model. */
static void digest_of(const mu_network *network, const question *q, const mu_start *start, unsigned char out[QUESTION_BYTES])
{
    const uint32_t head[] = { q->count, q->examples, q->examples_of != NULL, q->own_classes, q->statistics, q->part->statistics, q->part->kept != NULL };
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, QUESTION_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)start->digest_hex, strlen(start->digest_hex));
    crypto_generichash_update(&state, (const unsigned char *)head, sizeof head);
    crypto_generichash_update(&state, (const unsigned char *)q->devices, q->count * sizeof *q->devices);
    if (q->examples_of)
        crypto_generichash_update(&state, (const unsigned char *)q->examples_of, q->count * sizeof *q->examples_of);
    if (q->part->kept)
        crypto_generichash_update(&state, (const unsigned char *)q->part->kept, mu_units_count(network->config.federation->units) * sizeof *q->part->kept);
    crypto_generichash_final(&state, out, QUESTION_BYTES);
}

/* What was asked last is known. So is what the journal has. */
static bool is_known(mu_network *network, const unsigned char *digest, unsigned char *outcome, size_t outcome_bytes)
{
    const size_t all_bytes = QUESTION_BYTES + outcome_bytes;
    if (network->looked && network->looked_bytes == all_bytes && memcmp(network->looked, digest, QUESTION_BYTES) == 0) {
        memcpy(outcome, network->looked + QUESTION_BYTES, outcome_bytes);
        return true;
    }
    const mu_waiting *found = mu_network_find_looked(network, digest, QUESTION_BYTES);
    if (!found || found->extra_bytes != all_bytes)
        return false;
    memcpy(outcome, found->extra + QUESTION_BYTES, outcome_bytes);
    return true;
}

/* From the devices, into outcome. */
static mu_status find_out_anew(mu_network *network, const question *q, const mu_start *start, unsigned char *outcome, size_t outcome_bytes, mu_error *err)
{
    struct mu_ask ask;
    mu_status status = ask_devices(network, q, start, &ask, err);
    if (!status && q->statistics)
        status = gather_statistics(&ask, outcome_bytes / sizeof(double) - 1, (double *)(void *)outcome, err);
    else if (!status)
        gather_evaluations(&ask, (mu_evaluation *)(void *)outcome);
    ask_release(&ask);
    return status;
}

/* *outcome [outcome_bytes] is network->looked's: until something else is asked. */
static mu_status find_out(mu_network *network, const question *q, size_t outcome_bytes, const void **outcome, mu_error *err)
{
    const mu_start *start;
    mu_status status = mu_starts_take_state(network->config.starts, q->state, q->part->kept, &start, err);
    if (status)
        return status;
    unsigned char *all = calloc(1, QUESTION_BYTES + outcome_bytes + 1);
    if (all) {
        digest_of(network, q, start, all);
        if (!is_known(network, all, all + QUESTION_BYTES, outcome_bytes)) {
            status = find_out_anew(network, q, start, all + QUESTION_BYTES, outcome_bytes, err);
            if (!status)
                status = mu_network_keep_looked(network, all, QUESTION_BYTES + outcome_bytes, err);
        }
    } else
        status = mu_error_set(err, MU_E_MEMORY, "no memory for the answers of %u devices", q->count);
    mu_starts_let_go(network->config.starts, start);
    if (status) {
        free(all);
        return status;
    }
    free(network->looked);
    network->looked = all;
    network->looked_bytes = QUESTION_BYTES + outcome_bytes;
    *outcome = all + QUESTION_BYTES;
    return MU_OK;
}

mu_status mu_network_evaluate_devices(void *self, const float *state, const mu_usable *part, bool own_classes, const uint32_t *devices, uint32_t count,
                                      uint32_t examples_each, mu_evaluation *each, mu_error *err)
{
    const question q = { .state = state, .part = part, .devices = devices, .count = count, .examples = examples_each, .own_classes = own_classes };
    const void *outcome;
    mu_status status = find_out(self, &q, count * sizeof *each, &outcome, err);
    if (!status && count)
        memcpy(each, outcome, count * sizeof *each);
    return status;
}

mu_status mu_network_evaluate_tiers(mu_network *network, const float *state, const mu_usable *part, uint32_t tier_examples, mu_evaluation *tiers, mu_error *err)
{
    const mu_federation_config *federation = network->config.federation;
    mu_tier_sample sample;
    const void *outcome;
    memset(tiers, 0, mu_fleet_tier_count(federation->fleet) * sizeof *tiers);
    mu_status status = mu_tier_sample_draw(federation->fleet, federation->data, federation->seed, tier_examples, can_look, network, &sample, err);
    if (status)
        return status;
    uint32_t *devices = malloc((sample.count + 1) * sizeof *devices), *examples = malloc((sample.count + 1) * sizeof *examples);
    if (!devices || !examples)
        status = mu_error_set(err, MU_E_MEMORY, "no memory to ask %u devices", sample.count);
    for (uint32_t i = 0; i < sample.count && !status; i++) {
        devices[i] = sample.shares[i].device;
        examples[i] = sample.shares[i].examples;
    }
    const question q = { .state = state, .part = part, .devices = devices, .count = sample.count, .examples_of = examples };
    if (!status)
        status = find_out(network, &q, sample.count * sizeof(mu_evaluation), &outcome, err);
    for (uint32_t i = 0; i < sample.count && !status; i++) {
        const mu_evaluation *each = (const mu_evaluation *)outcome + i;
        mu_evaluation *tier = &tiers[sample.shares[i].tier];
        tier->loss_sum += each->loss_sum;
        tier->correct += each->correct;
        tier->count += each->count;
    }
    free(examples);
    free(devices);
    mu_tier_sample_release(&sample);
    return status;
}

/* Into their places in the state; what a part leaves out stays. */
static mu_status put_statistics(mu_network *network, const mu_usable *part, const double *means, float *state, mu_error *err)
{
    const mu_submodel *submodel;
    size_t first, count, params = mu_model_param_count(network->model);
    mu_status status = count_statistics(network, part, &submodel, &first, &count, err);
    if (status)
        return status;
    float *own = submodel ? malloc((mu_model_state_count(network->model) - params) * sizeof *own) : state + params;
    if (!own)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %zu statistics of norms", count);
    if (submodel)
        mu_submodel_gather(submodel, MU_EXTENT_STATISTICS_ALONE, state + params, own);
    for (size_t v = 0; v < count; v++)
        own[first + v] = (float)means[v];
    if (submodel) {
        mu_submodel_scatter(submodel, MU_EXTENT_STATISTICS_ALONE, own, state + params);
        free(own);
    }
    return MU_OK;
}

mu_status mu_network_statistics(void *self, const mu_usable *part, const uint32_t *devices, uint32_t count, uint32_t examples_each, float *state,
                                mu_error *err)
{
    mu_network *network = self;
    const question q = { .state = state, .part = part, .devices = devices, .count = count, .examples = examples_each, .statistics = true };
    const mu_submodel *submodel;
    const void *outcome = NULL;
    size_t first, statistics;
    mu_status status = count_statistics(network, part, &submodel, &first, &statistics, err);
    if (!status)
        status = find_out(network, &q, (statistics + 1) * sizeof(double), &outcome, err);
    const double *means = outcome;
    if (status || !(means[statistics] > 0)) /* nobody has told anything: they stay as they are */
        return status;
    return put_statistics(network, part, means, state, err);
}

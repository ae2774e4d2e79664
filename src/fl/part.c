/* Parts of the model: formed to be priced and merged. */
#include "fl/federation_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool *mu_part_copy(const mu_control *control, const bool *kept)
{
    size_t size_bytes = mu_units_count(control->config.units) * sizeof *kept;
    bool *copy = malloc(size_bytes ? size_bytes : 1);
    if (copy)
        memcpy(copy, kept, size_bytes);
    return copy;
}

static mu_status make_part(mu_control *control, mu_error *err)
{
    return control->part ? MU_OK : mu_submodel_create(control->config.units, &control->part, err);
}

const mu_submodel *mu_control_part(mu_control *control, const bool *kept)
{
    return make_part(control, NULL) || mu_submodel_form(control->part, kept, NULL) ? NULL : control->part;
}

/* FNV-1a, number by number; what is digested has no end, so a digest may go on. */
static uint64_t digest_on(uint64_t digest, uint64_t number)
{
    for (int byte = 0; byte < 8; byte++)
        digest = (digest ^ (number >> 8 * byte & 255u)) * 1099511628211ull;
    return digest;
}

/* What a digest is of. */
enum { A_PLAN = 1, A_MINI_BATCH, A_CHOOSING_PLAN };

/* Of the numbers of kept units; NULL: the whole model. */
static uint64_t digest_of_kept(int kind, const mu_units *units, const bool *kept)
{
    uint64_t digest = digest_on(14695981039346656037ull, (uint64_t)kind);
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t count = 0;
        for (uint32_t i = 0; i < group->count; i++)
            count += !kept || kept[group->first + i];
        digest = digest_on(digest, count);
    }
    return digest;
}

/* The place of what was priced under this digest; *known: it is there. Otherwise the place is emptied, to be filled in. */
static mu_priced_part *priced_place(mu_control *control, uint64_t digest, const mu_train_config *train, bool *known)
{
    digest = digest ? digest : 1;
    mu_priced_part *priced = &control->parts[digest % MU_PRICED_PARTS_MAX];
    *known = priced->digest == digest && memcmp(&priced->train, train, sizeof *train) == 0;
    if (!*known)
        *priced = (mu_priced_part){ .train = *train };
    return priced;
}

/* It is known from here on. */
static void priced_keep(mu_priced_part *priced, uint64_t digest)
{
    priced->digest = digest ? digest : 1;
}

static uint64_t macs_of_example(const mu_model *model)
{
    mu_cost one = mu_model_cost(model, 1);
    return one.macs_forward + one.macs_backward;
}

mu_status mu_part_price(mu_control *control, const mu_plan *plan, const mu_model **model, uint64_t *macs_per_example, size_t *step_bytes,
                        mu_error *err)
{
    mu_status status = make_part(control, err);
    if (!status)
        status = mu_submodel_form(control->part, plan->kept, err);
    if (status)
        return status;
    *model = mu_submodel_model(control->part);
    bool known;
    uint64_t digest = digest_of_kept(A_PLAN, control->config.units, plan->kept);
    mu_priced_part *priced = priced_place(control, digest, &plan->train, &known);
    if (!known) {
        status = mu_plan_peak_memory(*model, plan, 0, true, &priced->bytes, NULL, err);
        if (status)
            return status;
        priced->macs_per_example = macs_of_example(*model);
        priced_keep(priced, digest);
    }
    *macs_per_example = priced->macs_per_example;
    *step_bytes = priced->bytes;
    return MU_OK;
}

/* ---- a part for every mini-batch ---- */

/* Which units are kept changes nothing about what a part takes: those of the choice are the first ones of each group. */
static mu_status price_choice(mu_control *control, const mu_choice *choice, uint64_t *macs_per_example, size_t *step_bytes, mu_error *err)
{
    const mu_units *units = choice->units;
    uint64_t digest = digest_on(14695981039346656037ull, A_MINI_BATCH);
    for (size_t g = 0; g < mu_units_group_count(units); g++)
        digest = digest_on(digest, choice->counts[g]);
    bool known;
    mu_priced_part *priced = priced_place(control, digest, &choice->plan->train, &known);
    if (!known) {
        for (size_t g = 0; g < mu_units_group_count(units); g++)
            mu_units_keep_first(units, g, choice->counts[g], control->chosen_units);
        mu_status status = mu_submodel_form(control->part, control->chosen_units, err);
        if (!status)
            status = mu_plan_step_bytes(mu_submodel_model(control->part), choice->plan, true, &priced->bytes, err);
        if (status)
            return status;
        priced->macs_per_example = macs_of_example(mu_submodel_model(control->part));
        priced_keep(priced, digest);
    }
    *macs_per_example = priced->macs_per_example;
    *step_bytes = priced->bytes;
    return MU_OK;
}

/* What the trainer holds all the time, and beside it the widest part. */
static mu_status price_held(mu_control *control, const mu_plan *plan, const mu_manner *manner, size_t step_bytes, size_t *size_bytes,
                            mu_error *err)
{
    bool known;
    uint64_t digest = digest_on(digest_of_kept(A_CHOOSING_PLAN, control->config.units, plan->kept), step_bytes);
    mu_priced_part *priced = priced_place(control, digest, &plan->train, &known);
    if (!known) {
        mu_status status = mu_submodel_form(control->part, plan->kept, err);
        if (!status)
            status = mu_plan_peak_memory_choosing(mu_submodel_model(control->part), plan, manner, 0, step_bytes, true, &priced->bytes, err);
        if (status)
            return status;
        priced_keep(priced, digest);
    }
    *size_bytes = priced->bytes;
    return MU_OK;
}

static bool is_narrower(const mu_units *units, const uint32_t *counts, const bool *kept)
{
    for (size_t g = 0; g < mu_units_group_count(units); g++) {
        const mu_unit_group *group = mu_units_group(units, g);
        uint32_t held = 0;
        for (uint32_t i = 0; i < group->count; i++)
            held += !kept || kept[group->first + i];
        if (counts[g] < held)
            return true;
    }
    return false;
}

/* What can be spent on a mini-batch, now that so much of the task is done. */
static double afford(const mu_control *control, const mu_task *task)
{
    if (task->plan.step_time_s <= 0.0)
        return INFINITY;
    mu_work done = { .macs = { task->work.macs[MU_PRECISION_FP32] }, .bytes_down = task->work.bytes_down };
    return mu_fleet_afford(control->config.fleet, task->device, task->sent_at, &done, task->plan.step_time_s);
}

mu_status mu_part_price_choices(mu_control *control, mu_task *task, uint32_t num_examples, uint64_t held_macs, size_t *size_bytes, mu_error *err)
{
    const mu_plan *plan = &task->plan;
    mu_answer how = control->config.answers[MU_HOW];
    mu_manner manner = { 0 };
    if (how.method->how->manner)
        how.method->how->manner(how.state, &manner);
    mu_status status = make_part(control, err);
    size_t widest_bytes = 0;
    uint32_t steps = mu_plan_steps(plan, num_examples), position = 0;
    for (uint32_t step = 0; step < steps && !status; step++) {
        uint32_t left = num_examples - position, count = left < plan->train.batch_size ? left : plan->train.batch_size;
        position = count < left ? position + count : 0;
        double affordable = afford(control, task);
        mu_choice choice = {
            .units = control->config.units, .plan = plan, .seed = control->config.seed, .device = task->device, .step = step,
            .afford_macs = affordable / count, .counts = control->chosen_counts,
        };
        how.method->how->choose(how.state, &choice);
        uint64_t macs = 0;
        size_t bytes = 0;
        status = price_choice(control, &choice, &macs, &bytes, err);
        if (manner.teaches && !is_narrower(choice.units, choice.counts, plan->kept))
            macs = bytes = 0; /* there is nobody to teach */
        if (manner.teaches)
            macs += held_macs;
        widest_bytes = bytes > widest_bytes ? bytes : widest_bytes;
        task->work.macs[MU_PRECISION_FP32] += count * macs;
        if (plan->step_time_s > 0.0) {
            double whole = (double)count * (double)held_macs;
            task->work.afforded_macs += (uint64_t)(affordable < whole ? affordable : whole);
        }
    }
    return status ? status : price_held(control, plan, &manner, widest_bytes, size_bytes, err);
}

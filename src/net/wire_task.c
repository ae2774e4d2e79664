/* Tasks: a plan as a message, and back. */
#include "net/wire.h"

#include "base/limits.h"
#include "net/blob.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The options of `train:` cross in the field of their name. Those that have none are settled when the plan is made: the rate is the plan's own, and
 * what is dry goes to nobody. */
static const ProtobufCFieldDescriptor *field_of(const mu_option *row)
{
    return protobuf_c_message_descriptor_get_field_by_name(&muster__train__descriptor, row->name);
}

static void pack_option(const mu_option *row, const mu_train_config *train, void *field)
{
    const void *member = (const char *)train + row->offset;
    switch (row->kind) {
    case MU_OPTION_BOOL: *(protobuf_c_boolean *)field = *(const bool *)member; return;
    case MU_OPTION_COUNT: *(uint32_t *)field = *(const uint32_t *)member; return;
    case MU_OPTION_REAL: *(double *)field = *(const double *)member; return;
    case MU_OPTION_CHOICE: *(char **)field = (char *)(uintptr_t)row->choices[*(const int *)member]; return;
    default: MU_ASSERT(!"a kind that no option of `train:` has");
    }
}

static mu_status out_of_range(const mu_option *row, double value, mu_error *err)
{
    char range[128];
    mu_option_describe_range(row, range, sizeof range);
    return mu_error_set(err, MU_E_RANGE, "Task: field '%s' is %.10g, expected %s", row->name, value, range);
}

static mu_status parse_choice(const mu_option *row, const char *word, int *member, mu_error *err)
{
    for (int i = 0; row->choices[i]; i++)
        if (strcmp(row->choices[i], word) == 0) {
            *member = i;
            return MU_OK;
        }
    char range[128];
    mu_option_describe_range(row, range, sizeof range);
    return mu_error_set(err, MU_E_RANGE, "Task: field '%s' is '%s', expected %s", row->name, word, range);
}

static mu_status parse_option(const mu_option *row, const void *field, mu_train_config *train, mu_error *err)
{
    void *member = (char *)train + row->offset;
    double value = row->min;
    switch (row->kind) {
    case MU_OPTION_BOOL: *(bool *)member = *(const protobuf_c_boolean *)field != 0; break;
    case MU_OPTION_COUNT: value = *(uint32_t *)member = *(const uint32_t *)field; break;
    case MU_OPTION_REAL: value = *(double *)member = *(const double *)field; break;
    case MU_OPTION_CHOICE: return parse_choice(row, *(char *const *)field, member, err);
    default: MU_ASSERT(!"a kind that no option of `train:` has");
    }
    bool carried = value == 0 && member == (void *)&train->local_epochs; /* which a plan may say and a configuration may not */
    return carried || (value >= row->min && value <= row->max) ? MU_OK : out_of_range(row, value, err);
}

/* ---- packing ---- */

mu_status mu_wire_pack_task(const mu_wire_task *task, size_t unit_count, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    const mu_plan *plan = &task->plan;
    Muster__Train train;
    size_t row_count, kept_bytes = plan->kept ? (unit_count + 7) / 8 : 0;
    const mu_option *rows = mu_train_options(&row_count);
    muster__train__init(&train);
    for (size_t i = 0; i < row_count; i++)
        if (field_of(&rows[i]))
            pack_option(&rows[i], &plan->train, (char *)&train + field_of(&rows[i])->offset);
    Muster__Look look = {
        .base = PROTOBUF_C_MESSAGE_INIT(&muster__look__descriptor),
        .examples = task->look.examples, .own_classes = task->look.own_classes, .statistics = task->look.statistics,
        .statistic_set = task->look.statistic_set,
    };
    unsigned char *kept = malloc(kept_bytes ? kept_bytes : 1);
    if (!kept)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a task's %zu units", unit_count);
    if (plan->kept)
        mu_wire_bits_from_flags(plan->kept, unit_count, kept);
    Muster__Plan packed_plan = {
        .base = PROTOBUF_C_MESSAGE_INIT(&muster__plan__descriptor),
        .version = plan->version, .ordinal = plan->ordinal, .phase = plan->phase,
        .learning_rate = plan->learning_rate, .memory_limit_bytes = plan->memory_limit_bytes, .step_time_s = plan->step_time_s,
        .kept = { .len = kept_bytes, .data = kept }, .train = task->looks ? NULL : &train,
    };
    Muster__Task message = {
        .base = PROTOBUF_C_MESSAGE_INIT(&muster__task__descriptor),
        .id = task->id, .plan = &packed_plan, .start = (char *)(uintptr_t)task->start_digest, .start_floats = task->start_floats,
        .lease_s = task->lease_s, .look = task->looks ? &look : NULL,
    };
    mu_status status = mu_wire_pack(&message.base, bytes, size_bytes, err);
    free(kept);
    return status;
}

/* ---- parsing ---- */

static mu_status parse_train(const Muster__Train *message, double learning_rate, mu_train_config *out, mu_error *err)
{
    size_t row_count;
    const mu_option *rows = mu_train_options(&row_count);
    *out = (mu_train_config){ .learning_rate = learning_rate, .schedule = mu_schedule_default() };
    mu_status status = MU_OK;
    for (size_t i = 0; i < row_count && !status; i++)
        if (field_of(&rows[i]))
            status = parse_option(&rows[i], (const char *)message + field_of(&rows[i])->offset, out, err);
        else if (rows[i].offset == offsetof(mu_train_config, learning_rate) && !(learning_rate >= rows[i].min && learning_rate <= rows[i].max))
            status = out_of_range(&rows[i], learning_rate, err);
    if (!status && out->nesterov && (out->momentum == 0 || out->dampening != 0))
        status = mu_error_set(err, MU_E_RANGE, "Task: field 'nesterov' needs a momentum above 0 and no dampening");
    return status;
}

static mu_status parse_look(const Muster__Look *message, mu_wire_task *task, mu_error *err)
{
    if (message->statistic_set >= MU_STATISTIC_SETS_MAX)
        return mu_error_set(err, MU_E_RANGE, "Task: field 'statistic_set' is %u, expected less than %d", message->statistic_set, MU_STATISTIC_SETS_MAX);
    task->looks = true;
    task->look = (mu_wire_look){ .examples = message->examples, .own_classes = message->own_classes, .statistics = message->statistics,
                                 .statistic_set = message->statistic_set };
    return MU_OK;
}

static mu_status parse_kept(const ProtobufCBinaryData *bits, size_t unit_count, bool *flags, const bool **kept, mu_error *err)
{
    *kept = NULL;
    if (bits->len == 0)
        return MU_OK;
    if (!mu_wire_flags_from_bits(bits->data, bits->len, flags, unit_count))
        return mu_error_set(err, MU_E_SHAPE, "Task: field 'kept' has %zu bytes, expected a bit for each of %zu units and no more", bits->len,
                            unit_count);
    size_t count = 0;
    for (size_t i = 0; i < unit_count; i++)
        count += flags[i];
    if (count == 0)
        return mu_error_set(err, MU_E_RANGE, "Task: field 'kept' keeps none of %zu units", unit_count);
    *kept = flags;
    return MU_OK;
}

mu_status mu_wire_parse_task(const Muster__Task *message, size_t unit_count, bool *flags, mu_wire_task *out, mu_error *err)
{
    const Muster__Plan *plan = message->plan;
    mu_blob_digest start;
    if (!plan || (!plan->train && !message->look))
        return mu_error_set(err, MU_E_PARSE, "Task: field '%s' is not there", plan ? "train" : "plan");
    if (!mu_blob_digest_from_hex(message->start, &start))
        return mu_error_set(err, MU_E_PARSE, "Task: field 'start' is not a digest of 64 hexadecimal digits");
    if (message->start_floats == 0 || message->start_floats > MU_LIMIT_BLOB_FLOATS)
        return mu_error_set(err, MU_E_LIMIT, "Task: field 'start_floats' is %llu, expected 1 to %llu", (unsigned long long)message->start_floats,
                            (unsigned long long)MU_LIMIT_BLOB_FLOATS);
    if (!(message->lease_s > 0 && message->lease_s <= MU_LIMIT_LEASE_SECONDS))
        return mu_error_set(err, MU_E_RANGE, "Task: field 'lease_s' is %g, expected more than 0 and at most %g", message->lease_s,
                            MU_LIMIT_LEASE_SECONDS);
    if (!(plan->step_time_s >= 0 && isfinite(plan->step_time_s)))
        return mu_error_set(err, MU_E_RANGE, "Task: field 'step_time_s' is %g, expected at least 0", plan->step_time_s);
    mu_wire_task task = {
        .id = message->id, .start_floats = message->start_floats, .lease_s = message->lease_s,
        .plan = { .version = plan->version, .ordinal = plan->ordinal, .phase = plan->phase, .learning_rate = plan->learning_rate,
                  .memory_limit_bytes = plan->memory_limit_bytes, .step_time_s = plan->step_time_s },
    };
    mu_blob_digest_hex(&start, task.start_digest);
    mu_status status = message->look ? parse_look(message->look, &task, err) : parse_train(plan->train, plan->learning_rate, &task.plan.train, err);
    if (!status)
        status = parse_kept(&plan->kept, unit_count, flags, &task.plan.kept, err);
    if (!status)
        *out = task;
    return status;
}

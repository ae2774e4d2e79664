/* Messages: every field of every message there and back, every bound held, tasks to the last option, signatures against a known one. */
#include "net/wire.h"

#include "base/limits.h"
#include "base/refuse_memory.h"

#include <math.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const ProtobufCMessageDescriptor *const types[] = {
    &muster__hello__descriptor, &muster__profile__descriptor, &muster__enrol__descriptor, &muster__enrolled__descriptor,
    &muster__open_session__descriptor, &muster__session__descriptor, &muster__shape__descriptor, &muster__tensor__descriptor,
    &muster__named_file__descriptor, &muster__job__descriptor, &muster__train__descriptor, &muster__plan__descriptor, &muster__task__descriptor,
    &muster__poll__descriptor, &muster__polled__descriptor, &muster__cost__descriptor, &muster__update_head__descriptor,
    &muster__signed_update__descriptor, &muster__update_state__descriptor, &muster__failed__descriptor, &muster__refusal__descriptor,
    &muster__look__descriptor, &muster__looked_head__descriptor, &muster__looked__descriptor,
};

/* ---- messages with everything in them ---- */

/* What the fields of a test's messages point to, freed together. */
static struct { void *pieces[4096]; size_t count; } pool;

static void *piece(size_t size_bytes)
{
    assert_true(pool.count < MU_COUNT(pool.pieces));
    void *made = calloc(1, size_bytes ? size_bytes : 1);
    assert_non_null(made);
    return pool.pieces[pool.count++] = made;
}

static int free_pool(void **state)
{
    (void)state;
    while (pool.count)
        free(pool.pieces[--pool.count]);
    return 0;
}

static char *text_of(size_t length)
{
    return memset(piece(length + 1), 'a', length);
}

static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *type);

static void fill_value(const ProtobufCFieldDescriptor *field, void *at)
{
    bool long_ones = strcmp(field->name, "signature") == 0 || strcmp(field->name, "proof") == 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: *(char **)at = text_of(64); break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){ long_ones ? 64 : 32, (uint8_t *)text_of(64) };
        break;
    case PROTOBUF_C_TYPE_DOUBLE: *(double *)at = 1.0 / 3.0 + field->id; break;
    case PROTOBUF_C_TYPE_UINT32: *(uint32_t *)at = 4000000000u + field->id; break;
    case PROTOBUF_C_TYPE_UINT64: *(uint64_t *)at = UINT64_MAX - field->id; break;
    case PROTOBUF_C_TYPE_BOOL: *(protobuf_c_boolean *)at = 1; break;
    case PROTOBUF_C_TYPE_MESSAGE: *(ProtobufCMessage **)at = filled(field->descriptor); break;
    default: fail_msg("%s: a type that no test knows", field->name);
    }
}

static ProtobufCMessage *filled(const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = piece(type->sizeof_message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        void *at = (char *)message + field->offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            *(size_t *)(void *)((char *)message + field->quantifier_offset) = 2;
            char *list = *(char **)at = piece(64);
            fill_value(field, list);
            fill_value(field, list + (field->type == PROTOBUF_C_TYPE_UINT32 ? 4 : 8)); /* numbers and pointers: the schema repeats no bytes */
        } else {
            fill_value(field, at);
        }
    }
    return message;
}

static void test_everything_there_and_back(void **state)
{
    (void)state;
    for (size_t t = 0; t < MU_COUNT(types); t++)
        for (int full = 0; full < 2; full++) {
            ProtobufCMessage *message = filled(types[t]), *back;
            unsigned char *bytes, *again;
            size_t size_bytes, again_bytes;
            mu_error err;
            if (!full && types[t] != &muster__poll__descriptor && types[t] != &muster__polled__descriptor && types[t] != &muster__cost__descriptor)
                continue; /* the others have fields that must be there */
            if (!full)
                protobuf_c_message_init(types[t], message);
            assert_int_equal(mu_wire_pack(message, &bytes, &size_bytes, &err), MU_OK);
            assert_int_equal(size_bytes > 0, full);
            if (mu_wire_unpack(types[t], bytes, size_bytes, &back, &err))
                fail_msg("%s", err.message);
            assert_int_equal(mu_wire_pack(back, &again, &again_bytes, &err), MU_OK);
            assert_int_equal(again_bytes, size_bytes);
            assert_memory_equal(again, bytes, size_bytes);
            mu_wire_free(back);
            for (size_t n = 0; n < size_bytes; n++) /* cut off anywhere: refused, or a message with less in it */
                if (mu_wire_unpack(types[t], bytes, n, &back, NULL) == MU_OK)
                    mu_wire_free(back);
            free(bytes);
            free(again);
        }
    mu_wire_free(NULL);
}

static mu_status status_of(const ProtobufCMessage *message, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    ProtobufCMessage *back;
    assert_int_equal(mu_wire_pack(message, &bytes, &size_bytes, NULL), MU_OK);
    mu_status status = mu_wire_unpack(message->descriptor, bytes, size_bytes, &back, err);
    free(bytes);
    if (!status)
        mu_wire_free(back);
    return status;
}

/* ---- bounds ---- */

static const struct { const ProtobufCMessageDescriptor *type; const char *field; double value; mu_status expected; } fields[] = {
    /* bytes of text or bytes, values of a list, or the number itself */
    { &muster__hello__descriptor, "federation", 127, MU_OK },
    { &muster__hello__descriptor, "federation", 128, MU_E_LIMIT },
    { &muster__hello__descriptor, "challenge", 31, MU_E_PARSE },
    { &muster__hello__descriptor, "challenge", 33, MU_E_LIMIT },
    { &muster__hello__descriptor, "challenge", 0, MU_E_PARSE },
    { &muster__hello__descriptor, "capabilities", 32, MU_OK },
    { &muster__hello__descriptor, "capabilities", 33, MU_E_LIMIT },
    { &muster__profile__descriptor, "processor", 128, MU_E_LIMIT },
    { &muster__profile__descriptor, "macs_per_s", 0, MU_OK },
    { &muster__profile__descriptor, "macs_per_s", -1, MU_E_RANGE },
    { &muster__profile__descriptor, "latency_s", NAN, MU_E_RANGE },
    { &muster__profile__descriptor, "radio_w", INFINITY, MU_E_RANGE },
    { &muster__enrol__descriptor, "token", 31, MU_E_PARSE },
    { &muster__enrol__descriptor, "public_key", 64, MU_E_LIMIT },
    { &muster__enrol__descriptor, "proof", 63, MU_E_PARSE },
    { &muster__enrol__descriptor, "proof", 0, MU_E_PARSE },
    { &muster__open_session__descriptor, "challenge", 0, MU_E_PARSE },
    { &muster__open_session__descriptor, "signature", 65, MU_E_LIMIT },
    { &muster__session__descriptor, "token", 33, MU_E_LIMIT },
    { &muster__session__descriptor, "job", 63, MU_E_PARSE },
    { &muster__tensor__descriptor, "name", 256, MU_OK },
    { &muster__tensor__descriptor, "name", 257, MU_E_LIMIT },
    { &muster__tensor__descriptor, "shape", 4, MU_OK },
    { &muster__tensor__descriptor, "shape", 5, MU_E_LIMIT },
    { &muster__job__descriptor, "model_yaml", 4 << 20, MU_OK },
    { &muster__job__descriptor, "model_yaml", (4 << 20) + 1, MU_E_LIMIT },
    { &muster__job__descriptor, "files", 33, MU_E_LIMIT },
    { &muster__train__descriptor, "optimizer", 128, MU_E_LIMIT },
    { &muster__plan__descriptor, "learning_rate", NAN, MU_E_RANGE },
    { &muster__task__descriptor, "start", 65, MU_E_LIMIT },
    { &muster__task__descriptor, "lease_s", INFINITY, MU_E_RANGE },
    { &muster__poll__descriptor, "battery_share", -1, MU_OK },
    { &muster__poll__descriptor, "battery_share", NAN, MU_E_RANGE },
    { &muster__poll__descriptor, "working_on", 33, MU_E_LIMIT },
    { &muster__polled__descriptor, "settled", 32, MU_OK },
    { &muster__polled__descriptor, "settled", 33, MU_E_LIMIT },
    { &muster__cost__descriptor, "energy_j", -1e-300, MU_E_RANGE },
    { &muster__update_head__descriptor, "digest", 0, MU_E_PARSE },
    { &muster__update_head__descriptor, "classes", 8192, MU_OK },
    { &muster__update_head__descriptor, "classes", 8193, MU_E_LIMIT },
    { &muster__update_head__descriptor, "train_loss", NAN, MU_OK },
    { &muster__update_head__descriptor, "train_squared_loss", INFINITY, MU_OK },
    { &muster__signed_update__descriptor, "head", 16384, MU_OK },
    { &muster__signed_update__descriptor, "head", 16385, MU_E_LIMIT },
    { &muster__signed_update__descriptor, "signature", 63, MU_E_PARSE },
    { &muster__looked_head__descriptor, "start", 31, MU_E_PARSE },
    { &muster__looked_head__descriptor, "loss_sum", NAN, MU_OK },
    { &muster__looked_head__descriptor, "statistics", 32, MU_OK },
    { &muster__looked_head__descriptor, "statistics", 33, MU_E_LIMIT },
    { &muster__looked__descriptor, "head", 16385, MU_E_LIMIT },
    { &muster__looked__descriptor, "signature", 63, MU_E_PARSE },
    { &muster__looked__descriptor, "statistics", 240000, MU_OK },
    { &muster__looked__descriptor, "statistics", 240001, MU_E_LIMIT },
    { &muster__failed__descriptor, "reason", 1023, MU_OK },
    { &muster__refusal__descriptor, "message", 1024, MU_E_LIMIT },
    { &muster__refusal__descriptor, "again_s", -5, MU_E_RANGE },
};

static void set_field(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, double value)
{
    void *at = (char *)message + field->offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = (size_t)value;
        char *list = piece(8 * count);
        for (size_t i = 0; i < count; i++)
            fill_value(field, list + i * (field->type == PROTOBUF_C_TYPE_UINT32 ? 4 : 8));
        *(size_t *)(void *)((char *)message + field->quantifier_offset) = count;
        *(char **)at = list;
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        *(char **)at = text_of((size_t)value);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){ (size_t)value, (uint8_t *)text_of((size_t)value) };
    } else {
        assert_int_equal(field->type, PROTOBUF_C_TYPE_DOUBLE);
        *(double *)at = value;
    }
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(fields); i++) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(fields[i].type, fields[i].field);
        assert_non_null(field);
        ProtobufCMessage *message = filled(fields[i].type);
        set_field(message, field, fields[i].value);
        mu_error err = { 0 };
        mu_status status = status_of(message, &err);
        if (status != fields[i].expected)
            fail_msg("%s.%s = %g: %s, expected %s: %s", fields[i].type->short_name, fields[i].field, fields[i].value, mu_status_name(status),
                     mu_status_name(fields[i].expected), err.message);
        if (status && (!strstr(err.message, fields[i].type->short_name) || !strstr(err.message, fields[i].field)))
            fail_msg("'%s' does not name %s and %s", err.message, fields[i].type->short_name, fields[i].field);
        free_pool(NULL);
    }
}

/* A field that is refused is refused wherever its message stands. */
static void test_bounds_within(void **state)
{
    (void)state;
    Muster__Polled *polled = (Muster__Polled *)filled(&muster__polled__descriptor);
    mu_error err;
    assert_int_equal(status_of(&polled->base, &err), MU_OK);
    polled->task->plan->train->epsilon = -1;
    assert_int_equal(status_of(&polled->base, &err), MU_E_RANGE);
    assert_string_equal(err.message, "Train: field 'epsilon' is -1, expected a finite number that is not negative");
    Muster__Job *job = (Muster__Job *)filled(&muster__job__descriptor);
    job->tensors[1]->name = text_of(257);
    assert_int_equal(status_of(&job->base, &err), MU_E_LIMIT);
}

static void test_text_is_utf8(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8c\x8d", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", "\x7f" };
    static const char *const bad[] = { "\x80", "a\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82", "ok\xf0\x9f\x8c" };
    Muster__Failed *failed = (Muster__Failed *)filled(&muster__failed__descriptor);
    for (size_t i = 0; i < MU_COUNT(good); i++) {
        failed->reason = strcpy(piece(16), good[i]);
        assert_int_equal(status_of(&failed->base, NULL), MU_OK);
    }
    for (size_t i = 0; i < MU_COUNT(bad); i++) {
        mu_error err;
        failed->reason = strcpy(piece(16), bad[i]);
        assert_int_equal(status_of(&failed->base, &err), MU_E_PARSE);
        assert_non_null(strstr(err.message, "Failed: field 'reason' is not UTF-8"));
    }
}

static void test_sizes(void **state)
{
    (void)state;
    ProtobufCMessage *out;
    mu_error err;
    unsigned char *bytes = calloc(1, MU_LIMIT_JOB_BYTES + 1);
    assert_int_equal(mu_wire_bytes_max(&muster__poll__descriptor), MU_LIMIT_MESSAGE_BYTES);
    assert_int_equal(mu_wire_bytes_max(&muster__job__descriptor), MU_LIMIT_JOB_BYTES);
    assert_int_equal(mu_wire_unpack(&muster__poll__descriptor, bytes, MU_LIMIT_MESSAGE_BYTES + 1, &out, &err), MU_E_LIMIT);
    assert_int_equal(mu_wire_unpack(&muster__job__descriptor, bytes, MU_LIMIT_JOB_BYTES + 1, &out, &err), MU_E_LIMIT);
    assert_int_equal(mu_wire_unpack(&muster__poll__descriptor, bytes, 100, &out, &err), MU_E_PARSE); /* zeros are no tags */
    for (size_t i = 0; i < MU_LIMIT_MESSAGE_BYTES; i += 2) { /* as many values as there can be, each in a field of its own */
        bytes[i] = 2 << 3;
        bytes[i + 1] = 1;
    }
    assert_int_equal(mu_wire_unpack(&muster__poll__descriptor, bytes, MU_LIMIT_MESSAGE_BYTES, &out, &err), MU_E_LIMIT);
    assert_non_null(strstr(err.message, "more memory"));
    for (size_t i = 0; i < MU_LIMIT_JOB_BYTES; i += 2) { /* and empty tensors */
        bytes[i] = 7 << 3 | 2;
        bytes[i + 1] = 0;
    }
    assert_int_equal(mu_wire_unpack(&muster__job__descriptor, bytes, MU_LIMIT_JOB_BYTES, &out, &err), MU_E_LIMIT);
    free(bytes);
}

/* The largest job that there may be is within the memory that its size allows. */
static void test_many_tensors(void **state)
{
    (void)state;
    Muster__Job job;
    Muster__Tensor **tensors = malloc(sizeof *tensors * (MU_LIMIT_JOB_TENSORS + 1)), tensor;
    muster__job__init(&job);
    muster__tensor__init(&tensor);
    tensor.name = text_of(1);
    tensor.n_shape = 1;
    tensor.shape = &(uint32_t){ 1 };
    for (size_t i = 0; i <= MU_LIMIT_JOB_TENSORS; i++)
        tensors[i] = &tensor;
    job.tensors = tensors;
    job.n_tensors = MU_LIMIT_JOB_TENSORS;
    assert_int_equal(status_of(&job.base, NULL), MU_OK);
    job.n_tensors++;
    mu_error err;
    assert_int_equal(status_of(&job.base, &err), MU_E_LIMIT);
    assert_non_null(strstr(err.message, "Job: field 'tensors' has 65537 values"));
    free(tensors);
}

/* Messages of a later version have fields that this one does not know. */
static void test_unknown_fields_are_passed_over(void **state)
{
    (void)state;
    static const unsigned char bytes[] = { 1 << 3, 7, 0xf8, 0x3f, 0x96, 0x01, 0x8a, 0x40, 3, 'n', 'e', 'w' }; /* hold_s = 7; fields 1023, 1025 */
    ProtobufCMessage *out;
    mu_error err;
    if (mu_wire_unpack(&muster__poll__descriptor, bytes, sizeof bytes, &out, &err))
        fail_msg("%s", err.message);
    assert_int_equal(((Muster__Poll *)out)->hold_s, 7);
    mu_wire_free(out);
    static const unsigned char zero[] = { 0x80, 0x00, 7 };
    assert_int_equal(mu_wire_unpack(&muster__poll__descriptor, zero, sizeof zero, &out, &err), MU_E_PARSE);
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    ProtobufCMessage *message = filled(&muster__job__descriptor), *out;
    unsigned char *bytes = NULL;
    size_t size_bytes;
    bool done = false;
    for (long n = 0; !done; n++) {
        refused = false;
        allocations_left = n;
        mu_error err;
        mu_status status = mu_wire_pack(message, &bytes, &size_bytes, &err);
        if (!status) {
            status = mu_wire_unpack(&muster__job__descriptor, bytes, size_bytes, &out, &err);
            free(bytes);
            if (!status)
                mu_wire_free(out);
        }
        allocations_left = -1;
        done = !refused;
        assert_int_equal(status, done ? MU_OK : MU_E_MEMORY);
        assert_true(n < 100);
    }
}

/* ---- tasks ---- */

static mu_wire_task a_task(void)
{
    mu_wire_task task = {
        .id = UINT64_MAX - 3, .start_floats = 61706, .lease_s = 600.25,
        .plan = { .version = 7, .ordinal = 3, .phase = 1, .learning_rate = 0.0125, .memory_limit_bytes = (uint64_t)5 << 40, .step_time_s = 0.75,
                  .train = { .local_epochs = 5, .max_steps = 1000, .batch_size = 32, .learning_rate = 0.0125, .optimizer = MU_OPTIMIZER_SGD,
                             .momentum = 0.9, .dampening = 0, .weight_decay = 1e-4, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 1e-7,
                             .nesterov = true, .fit_memory = true } },
    };
    task.plan.train.schedule = mu_schedule_default();
    memset(task.start_digest, 'c', 64);
    return task;
}

/* There and back; *out's flags are in `flags`. */
static mu_status cross(const mu_wire_task *task, size_t unit_count, bool *flags, mu_wire_task *out, mu_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    ProtobufCMessage *message;
    assert_int_equal(mu_wire_pack_task(task, unit_count, &bytes, &size_bytes, NULL), MU_OK);
    mu_status status = mu_wire_unpack(&muster__task__descriptor, bytes, size_bytes, &message, err);
    free(bytes);
    if (status)
        return status;
    status = mu_wire_parse_task((Muster__Task *)message, unit_count, flags, out, err);
    mu_wire_free(message);
    return status;
}

static void check_same_task(const mu_wire_task *a, const mu_wire_task *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->start_digest, b->start_digest);
    assert_int_equal(a->start_floats, b->start_floats);
    assert_true(a->lease_s == b->lease_s);
    assert_int_equal(a->plan.version, b->plan.version);
    assert_int_equal(a->plan.ordinal, b->plan.ordinal);
    assert_int_equal(a->plan.phase, b->plan.phase);
    assert_true(a->plan.learning_rate == b->plan.learning_rate && a->plan.step_time_s == b->plan.step_time_s);
    assert_int_equal(a->plan.memory_limit_bytes, b->plan.memory_limit_bytes);
    size_t row_count;
    const mu_option *rows = mu_train_options(&row_count);
    for (size_t i = 0; i < row_count; i++) { /* 17 digits: a double, and nothing else */
        char one[64], other[64];
        mu_option_format(&rows[i], &a->plan.train, one, sizeof one);
        mu_option_format(&rows[i], &b->plan.train, other, sizeof other);
        assert_string_equal(one, other);
    }
}

static void test_tasks_cross(void **state)
{
    (void)state;
    static const int optimizers[] = { MU_OPTIMIZER_SGD, MU_OPTIMIZER_ADAM, MU_OPTIMIZER_ADAMW };
    bool kept[70], flags[70];
    for (size_t i = 0; i < MU_COUNT(kept); i++)
        kept[i] = i % 3 == 1;
    for (size_t units = 2; units <= MU_COUNT(kept); units++)
        for (size_t o = 0; o < MU_COUNT(optimizers); o++) {
            mu_wire_task task = a_task(), back;
            mu_error err;
            task.plan.train.optimizer = optimizers[o];
            if (cross(&task, units, flags, &back, &err))
                fail_msg("%s", err.message);
            check_same_task(&task, &back);
            assert_null(back.plan.kept);
            task.plan.kept = kept;
            task.plan.train.local_epochs = 0; /* carried, not trained */
            if (cross(&task, units, flags, &back, &err))
                fail_msg("%s", err.message);
            check_same_task(&task, &back);
            assert_ptr_equal(back.plan.kept, flags);
            assert_memory_equal(flags, kept, units * sizeof *flags);
        }
}

/* An option that is added to `train:` and not to the message would be lost on its way. */
static void test_every_option_has_its_field(void **state)
{
    (void)state;
    size_t row_count, found = 0;
    const mu_option *rows = mu_train_options(&row_count);
    for (size_t i = 0; i < row_count; i++) {
        bool settled = strcmp(rows[i].name, "learning_rate") == 0 || strcmp(rows[i].name, "dry") == 0; /* when the plan is made */
        bool there = protobuf_c_message_descriptor_get_field_by_name(&muster__train__descriptor, rows[i].name) != NULL;
        assert_int_equal(there, !settled);
        found += there;
    }
    assert_int_equal(found, muster__train__descriptor.n_fields);
}

/* A task that trains nothing has no training in it. */
static void test_looks_cross(void **state)
{
    (void)state;
    bool kept[9] = { [2] = true, [8] = true }, flags[9];
    mu_wire_task task = { .id = 9, .start_floats = 61706, .lease_s = 60, .plan = { .kept = kept }, .looks = true,
                          .look = { .examples = 77, .own_classes = true, .statistics = true, .statistic_set = 63 } }, back;
    mu_error err;
    memset(task.start_digest, 'c', 64);
    assert_int_equal(cross(&task, 9, flags, &back, &err), MU_OK);
    assert_true(back.looks && back.look.own_classes && back.look.statistics);
    assert_int_equal(back.look.examples, 77);
    assert_int_equal(back.look.statistic_set, 63);
    assert_memory_equal(back.plan.kept, kept, sizeof kept);
    task.look = (mu_wire_look){ 0 };
    task.plan.kept = NULL;
    assert_int_equal(cross(&task, 9, flags, &back, &err), MU_OK);
    assert_true(back.looks && !back.look.own_classes && !back.look.statistics && !back.look.examples && !back.plan.kept);
    task.look.statistic_set = 64;
    assert_int_equal(cross(&task, 9, flags, &back, &err), MU_E_RANGE);
    mu_wire_task training = a_task();
    assert_int_equal(cross(&training, 9, flags, &back, &err), MU_OK);
    assert_false(back.looks);
}

static void check_refused(const mu_wire_task *task, const char *field)
{
    mu_wire_task back;
    bool flags[9];
    mu_error err = { 0 };
    if (cross(task, 9, flags, &back, &err) == MU_OK || !strstr(err.message, field))
        fail_msg("'%s' does not refuse %s", err.message, field);
}

static void test_hostile_plans(void **state)
{
    (void)state;
    static const struct { const char *field; double value; } numbers[] = {
        { "momentum", 1 }, { "dampening", 1.5 }, { "weight_decay", 101 }, { "beta1", 1 }, { "beta2", 1 }, { "epsilon", 0 }, { "epsilon", 2 },
    };
    size_t row_count;
    const mu_option *rows = mu_train_options(&row_count);
    for (size_t n = 0; n < MU_COUNT(numbers); n++)
        for (size_t i = 0; i < row_count; i++)
            if (strcmp(rows[i].name, numbers[n].field) == 0) {
                mu_wire_task task = a_task();
                *(double *)(void *)((char *)&task.plan.train + rows[i].offset) = numbers[n].value;
                check_refused(&task, numbers[n].field);
            }
    mu_wire_task task = a_task();
    task.plan.train.local_epochs = 1000001;
    check_refused(&task, "local_epochs");
    task = a_task();
    task.plan.train.batch_size = 0;
    check_refused(&task, "batch_size");
    task.plan.train.batch_size = MU_LIMIT_BATCH + 1;
    check_refused(&task, "batch_size");
    task = a_task();
    task.plan.train.max_steps = UINT32_MAX;
    check_refused(&task, "max_steps");
    task = a_task();
    task.plan.train.momentum = 0; /* with nesterov */
    check_refused(&task, "nesterov");
    static const double rates[] = { -1, 1001, NAN, INFINITY };
    for (size_t i = 0; i < MU_COUNT(rates); i++) {
        task = a_task();
        task.plan.learning_rate = rates[i];
        check_refused(&task, "learning_rate");
    }
    task = a_task();
    task.plan.step_time_s = INFINITY;
    check_refused(&task, "step_time_s");
    task = a_task();
    task.lease_s = 0;
    check_refused(&task, "lease_s");
    task.lease_s = 1e9;
    check_refused(&task, "lease_s");
    task = a_task();
    task.start_floats = 0;
    check_refused(&task, "start_floats");
    task.start_floats = MU_LIMIT_BLOB_FLOATS + 1;
    check_refused(&task, "start_floats");
    task = a_task();
    task.start_digest[10] = 'g';
    check_refused(&task, "start");
    task = a_task();
    task.plan.kept = (bool[9]){ false };
    check_refused(&task, "kept");
}

static void test_messages_that_are_no_tasks(void **state)
{
    (void)state;
    Muster__Task *task = (Muster__Task *)filled(&muster__task__descriptor);
    Muster__Train *train = task->plan->train;
    bool flags[9];
    mu_wire_task out = { .id = 5 };
    mu_error err;
    task->lease_s = 60;
    task->start_floats = 100;
    assert_int_equal(mu_wire_parse_task(task, 256, flags, &out, &err), MU_E_RANGE);
    assert_string_equal(err.message, "Task: field 'statistic_set' is 4000000004, expected less than 64");
    task->look = NULL;
    muster__train__init(train);
    train->batch_size = 1;
    train->epsilon = 1e-8;
    train->optimizer = text_of(3);
    assert_int_equal(mu_wire_parse_task(task, 256, flags, &out, &err), MU_E_RANGE);
    assert_string_equal(err.message, "Task: field 'optimizer' is 'aaa', expected one of: sgd, adam, adamw");
    train->optimizer = strcpy(piece(4), "sgd");
    task->plan->kept.len = 2;
    assert_int_equal(mu_wire_parse_task(task, 9, flags, &out, &err), MU_E_SHAPE); /* 'a' has bits above the ninth */
    task->plan->kept.len = 1;
    assert_int_equal(mu_wire_parse_task(task, 9, flags, &out, &err), MU_E_SHAPE);
    task->plan->kept.len = 3;
    assert_int_equal(mu_wire_parse_task(task, 9, flags, &out, &err), MU_E_SHAPE);
    assert_int_equal(out.id, 5); /* as it was */
    task->plan->train = NULL;
    assert_int_equal(mu_wire_parse_task(task, 9, flags, &out, &err), MU_E_PARSE);
    assert_non_null(strstr(err.message, "'train'"));
    task->plan = NULL;
    assert_int_equal(mu_wire_parse_task(task, 9, flags, &out, &err), MU_E_PARSE);
    assert_non_null(strstr(err.message, "'plan'"));
}

/* ---- bits ---- */

static void test_bits(void **state)
{
    (void)state;
    static const bool nine[9] = { true, false, false, true, false, false, false, true, true };
    unsigned char bits[32];
    bool flags[200], back[200];
    mu_wire_bits_from_flags(nine, 9, bits);
    assert_int_equal(bits[0], 0x89);
    assert_int_equal(bits[1], 0x01);
    assert_false(mu_wire_flags_from_bits((const unsigned char[]){ 0x89, 0x03 }, 2, back, 9));
    assert_false(mu_wire_flags_from_bits(bits, 1, back, 9));
    assert_false(mu_wire_flags_from_bits(bits, 3, back, 9));
    assert_true(mu_wire_flags_from_bits(bits, 0, back, 0));
    for (size_t count = 0; count <= MU_COUNT(flags); count++) {
        for (size_t i = 0; i < count; i++)
            flags[i] = (i * i + count) % 5 < 2;
        memset(bits, 0xff, sizeof bits);
        mu_wire_bits_from_flags(flags, count, bits);
        assert_true(mu_wire_flags_from_bits(bits, (count + 7) / 8, back, count));
        if (count)
            assert_memory_equal(back, flags, count * sizeof *flags);
    }
}

/* ---- signatures ---- */

/* Of "muster enrol 1" and the bytes a0 to bf by the key from the seed 00 to 1f: Ed25519 is deterministic, so any implementation gives this. */
static const char known_signature[] = "48509ef02d68ac77e7e84d0521af5238496dc6c674bdfd12ebeba9c8cdf389b6"
                                      "af71a9ef11df1d148085ef6945789b7b8ceee5d4a7bc25b35a6d2120a9390302";

static void test_signatures(void **state)
{
    (void)state;
    unsigned char seed[32], token[32], public_key[32], secret_key[64], signature[64];
    char hex[129];
    for (unsigned i = 0; i < 32; i++) {
        seed[i] = (unsigned char)i;
        token[i] = (unsigned char)(0xa0 + i);
    }
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    assert_int_equal(mu_wire_sign(MU_WIRE_ENROL, token, 32, secret_key, signature, NULL), MU_OK);
    assert_string_equal(sodium_bin2hex(hex, sizeof hex, signature, 64), known_signature);
    assert_true(mu_wire_is_signed(MU_WIRE_ENROL, token, 32, public_key, signature, 64));
    assert_false(mu_wire_is_signed(MU_WIRE_SESSION, token, 32, public_key, signature, 64)); /* it was not given for that */
    assert_false(mu_wire_is_signed(MU_WIRE_UPDATE, token, 32, public_key, signature, 64));
    assert_false(mu_wire_is_signed(MU_WIRE_ENROL, token, 31, public_key, signature, 64));
    assert_false(mu_wire_is_signed(MU_WIRE_ENROL, token, 32, public_key, signature, 63));
    assert_false(mu_wire_is_signed(MU_WIRE_ENROL, token, 32, public_key, NULL, 0));
    for (size_t i = 0; i < 64; i++) {
        signature[i] ^= 1;
        assert_false(mu_wire_is_signed(MU_WIRE_ENROL, token, 32, public_key, signature, 64));
        signature[i] ^= 1;
    }
    public_key[3] ^= 4;
    assert_false(mu_wire_is_signed(MU_WIRE_ENROL, token, 32, public_key, signature, 64));
}

static void test_signatures_of_any_length(void **state)
{
    (void)state;
    unsigned char public_key[32], secret_key[64], signature[64];
    unsigned char *bytes = calloc(1, MU_LIMIT_SIGNED_BYTES + 1);
    crypto_sign_keypair(public_key, secret_key);
    assert_int_equal(mu_wire_sign(MU_WIRE_UPDATE, NULL, 0, secret_key, signature, NULL), MU_OK);
    assert_true(mu_wire_is_signed(MU_WIRE_UPDATE, NULL, 0, public_key, signature, 64));
    assert_int_equal(mu_wire_sign(MU_WIRE_UPDATE, bytes, MU_LIMIT_SIGNED_BYTES, secret_key, signature, NULL), MU_OK);
    assert_true(mu_wire_is_signed(MU_WIRE_UPDATE, bytes, MU_LIMIT_SIGNED_BYTES, public_key, signature, 64));
    assert_int_equal(mu_wire_sign(MU_WIRE_UPDATE, bytes, MU_LIMIT_SIGNED_BYTES + 1, secret_key, signature, NULL), MU_E_LIMIT);
    assert_false(mu_wire_is_signed(MU_WIRE_UPDATE, bytes, MU_LIMIT_SIGNED_BYTES + 1, public_key, signature, 64));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_everything_there_and_back, free_pool),
        cmocka_unit_test_teardown(test_bounds, free_pool),
        cmocka_unit_test_teardown(test_bounds_within, free_pool),
        cmocka_unit_test_teardown(test_text_is_utf8, free_pool),
        cmocka_unit_test_teardown(test_sizes, free_pool),
        cmocka_unit_test_teardown(test_many_tensors, free_pool),
        cmocka_unit_test(test_unknown_fields_are_passed_over),
        cmocka_unit_test_teardown(test_every_allocation_refused, free_pool),
        cmocka_unit_test(test_tasks_cross),
        cmocka_unit_test(test_every_option_has_its_field),
        cmocka_unit_test(test_hostile_plans),
        cmocka_unit_test(test_looks_cross),
        cmocka_unit_test_teardown(test_messages_that_are_no_tasks, free_pool),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_signatures_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

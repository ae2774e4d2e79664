/* What the fields of a message may hold. docs/wire.md has the same for people. */
#include "net/wire_bounds.h"

#include "base/limits.h"
#include "base/utf8.h"
#include "net/blob.h"

#include <math.h>
#include <string.h>

/* Fields that are not as most are: at most MU_LIMIT_MESSAGE_TEXT_BYTES of text or bytes, at most MU_LIMIT_MESSAGE_LIST in a list, numbers finite and
 * not negative. */
typedef struct bounds {
    const ProtobufCMessageDescriptor *type;
    const char                       *field;
    size_t                            bytes_min, bytes_max; /* of text without its end, or of bytes */
    size_t                            count_max;
    bool                              negative, any_number; /* numbers below 0; infinities and what is not a number, too */
} bounds;

#define EXACTLY(bytes) .bytes_min = (bytes), .bytes_max = (bytes)
static const bounds exceptions[] = {
    { &muster__hello__descriptor, "challenge", EXACTLY(MU_WIRE_CHALLENGE_BYTES) },
    { &muster__enrol__descriptor, "token", EXACTLY(MU_WIRE_TOKEN_BYTES) },
    { &muster__enrol__descriptor, "public_key", EXACTLY(32) },
    { &muster__enrol__descriptor, "proof", EXACTLY(MU_WIRE_SIGNATURE_BYTES) },
    { &muster__open_session__descriptor, "challenge", EXACTLY(MU_WIRE_CHALLENGE_BYTES) },
    { &muster__open_session__descriptor, "signature", EXACTLY(MU_WIRE_SIGNATURE_BYTES) },
    { &muster__session__descriptor, "token", EXACTLY(MU_WIRE_TOKEN_BYTES) },
    { &muster__session__descriptor, "job", EXACTLY(MU_BLOB_DIGEST_HEX_BYTES - 1) },
    { &muster__job__descriptor, "model_yaml", .bytes_max = MU_LIMIT_CONF_BYTES },
    { &muster__job__descriptor, "how_yaml", .bytes_max = MU_LIMIT_CONF_BYTES },
    { &muster__job__descriptor, "tensors", .count_max = MU_LIMIT_JOB_TENSORS },
    { &muster__tensor__descriptor, "name", .bytes_max = 2 * MU_LIMIT_NAME_BYTES }, /* of a layer, and of what it is there */
    { &muster__tensor__descriptor, "shape", .count_max = MU_LIMIT_MODEL_RANK },
    { &muster__named_file__descriptor, "content", .bytes_max = MU_LIMIT_JOB_BYTES },
    { &muster__plan__descriptor, "kept", .bytes_max = MU_LIMIT_MESSAGE_BYTES },
    { &muster__task__descriptor, "start", EXACTLY(MU_BLOB_DIGEST_HEX_BYTES - 1) },
    { &muster__poll__descriptor, "battery_share", .negative = true },
    { &muster__update_head__descriptor, "digest", EXACTLY(MU_BLOB_DIGEST_BYTES) },
    { &muster__update_head__descriptor, "classes", .bytes_max = MU_LIMIT_CLASSES / 8 },
    { &muster__update_head__descriptor, "train_loss", .any_number = true }, /* a training that came apart says so */
    { &muster__update_head__descriptor, "train_accuracy", .any_number = true },
    { &muster__update_head__descriptor, "train_squared_loss", .any_number = true },
    { &muster__signed_update__descriptor, "head", .bytes_max = MU_LIMIT_SIGNED_BYTES },
    { &muster__signed_update__descriptor, "signature", EXACTLY(MU_WIRE_SIGNATURE_BYTES) },
    { &muster__looked_head__descriptor, "start", EXACTLY(MU_BLOB_DIGEST_BYTES) },
    { &muster__looked_head__descriptor, "loss_sum", .any_number = true },
    { &muster__looked_head__descriptor, "statistics", .bytes_max = MU_BLOB_DIGEST_BYTES },
    { &muster__looked__descriptor, "head", .bytes_max = MU_LIMIT_SIGNED_BYTES },
    { &muster__looked__descriptor, "signature", EXACTLY(MU_WIRE_SIGNATURE_BYTES) },
    { &muster__looked__descriptor, "statistics", .bytes_max = MU_LIMIT_LOOKED_FLOATS * sizeof(float) },
    { &muster__failed__descriptor, "reason", .bytes_max = MU_LIMIT_REASON_BYTES },
    { &muster__refusal__descriptor, "message", .bytes_max = MU_LIMIT_REASON_BYTES },
};

static bounds bounds_of(const ProtobufCMessageDescriptor *type, const char *field)
{
    bounds found = { .type = type, .field = field };
    for (size_t i = 0; i < MU_COUNT(exceptions); i++)
        if (exceptions[i].type == type && strcmp(exceptions[i].field, field) == 0)
            found = exceptions[i];
    if (found.bytes_max == 0)
        found.bytes_max = MU_LIMIT_MESSAGE_TEXT_BYTES;
    if (found.count_max == 0)
        found.count_max = MU_LIMIT_MESSAGE_LIST;
    return found;
}

static mu_status check_bytes(const bounds *b, size_t size_bytes, mu_error *err)
{
    if (size_bytes < b->bytes_min && b->bytes_min == b->bytes_max)
        return mu_error_set(err, MU_E_PARSE, "%s: field '%s' has %zu bytes, expected %zu", b->type->short_name, b->field, size_bytes, b->bytes_min);
    if (size_bytes > b->bytes_max)
        return mu_error_set(err, MU_E_LIMIT, "%s: field '%s' has %zu bytes, more than the %zu allowed", b->type->short_name, b->field, size_bytes,
                            b->bytes_max);
    return MU_OK;
}

static mu_status check_text(const bounds *b, const char *text, mu_error *err)
{
    mu_status status = check_bytes(b, strlen(text), err);
    const unsigned char *at = (const unsigned char *)text;
    while (!status && *at) {
        size_t bytes = mu_utf8_bytes(at);
        if (bytes == 0)
            return mu_error_set(err, MU_E_PARSE, "%s: field '%s' is not UTF-8 from byte %zu on", b->type->short_name, b->field,
                                (size_t)(at - (const unsigned char *)text));
        at += bytes;
    }
    return status;
}

static mu_status check_number(const bounds *b, double number, mu_error *err)
{
    if (b->any_number || (isfinite(number) && (number >= 0 || b->negative)))
        return MU_OK;
    return mu_error_set(err, MU_E_RANGE, "%s: field '%s' is %g, expected a finite number%s", b->type->short_name, b->field, number,
                        b->negative ? "" : " that is not negative");
}

/* One value of a field, which lies at `at`. *size_bytes: what it takes there. Messages go no deeper than the schema, which has no circles. */
static mu_status check_value(const bounds *b, ProtobufCType kind, const void *at, size_t *size_bytes, mu_error *err)
{
    switch (kind) {
    case PROTOBUF_C_TYPE_STRING: *size_bytes = sizeof(char *); return check_text(b, *(char *const *)at, err);
    case PROTOBUF_C_TYPE_BYTES: *size_bytes = sizeof(ProtobufCBinaryData); return check_bytes(b, ((const ProtobufCBinaryData *)at)->len, err);
    case PROTOBUF_C_TYPE_DOUBLE: *size_bytes = sizeof(double); return check_number(b, *(const double *)at, err);
    case PROTOBUF_C_TYPE_MESSAGE:
        *size_bytes = sizeof(ProtobufCMessage *);
        return *(ProtobufCMessage *const *)at ? mu_wire_check(*(ProtobufCMessage *const *)at, err) : MU_OK;
    case PROTOBUF_C_TYPE_BOOL: *size_bytes = sizeof(protobuf_c_boolean); return MU_OK;
    case PROTOBUF_C_TYPE_UINT32: *size_bytes = sizeof(uint32_t); return MU_OK;
    case PROTOBUF_C_TYPE_UINT64: *size_bytes = sizeof(uint64_t); return MU_OK;
    default: MU_ASSERT(!"a type that the schema does not have"); return MU_OK;
    }
}

static mu_status check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, mu_error *err)
{
    const bounds b = bounds_of(message->descriptor, field->name);
    const char *base = (const char *)message, *at = base + field->offset;
    size_t count = 1, size_bytes = 0;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        at = *(char *const *)(const void *)at;
    }
    if (count > b.count_max)
        return mu_error_set(err, MU_E_LIMIT, "%s: field '%s' has %zu values, more than the %zu allowed", b.type->short_name, b.field, count,
                            b.count_max);
    mu_status status = MU_OK;
    for (size_t i = 0; i < count && !status; i++) {
        status = check_value(&b, field->type, at, &size_bytes, err);
        at += size_bytes;
    }
    return status;
}

mu_status mu_wire_check(const ProtobufCMessage *message, mu_error *err)
{
    mu_status status = MU_OK;
    for (unsigned i = 0; i < message->n_unknown_fields; i++) /* of a later version; but protobuf-c lets a 0 of two bytes through, which is nobody's */
        if (message->unknown_fields[i].tag == 0)
            return mu_error_set(err, MU_E_PARSE, "%s: has a field of number 0", message->descriptor->short_name);
    for (unsigned i = 0; i < message->descriptor->n_fields && !status; i++)
        status = check_field(message, &message->descriptor->fields[i], err);
    return status;
}

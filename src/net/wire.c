/* Messages: unpacking within bounds, packing, tasks, signatures, bits. */
#include "net/wire.h"

#include "base/limits.h"
#include "net/wire_bounds.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- unpacking ---- */

/* protobuf-c asks for memory as the message says: this much is given and no more. A byte of a message that keeps to its bounds takes fewer than 32 in
 * memory: an empty Tensor, which is two bytes, is a pointer, a struct and a place in protobuf-c's own list. */
typedef struct allowance {
    size_t left_bytes;
    bool   exceeded, refused; /* by us; by malloc */
} allowance;

enum { MEMORY_FOR_BYTE = 32, MEMORY_BYTES = 64 << 10, PIECE_BYTES = 16 };

static void *take(void *data, size_t size_bytes)
{
    allowance *memory = data;
    if (size_bytes > memory->left_bytes || memory->left_bytes - size_bytes < PIECE_BYTES) {
        memory->exceeded = true;
        return NULL;
    }
    memory->left_bytes -= size_bytes + PIECE_BYTES;
    void *piece = malloc(size_bytes ? size_bytes : 1);
    memory->refused = memory->refused || !piece;
    return piece;
}

static void give(void *data, void *piece)
{
    (void)data;
    free(piece);
}

size_t mu_wire_bytes_max(const ProtobufCMessageDescriptor *type)
{
    return type == &muster__job__descriptor ? MU_LIMIT_JOB_BYTES : MU_LIMIT_MESSAGE_BYTES;
}

mu_status mu_wire_unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size_bytes, ProtobufCMessage **out, mu_error *err)
{
    if (size_bytes > mu_wire_bytes_max(type))
        return mu_error_set(err, MU_E_LIMIT, "%s: has %zu bytes, more than the %zu allowed", type->short_name, size_bytes,
                            mu_wire_bytes_max(type));
    allowance memory = { .left_bytes = MEMORY_BYTES + MEMORY_FOR_BYTE * size_bytes };
    ProtobufCAllocator allocator = { .alloc = take, .free = give, .allocator_data = &memory };
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size_bytes, bytes);
    if (!message && memory.exceeded)
        return mu_error_set(err, MU_E_LIMIT, "%s: its %zu bytes take more memory than a message of that size may", type->short_name, size_bytes);
    if (!message && memory.refused)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to unpack its %zu bytes", type->short_name, size_bytes);
    if (!message)
        return mu_error_set(err, MU_E_PARSE, "%s: these %zu bytes are not one", type->short_name, size_bytes);
    mu_status status = mu_wire_check(message, err);
    if (status) {
        mu_wire_free(message);
        return status;
    }
    *out = message;
    return MU_OK;
}

void mu_wire_free(ProtobufCMessage *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL); /* by free, as `give` does */
}

mu_status mu_wire_pack(const ProtobufCMessage *message, unsigned char **bytes, size_t *size_bytes, mu_error *err)
{
    size_t needed_bytes = protobuf_c_message_get_packed_size(message);
    unsigned char *packed = malloc(needed_bytes ? needed_bytes : 1);
    if (!packed)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory to pack its %zu bytes", message->descriptor->short_name, needed_bytes);
    *size_bytes = protobuf_c_message_pack(message, packed);
    *bytes = packed;
    return MU_OK;
}

/* ---- what is signed ---- */

static const char *const prefixes[] = {
    [MU_WIRE_ENROL] = "muster enrol 1", [MU_WIRE_SESSION] = "muster session 1", [MU_WIRE_UPDATE] = "muster update 1",
    [MU_WIRE_LOOKED] = "muster looked 1",
};

enum { PREFIX_BYTES_MAX = 16 };

/* Ed25519 signs one piece of memory. 0: more than may be signed. */
static size_t put_together(mu_wire_purpose purpose, const void *bytes, size_t size_bytes, unsigned char out[PREFIX_BYTES_MAX + MU_LIMIT_SIGNED_BYTES])
{
    size_t prefix_bytes = strlen(prefixes[purpose]);
    MU_ASSERT(prefix_bytes <= PREFIX_BYTES_MAX);
    if (size_bytes > MU_LIMIT_SIGNED_BYTES)
        return 0;
    memcpy(out, prefixes[purpose], prefix_bytes);
    if (size_bytes)
        memcpy(out + prefix_bytes, bytes, size_bytes);
    return prefix_bytes + size_bytes;
}

mu_status mu_wire_sign(mu_wire_purpose purpose, const void *bytes, size_t size_bytes, const unsigned char secret_key[64],
                       unsigned char signature[MU_WIRE_SIGNATURE_BYTES], mu_error *err)
{
    unsigned char all[PREFIX_BYTES_MAX + MU_LIMIT_SIGNED_BYTES];
    size_t all_bytes = put_together(purpose, bytes, size_bytes, all);
    if (all_bytes == 0)
        return mu_error_set(err, MU_E_LIMIT, "%zu bytes are to be signed, more than the %zu allowed", size_bytes, (size_t)MU_LIMIT_SIGNED_BYTES);
    crypto_sign_detached(signature, NULL, all, all_bytes, secret_key);
    return MU_OK;
}

bool mu_wire_is_signed(mu_wire_purpose purpose, const void *bytes, size_t size_bytes, const unsigned char public_key[32],
                       const unsigned char *signature, size_t signature_bytes)
{
    unsigned char all[PREFIX_BYTES_MAX + MU_LIMIT_SIGNED_BYTES];
    size_t all_bytes = put_together(purpose, bytes, size_bytes, all);
    return all_bytes && signature_bytes == MU_WIRE_SIGNATURE_BYTES && crypto_sign_verify_detached(signature, all, all_bytes, public_key) == 0;
}

/* ---- flags as bits ---- */

void mu_wire_bits_from_flags(const bool *flags, size_t count, unsigned char *bits)
{
    memset(bits, 0, (count + 7) / 8);
    for (size_t i = 0; i < count; i++)
        bits[i / 8] |= (unsigned char)(flags[i] << i % 8);
}

bool mu_wire_flags_from_bits(const unsigned char *bits, size_t size_bytes, bool *flags, size_t count)
{
    if (size_bytes != (count + 7) / 8 || (count % 8 && bits[size_bytes - 1] >> count % 8))
        return false;
    for (size_t i = 0; i < count; i++)
        flags[i] = bits[i / 8] >> i % 8 & 1;
    return true;
}

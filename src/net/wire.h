/* Messages: muster.proto's, bounded and checked. Beside this header, whoever speaks the protocol includes muster.pb-c.h, which is made from muster.proto.
 * A message that is to be filled in is begun by muster__NAME__init(); the macros of that header cast const away, which clang refuses. */
#ifndef MUSTER_NET_WIRE_H
#define MUSTER_NET_WIRE_H

#include "muster/train.h"

#include "muster.pb-c.h"

#define MU_WIRE_PROTOCOL 1u
#define MU_WIRE_MEDIA_TYPE "application/x-protobuf"
#define MU_WIRE_TOKEN_BYTES 32
#define MU_WIRE_CHALLENGE_BYTES 32
#define MU_WIRE_SIGNATURE_BYTES 64

/* The most bytes that a message of this type may have. */
size_t mu_wire_bytes_max(const ProtobufCMessageDescriptor *type);
/* Unpack a message that came from outside: at most MU_LIMIT_MESSAGE_BYTES (a Job: MU_LIMIT_JOB_BYTES), memory bounded by a multiple of that, every string and
 * list bounded as docs/wire.md says, every number that must be finite is. *out is freed by mu_wire_free. MU_E_LIMIT, MU_E_PARSE name the field. */
mu_status mu_wire_unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t size_bytes, ProtobufCMessage **out, mu_error *err);
void      mu_wire_free(ProtobufCMessage *message); /* NULL is fine */
/* malloc'ed, the caller's. */
mu_status mu_wire_pack(const ProtobufCMessage *message, unsigned char **bytes, size_t *size_bytes, mu_error *err);

/* ---- a task ---- */
typedef struct mu_wire_look {
    uint32_t examples; /* of the device's own, from the first one on; 0: all */
    bool     own_classes, statistics;
    uint32_t statistic_set;
} mu_wire_look;
typedef struct mu_wire_task {
    uint64_t id;
    mu_plan  plan;  /* plan.kept: in the flags handed to parse, or NULL */
    char     start_digest[65];
    uint64_t start_floats;
    double   lease_s;
    bool         looks; /* nothing is trained: plan has nothing but kept */
    mu_wire_look look;
} mu_wire_task;
mu_status mu_wire_pack_task(const mu_wire_task *task, size_t unit_count, unsigned char **bytes, size_t *size_bytes, mu_error *err);
/* `flags` [unit_count] for plan.kept. Everything is checked: options within their ranges, at least one unit kept where a part is. */
mu_status mu_wire_parse_task(const Muster__Task *message, size_t unit_count, bool *flags, mu_wire_task *out, mu_error *err);

/* ---- what is signed ---- */
/* "muster enrol 1" token; "muster session 1" challenge device; "muster update 1" head; "muster looked 1" head. Ed25519 (libsodium) of both, one after the
 * other; at most MU_LIMIT_SIGNED_BYTES after the prefix. */
typedef enum mu_wire_purpose { MU_WIRE_ENROL, MU_WIRE_SESSION, MU_WIRE_UPDATE, MU_WIRE_LOOKED } mu_wire_purpose;
mu_status mu_wire_sign(mu_wire_purpose purpose, const void *bytes, size_t size_bytes, const unsigned char secret_key[64],
                       unsigned char signature[MU_WIRE_SIGNATURE_BYTES], mu_error *err);
bool      mu_wire_is_signed(mu_wire_purpose purpose, const void *bytes, size_t size_bytes, const unsigned char public_key[32],
                            const unsigned char *signature, size_t signature_bytes);

/* ---- flags as bits, lowest first ---- */
void mu_wire_bits_from_flags(const bool *flags, size_t count, unsigned char *bits); /* [(count + 7) / 8], zeroed by this */
bool mu_wire_flags_from_bits(const unsigned char *bits, size_t size_bytes, bool *flags, size_t count); /* false: not that many */

#endif

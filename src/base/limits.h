/* The bounds of everything that comes from outside. A parser that meets more says MU_E_LIMIT and names the bound. */
#ifndef MUSTER_BASE_LIMITS_H
#define MUSTER_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* 2 to the power of the first; of the second where size_t has 32 bits, so that the bytes of so many values can still be counted. */
#define MU_LIMIT_POWER(wide, narrow) ((size_t)1 << (sizeof(size_t) > 4 ? (wide) : (narrow)))

/* configuration */
#define MU_LIMIT_CONF_BYTES ((size_t)4 << 20)
#define MU_LIMIT_CONF_NODES 20000u
#define MU_LIMIT_CONF_DEPTH 32u

/* models */
#define MU_LIMIT_MODEL_NODES 4096u
#define MU_LIMIT_MODEL_RANK 4u
#define MU_LIMIT_MODEL_PARAMETERS MU_LIMIT_POWER(31, 27)
#define MU_LIMIT_NAME_BYTES 128u
#define MU_LIMIT_SAFETENSORS_HEADER_BYTES ((size_t)16 << 20)
#define MU_LIMIT_SAFETENSORS_RANK 8u
#define MU_LIMIT_BATCH 65536u
#define MU_LIMIT_POSITIONS 65535u /* that a dense or recurrent layer works on at once: with a batch of examples, still a uint32_t */

/* data */
#define MU_LIMIT_EXAMPLES MU_LIMIT_POWER(31, 27)
#define MU_LIMIT_EXAMPLE_VALUES ((size_t)1 << 24)
#define MU_LIMIT_ARRAY_VALUES MU_LIMIT_POWER(36, 28)
#define MU_LIMIT_CLASSES 65536u
#define MU_LIMIT_UNPACKED_BYTES MU_LIMIT_POWER(33, 30)
#define MU_LIMIT_CSV_COLUMNS 65536u
#define MU_LIMIT_SYMBOLS 256u
#define MU_LIMIT_JSON_BYTES ((size_t)1 << 30)
#define MU_LIMIT_LINE_BYTES ((size_t)64 << 20)

/* federation */
#define MU_LIMIT_DEVICES 100000000u
#define MU_LIMIT_ROUNDS 10000000u
#define MU_LIMIT_WORKERS 1024u
#define MU_LIMIT_CLASSES_OF_DEVICES 1024u
#define MU_LIMIT_TRACE_SECONDS 4000000000u /* more than a century */
#define MU_LIMIT_TRACE_INTERVALS ((size_t)1 << 30)

/* searches */
#define MU_LIMIT_POPULATION 16384u
#define MU_LIMIT_GENES 65536u
#define MU_LIMIT_OBJECTIVES 8u
#define MU_LIMIT_GENERATIONS 1000000u

/* DISTREAL's table, which is part of a method's state: rows, and numbers of kept units in all of them */
#define MU_LIMIT_DISTREAL_ROWS 64u
#define MU_LIMIT_DISTREAL_COUNTS 8192u

/* sweeps */
#define MU_LIMIT_SWEEP_AXES 16u
#define MU_LIMIT_SWEEP_RUNS 4096u

/* results read back */
#define MU_LIMIT_SUMMARY_BYTES ((size_t)1 << 20)
#define MU_LIMIT_FIGURE_BYTES ((size_t)64 << 20)

/* what crosses the network: messages, strings and lists in them, what is signed, vectors. docs/wire.md has the bounds of each field */
#define MU_LIMIT_MESSAGE_BYTES ((size_t)256 << 10)
#define MU_LIMIT_JOB_BYTES ((size_t)16 << 20)
#define MU_LIMIT_MESSAGE_TEXT_BYTES 127u
#define MU_LIMIT_MESSAGE_LIST 32u
#define MU_LIMIT_JOB_TENSORS 65536u
#define MU_LIMIT_SIGNED_BYTES ((size_t)16 << 10)
#define MU_LIMIT_LOOKED_FLOATS ((size_t)60000) /* norms' statistics that a device sends; they fit into a message */
#define MU_LIMIT_REASON_BYTES 1023u
#define MU_LIMIT_LEASE_SECONDS 31557600.0 /* a year */
#define MU_LIMIT_BLOB_FLOATS ((uint64_t)1 << 35)
#define MU_LIMIT_BLOB_CHUNK_FLOATS_MIN 1024u /* a chunk but the last; smaller ones would be more heads than floats */
#define MU_LIMIT_STATUS_BYTES ((size_t)1 << 20) /* status.json, as `muster status` reads it */

/* what a coordinator keeps in its store */
#define MU_LIMIT_STORE_VALUE_BYTES ((size_t)64 << 20) /* one value, head of an update, or what belongs to an event */

#endif

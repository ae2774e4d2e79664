/* What every call that can fail returns: a status, and a sentence for the person who has to mend it. */
#ifndef MUSTER_STATUS_H
#define MUSTER_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MU_API __attribute__((visibility("default")))
#define MU_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#define MU_API
#define MU_PRINTF(format_index, first_index)
#endif

/* Number of elements of a real array (never of a pointer). */
#define MU_COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef enum mu_status {
    MU_OK = 0,
    MU_E_CONFIG,      /* a configuration says what cannot be: unknown name, wrong type, missing key */
    MU_E_RANGE,       /* a value outside of its range */
    MU_E_SHAPE,       /* shapes that do not fit together */
    MU_E_PARSE,       /* data that is not in the format it should be in */
    MU_E_LIMIT,       /* more than the bounds of limits.h allow */
    MU_E_MEMORY,      /* no memory, or a device with too little of it */
    MU_E_IO,          /* a file could not be read or written */
    MU_E_NETWORK,     /* the other side could not be reached, or hung up */
    MU_E_CHECKSUM,    /* data that is not what was announced */
    MU_E_STATE,       /* a call at the wrong time */
    MU_E_UNSUPPORTED, /* right, but not by this build or this device */
    MU_E_INTERRUPTED, /* the caller asked to stop */
    MU_STATUS_COUNT
} mu_status;

/* Belongs to the caller, who may pass NULL where he does not want it. Holds one sentence: names, numbers, a hint.
 * A longer sentence is cut at a character and ends in "...". */
typedef struct mu_error {
    mu_status status;
    char      message[1024];
} mu_error;

/* Write the sentence and return `status`, so that failing is one statement: return mu_error_set(err, MU_E_RANGE, ...); */
MU_API mu_status mu_error_set(mu_error *err, mu_status status, const char *format, ...) MU_PRINTF(3, 4);

/* Put words in front of the sentence that is there: "reading model.yaml: " and the like. Returns the status it holds. */
MU_API mu_status mu_error_prefix(mu_error *err, mu_status status, const char *format, ...) MU_PRINTF(3, 4);

/* "range", "shape", ...: the word in reports and logs. Never NULL. */
MU_API const char *mu_status_name(mu_status status);

/* What cannot happen. Wrong input is a status; this is for a mistake of ours. Checked in every build: training on
 * with a broken invariant costs more than the comparison. */
#define MU_ASSERT(condition) ((condition) ? (void)0 : mu_assert_failed(#condition, __FILE__, __LINE__))
MU_API _Noreturn void mu_assert_failed(const char *condition, const char *file, int line);

#endif

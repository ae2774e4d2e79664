/* Option rows: one list that gives parsing, range check, --help, the table in the docs and the run report. */
#ifndef MUSTER_OPTION_H
#define MUSTER_OPTION_H

#include "muster/conf.h"
#include "muster/status.h"

#define MU_OPTION_REALS_MAX 64

/* A list of numbers, as in [0.25, 0.5, 1.0]. */
typedef struct mu_reals {
    uint32_t count;
    double   values[MU_OPTION_REALS_MAX];
} mu_reals;

/* Each kind names the C type of the member that it fills in. */
typedef enum mu_option_kind {
    MU_OPTION_BOOL,   /* bool: true, false, yes, no, on, off */
    MU_OPTION_COUNT,  /* uint32_t */
    MU_OPTION_SEED,   /* uint64_t */
    MU_OPTION_BYTES,  /* uint64_t: 4096, 256KiB, 1.5 GiB, 2MB */
    MU_OPTION_REAL,   /* double; "inf" where max is INFINITY */
    MU_OPTION_CHOICE, /* int, the index of the word in `choices` */
    MU_OPTION_TEXT,   /* const char *, which lives as long as the mu_conf it was read from (a default: for ever) */
    MU_OPTION_REALS,  /* mu_reals, each value within min and max */
} mu_option_kind;

typedef struct mu_option {
    const char        *name;
    mu_option_kind     kind;
    size_t             offset;  /* of the member: offsetof(config, member) */
    double             min, max; /* inclusive; not looked at for BOOL, CHOICE and TEXT */
    const char        *fallback; /* the default, written as the user would write it; NULL: must be given */
    const char *const *choices;  /* CHOICE only: words, ended by NULL */
    const char        *unit;     /* "s", "bytes", "examples", ... or NULL */
    const char        *help;     /* one line */
} mu_option;

/* Fill in every member from `map`: what it says, and the default where it says nothing. `map` may be NULL (all defaults).
 * A key that is neither a row nor in `also` (NULL-ended names that the caller reads himself; may be NULL) is an error that names
 * the nearest valid one. `where` is what the section is called in messages ("train", "method fedprox"). */
MU_API mu_status mu_options_read(const mu_option *rows, size_t row_count, const mu_conf_node *map, const char *const *also,
                                 const char *where, void *config, mu_error *err);

/* Fill in one row's member from its value, wherever that stands. */
MU_API mu_status mu_option_read(const mu_option *row, const mu_conf_node *value, const char *where, void *config, mu_error *err);

/* The value as the user would write it, into `text`. For reports, resolved configurations and --help. */
MU_API void mu_option_format(const mu_option *row, const void *config, char *text, size_t capacity_bytes);

/* Put every row's value into `map` as resolved text: reading `map` again gives the same config. */
MU_API mu_status mu_options_write(const mu_option *rows, size_t row_count, const void *config, mu_conf *conf, mu_conf_node *map,
                                  mu_error *err);

/* "0 to 1", "at least 1", "one of: a, b": what the row accepts, in words. */
MU_API void mu_option_describe_range(const mu_option *row, char *text, size_t capacity_bytes);

/* The name in `names` (NULL-ended) nearest to `word` by edit distance, or NULL when none is near. */
MU_API const char *mu_nearest_name(const char *word, const char *const *names);

#endif

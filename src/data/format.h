/* Formats: how the files of a data set become examples. Each is one file, format_*.c, and one line of the registry. */
#ifndef MUSTER_DATA_FORMAT_H
#define MUSTER_DATA_FORMAT_H

#include "data/examples.h"
#include "muster/conf.h"
#include "muster/option.h"

#define MU_FORMAT_FILES_MAX 8

/* A name under `files:`, and the paths that it stands for; none: not given. */
typedef struct mu_file_list {
    char   **paths;
    uint32_t count;
} mu_file_list;

/* What a format is given to read. */
typedef struct mu_load {
    const void         *config; /* its options */
    const mu_file_list *files;  /* in the order of its names */
    double              test_fraction;
} mu_load;

typedef struct mu_format {
    const char      *name, *help;
    const char      *files[MU_FORMAT_FILES_MAX + 1]; /* names under `files:`, ended by NULL */
    uint32_t         needed;                         /* the first so many must be given */
    const mu_option *options;                        /* of the section, beside what every set has */
    size_t           option_count, config_bytes;
    /* A format for which a random part of the examples would be no fair test makes the test set itself, of load->test_fraction, and says
     * so by out->used_fraction. On an error the caller releases what is in `out`. */
    mu_status (*load)(const mu_load *load, mu_corpus *out, mu_error *err);
} mu_format;

extern const mu_format mu_format_arrays, mu_format_npz, mu_format_cifar10, mu_format_cifar100, mu_format_csv, mu_format_leaf,
    mu_format_text;

const mu_format *mu_format_find(const char *name); /* NULL: there is none */
/* The names, ended by NULL, into names [capacity]; returns how many there are. */
size_t mu_format_names(const char **names, size_t capacity);

#endif

/* What stands behind a mu_data: one kind for the drawn writers, one for tables of examples read from files, one for examples that lie elsewhere. */
#ifndef MUSTER_DATA_SET_H
#define MUSTER_DATA_SET_H

#include "muster/data.h"
#include "muster/option.h"

/* As the public calls of the same names; indices are checked before they arrive here. */
typedef struct mu_set_kind {
    void        (*close)(void *set);
    uint32_t    (*num_examples)(const void *set, uint32_t device); /* NULL, as the next three: devices' examples lie elsewhere */
    void        (*read)(const void *set, uint32_t device, const uint32_t *indices, uint32_t count, float *x, int32_t *labels);
    void        (*label_counts)(const void *set, uint32_t device, uint32_t *counts);
    uint32_t    (*source_index)(const void *set, uint32_t device, uint32_t index);
    const char *(*device_name)(const void *set, uint32_t device); /* NULL: it has none */
    void        (*read_test)(const void *set, uint32_t first, uint32_t count, float *x, int32_t *labels);
} mu_set_kind;

struct mu_data {
    const mu_set_kind *kind;
    void              *set;
    mu_conf           *conf;    /* the section as it was understood: defaults are written into it */
    mu_conf_node      *section; /* in conf */
    char              *name;
    mu_shape           shape;
    uint32_t           classes, devices, test_count;
    uint32_t           targets; /* labels of an example */
    uint32_t           symbols; /* as mu_data_symbols */
    uint32_t          *told; /* [devices] how many examples devices told of, + 1; 0: nothing. NULL: nobody has */
    const char *const *class_names; /* [classes], the set's; NULL: the numbers */
    char             (*class_numbers)[12];
};

/* Each fills in kind, set, shape, classes, devices, test_count and class_names from data->section, and writes its defaults there. */
mu_status mu_writers_open(mu_data *data, uint64_t seed, mu_error *err);
mu_status mu_table_open(mu_data *data, uint64_t seed, mu_error *err);
mu_status mu_elsewhere_open(mu_data *data, uint64_t seed, mu_error *err);

/* Option rows of the section, for `muster help options`: of the writers, of data sets in files whatever their format, and of examples elsewhere. */
const mu_option *mu_writers_options(size_t *count);
const mu_option *mu_files_options(size_t *count);
const mu_option *mu_elsewhere_options(size_t *count);

#endif

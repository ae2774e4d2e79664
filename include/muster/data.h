/* Data of a federation: which examples each device has, and the test set that the server looks at. */
#ifndef MUSTER_DATA_H
#define MUSTER_DATA_H

#include "muster/conf.h"
#include "muster/model.h"
#include "muster/status.h"

/* Immutable once opened, but for what devices tell (mu_data_tell_num_examples); all other calls may be made from any thread at once. */
typedef struct mu_data mu_data;

/* From the `data:` section: {name: writers, devices: 100, ...} or {name: fashion-mnist, devices: 100, partition: {...}}, or files.
 * docs/data.md lists the keys. `seed` is the run's. Data sets on disk are looked for in `path:`, else $MUSTER_DATA/NAME, else the folder
 * that `muster data fetch` fills. */
MU_API mu_status mu_data_open(const mu_conf_node *section, uint64_t seed, mu_data **out, mu_error *err);
MU_API void      mu_data_close(mu_data *data); /* NULL is fine */

/* Write every key that has a default into `map`, as it was understood: reading it again opens the same data. */
MU_API mu_status mu_data_resolve(const mu_data *data, mu_conf *conf, mu_conf_node *map, mu_error *err);

MU_API const char *mu_data_name(const mu_data *data);
MU_API mu_shape    mu_data_shape(const mu_data *data);
MU_API uint32_t    mu_data_classes(const mu_data *data);
/* Labels of one example: 1, or in texts with `labels: every` one for each of its values. */
MU_API uint32_t    mu_data_targets(const mu_data *data);
/* The values are numbers of symbols, whole and below this; 0: they are quantities. */
MU_API uint32_t    mu_data_symbols(const mu_data *data);
/* Can the model be trained on these examples? Input, classes, labels and symbols must agree; else MU_E_SHAPE or MU_E_CONFIG. */
MU_API mu_status   mu_data_check_model(const mu_data *data, const mu_model *model, mu_error *err);
/* The same of a device's own data, which need not have an example of every class: where labels are numbers, the last ones may be missing. Words are numbered in
 * alphabetical order, so there all must occur. */
MU_API mu_status   mu_data_check_own(const mu_data *data, const mu_model *model, mu_error *err);
MU_API const char *mu_data_class_name(const mu_data *data, uint32_t label); /* never NULL */
MU_API uint32_t    mu_data_device_count(const mu_data *data);

/* Examples that lie on a device, as it told or else as the partition says; 0 is possible. */
MU_API uint32_t mu_data_num_examples(const mu_data *data, uint32_t device);
/* A device reported how many examples it has: that takes the place of the partition's number in mu_data_num_examples, and nowhere else. Whoever runs a
 * federation over these data calls it on the federation's thread, between two events. MU_E_RANGE: more than MU_LIMIT_EXAMPLES. MU_E_MEMORY: only
 * the first device that tells takes memory, for all of them. Either way nothing has changed. */
MU_API mu_status mu_data_tell_num_examples(mu_data *data, uint32_t device, uint32_t count, mu_error *err);
/* Do devices' examples lie elsewhere (`name: elsewhere`)? Then there is nothing of theirs to read here: mu_data_read and mu_data_source_index must not
 * be called, and mu_data_label_counts are zeros. */
MU_API bool mu_data_is_elsewhere(const mu_data *data);
/* Copy the device's examples number indices[0..count) into x [count][h][w][c], normalised, and labels [count][targets]. */
MU_API void mu_data_read(const mu_data *data, uint32_t device, const uint32_t *indices, uint32_t count, float *x, int32_t *labels);
/* How many of a device's examples each class has; counts [classes]. Of several labels the last one counts, here and for partitions. */
MU_API void mu_data_label_counts(const mu_data *data, uint32_t device, uint32_t *counts);
/* The example's number in the training set, for data sets that have one; else the number itself. */
MU_API uint32_t mu_data_source_index(const mu_data *data, uint32_t device, uint32_t index);

MU_API uint32_t mu_data_test_count(const mu_data *data);
MU_API void     mu_data_read_test(const mu_data *data, uint32_t first, uint32_t count, float *x, int32_t *labels);

/* What is known by name, for `muster list datasets`. */
typedef struct mu_dataset_info {
    const char *name, *help, *source;
    bool        made; /* by the program itself; needs no files */
    bool        elsewhere; /* on real devices; needs none here either */
} mu_dataset_info;
MU_API const mu_dataset_info *mu_datasets(size_t *count);

/* Where data sets lie, each in a folder of its name: $MUSTER_DATA, else ~/.local/share/muster/data. Malloc'ed; NULL: no memory. */
MU_API char *mu_data_folder(void);

/* The partitioners, for `muster list partitioners`; the pointers live for ever. */
typedef struct mu_partitioner_info {
    const char *name, *help, *source;
} mu_partitioner_info;
MU_API size_t                     mu_partitioner_count(void);
MU_API const mu_partitioner_info *mu_partitioner(size_t index);

/* What the device is called in the data (a writer's id, a role), or NULL when it has no name there. */
MU_API const char *mu_data_device_name(const mu_data *data, uint32_t device);

#endif

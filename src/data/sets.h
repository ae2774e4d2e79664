/* The data sets that are known by name. */
#ifndef MUSTER_DATA_SETS_H
#define MUSTER_DATA_SETS_H

#include "data/format.h"
#include "muster/data.h"

#define MU_SET_CHOICES_MAX 4

/* What a name under `files:` stands for when the user does not say: the first choice whose files are all there. Names are separated
 * by spaces; each may lie packed, as NAME.gz, NAME.xz or NAME.zst. */
typedef struct mu_set_file {
    const char *choices[MU_SET_CHOICES_MAX];
} mu_set_file;

typedef struct mu_known_set {
    const mu_format   *format;
    const char        *folder;                     /* where data sets lie; NULL: its name */
    mu_set_file        files[MU_FORMAT_FILES_MAX]; /* in the order of the format's names */
    const char        *mean, *sd;                  /* defaults of `normalize:` */
    const char *const *class_names;                /* NULL: the format's own, or the numbers */
    uint32_t           class_count;
} mu_known_set;

/* NULL when the name is not known (or made by the program itself). */
const mu_known_set *mu_known_set_find(const char *name);

/* The paths of the first of the choices that is in `folder`. False: none is. */
bool mu_set_find_files(const char *folder, const mu_set_file *file, mu_file_list *out);

void      mu_file_list_release(mu_file_list *list);
mu_status mu_file_list_add(mu_file_list *list, const char *folder, const char *name, mu_error *err);

/* What a section says about files, found. */
typedef struct mu_files {
    const mu_known_set *known; /* NULL: the user's own */
    const mu_format    *format;
    void               *config; /* the format's options */
    uint32_t            devices; /* 0: not given */
    double              test_fraction;
    uint32_t            skip, take; /* of the training examples; take 0: all that are left */
    char               *folder;
    mu_file_list        lists[MU_FORMAT_FILES_MAX]; /* in the order of the format's names */
} mu_files;

/* Reads and checks every key of the section but `partition` and `normalize`, and writes the format's defaults back. Release
 * also after a failure. */
mu_status mu_files_find(mu_conf *conf, mu_conf_node *section, const char *name, mu_files *out, mu_error *err);
/* Write `test_fraction` into the section: only where it was used. */
mu_status mu_files_write_fraction(mu_conf *conf, mu_conf_node *section, const mu_files *files, mu_error *err);
void      mu_files_release(mu_files *files);

#endif

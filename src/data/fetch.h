/* Downloading known data sets: resumed where it broke off, checked before it gets its name. */
#ifndef MUSTER_DATA_FETCH_H
#define MUSTER_DATA_FETCH_H

#include "muster/status.h"

/* One file, and what it must be. */
typedef struct mu_fetch_file {
    const char *name, *url;
    uint64_t    size_bytes;
    const char *sha256; /* 64 hexadecimal digits, lower case */
} mu_fetch_file;

typedef struct mu_fetch_set {
    const char          *name, *folder; /* folder: of the set, where data sets lie */
    const char          *home;          /* who publishes it, for people */
    const mu_fetch_file *files;
    size_t               file_count;
} mu_fetch_set;

const mu_fetch_set *mu_fetch_sets(size_t *count);
const mu_fetch_set *mu_fetch_find(const char *name); /* NULL: not one that can be downloaded */

typedef struct mu_fetch_config {
    bool     allow_http;    /* plain HTTP too: for tests on this machine */
    uint32_t tries;         /* a broken connection is taken up again so often, while bytes arrive */
    uint32_t redirects_max;
    uint32_t connect_timeout_s, stall_timeout_s; /* stall: so long without a byte */
    /* Called often, also while nothing arrives; returns false to stop. May be NULL. */
    bool (*progress)(void *context, const mu_fetch_file *file, uint64_t done_bytes);
    void *context;
} mu_fetch_config;
mu_fetch_config mu_fetch_config_default(void); /* HTTPS only, 5 tries, 5 redirects, 30 s, 60 s */

/* Have `file` in `folder`, which is made. A file of that name with the right content is left alone; otherwise the content goes to NAME.part, from
 * where it ends on if there is one, and only what has the right size and sum is renamed to NAME. After a failure or a stop NAME.part is
 * kept for the next time, unless its content was wrong (MU_E_CHECKSUM). */
mu_status mu_fetch(const mu_fetch_file *file, const char *folder, const mu_fetch_config *config, mu_error *err);

/* All files of a set into `folder`. */
mu_status mu_fetch_all(const mu_fetch_set *set, const char *folder, const mu_fetch_config *config, mu_error *err);

#endif

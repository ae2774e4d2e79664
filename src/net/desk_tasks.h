/* The tasks that are on the desk, by id, and the files that open ones start from, by digest. Only for desk.c, under its lock. */
#ifndef MUSTER_NET_DESK_TASKS_H
#define MUSTER_NET_DESK_TASKS_H

#include "net/desk.h"
#include "net/link.h"

/* What is new for the federation about a device or a task: in the list of what is new, or not. */
typedef struct mu_desk_news {
    mu_link link;
    bool    of_task;
} mu_desk_news;

/* The file that open tasks begin with. */
typedef struct mu_desk_start {
    struct mu_desk_start *next; /* in its bucket */
    uint32_t              tasks;
    size_t                bucket;
    const char           *digest_hex, *path;
    char                  text[]; /* both */
} mu_desk_start;

typedef enum mu_desk_progress { MU_DESK_IS_OPEN, MU_DESK_HAS_ARRIVED, MU_DESK_HAS_FAILED } mu_desk_progress;
typedef struct mu_desk_entry {
    struct mu_desk_entry *next; /* in its bucket */
    mu_link               of_device;
    mu_desk_news          news;
    uint64_t              id;
    mu_desk_task_info     info;
    mu_desk_progress      progress;
    mu_desk_start        *start;       /* while it is open */
    char                  reason[200]; /* where it has failed */
    bool                  has_looked;  /* the answer is there, and nobody has taken it: */
    mu_desk_looked        looked;
    size_t                packed_bytes;
    unsigned char         packed[];
} mu_desk_entry;

typedef struct mu_desk_tasks {
    size_t          bucket_count; /* a power of two */
    mu_desk_entry **entries;      /* [bucket_count] */
    mu_desk_start **starts;       /* [bucket_count] */
} mu_desk_tasks;

/* A zeroed one may be released. */
mu_status mu_desk_tasks_init(mu_desk_tasks *tasks, uint32_t devices, mu_error *err);
void      mu_desk_tasks_release(mu_desk_tasks *tasks);

/* Open, and not of any device's list yet. MU_E_STATE: it is there already. */
mu_status      mu_desk_tasks_add(mu_desk_tasks *tasks, const mu_desk_task *task, mu_desk_entry **out, mu_error *err);
mu_desk_entry *mu_desk_tasks_find(const mu_desk_tasks *tasks, uint64_t id); /* NULL: there is none */
/* It is not open any more: nobody needs its start for it. */
void           mu_desk_tasks_close(mu_desk_tasks *tasks, mu_desk_entry *entry, mu_desk_progress progress);
void           mu_desk_tasks_remove(mu_desk_tasks *tasks, mu_desk_entry *entry); /* a closed one, from everywhere */
/* NULL: no open task starts there. */
const mu_desk_start *mu_desk_tasks_find_start(const mu_desk_tasks *tasks, const char *digest_hex);

#endif

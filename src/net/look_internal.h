/* What the parts of the look share: what is kept, and how the texts are made from it.
 *
 *   federation's thread:  look.c      observer -> figures, under the lock
 *   network's threads:    look.c      path -> one of the texts below, from a copy of the figures
 *                         look_status.c, look_tables.c (JSON), look_metrics.c (Prometheus), look_page.c (the page's files)
 *
 * The memory does not grow with the rounds: of a long run older rounds are kept at equal distances. */
#ifndef MUSTER_NET_LOOK_INTERNAL_H
#define MUSTER_NET_LOOK_INTERNAL_H

#include "net/look.h"

#include <cJSON.h>
#include <pthread.h>

#define MU_LOOK_RECENT_ROUNDS 256u /* the newest ones, all of them */
#define MU_LOOK_SPACED_ROUNDS 256u /* from the first on: every one, every second, every fourth ... */
#define MU_LOOK_ROUNDS (MU_LOOK_RECENT_ROUNDS + MU_LOOK_SPACED_ROUNDS)
#define MU_LOOK_PROBLEMS 64u
#define MU_LOOK_DEVICES_A_PAGE 100u
#define MU_LOOK_REASON_BYTES 200
#define MU_LOOK_COUNT_EVERY_S 1.0 /* devices by tier and state are counted no more often */

typedef struct mu_look_round {
    mu_round_report report; /* without `widths` */
    int64_t         at_us;  /* UTC */
} mu_look_round;

typedef struct mu_look_problem {
    mu_happening happening; /* LOST, REFUSED, DISCARDED */
    int64_t      at_us;     /* UTC */
    mu_time_us   time;      /* of the run */
    uint32_t     device, round;
    char         reason[MU_LOOK_REASON_BYTES];
} mu_look_problem;

typedef enum mu_look_state { MU_LOOK_WAITING, MU_LOOK_RUNNING, MU_LOOK_FINISHED, MU_LOOK_INTERRUPTED, MU_LOOK_FAILED, MU_LOOK_STATE_COUNT } mu_look_state;
const char *mu_look_state_name(mu_look_state state); /* "waiting for devices", "running", ... */

#define MU_LOOK_HAPPENINGS (MU_HAPPENED_DISCARDED + 1)

/* Since this process began; copied whole for a text. */
typedef struct mu_look_figures {
    bool       has_ended;
    mu_look_state ended_as;
    char       ended_why[MU_LOOK_REASON_BYTES]; /* FAILED */
    mu_time_us time;                            /* of the last thing that happened */
    uint64_t   rounds_made;                     /* by this process, without round 0 */
    mu_look_round last;                         /* where rounds_seen */
    bool       rounds_seen;
    double     accuracy, loss, best_accuracy;   /* as last evaluated; NAN: not yet */
    uint32_t   evaluated_round;
    uint32_t   tier_count;                      /* of tier_accuracy; 0: not evaluated yet */
    double     tier_accuracy[MU_TIERS_MAX];
    uint64_t   happened[MU_LOOK_HAPPENINGS];    /* by mu_happening */
    uint64_t   planned_bytes_down, planned_bytes_up; /* of all tasks that were sent */
    uint64_t   peak_memory_bytes;               /* the most that one merged training took */
    double     device_time_s, wasted_time_s, energy_j, idle_energy_j; /* over the rounds */
} mu_look_figures;

/* Devices by tier and state, counted now and again. */
typedef enum mu_look_presence { MU_LOOK_ABSENT, MU_LOOK_IDLE, MU_LOOK_WORKING, MU_LOOK_PRESENCE_COUNT } mu_look_presence;
typedef struct mu_look_tiers {
    uint32_t devices[MU_TIERS_MAX][MU_LOOK_PRESENCE_COUNT];
} mu_look_tiers;

struct mu_look {
    const mu_experiment *experiment;
    mu_store   *store;
    mu_desk    *desk;
    mu_observer observer;
    double      started_s;    /* monotonic */
    int64_t     started_at_us;
    uint32_t    device_count, tier_count;
    const char *tier_names[MU_TIERS_MAX];

    pthread_mutex_t lock; /* of all that follows, but for the tiers' own */
    mu_http        *http;
    mu_look_figures figures;
    mu_look_round   recent[MU_LOOK_RECENT_ROUNDS];
    uint64_t        recent_count; /* ever put; the oldest is overwritten */
    mu_look_round   spaced[MU_LOOK_SPACED_ROUNDS];
    uint32_t        spaced_count, spacing;
    mu_look_problem problems[MU_LOOK_PROBLEMS];
    uint64_t        problem_count; /* ever */
    uint8_t        *tier_of; /* [device_count]: the fleet's own is the federation's thread's alone */

    pthread_mutex_t tiers_lock; /* whoever counts, counts for those who come meanwhile */
    mu_look_tiers   tiers;
    double          tiers_counted_s; /* below 0: never */
};

/* ---- what the texts are made from ---- */
typedef struct mu_look_now {
    mu_look_figures figures;
    mu_look_state   state;
    mu_desk_counts  desk;
    mu_look_tiers   tiers;
    bool            has_http;
    mu_http_counts  http;
    double          uptime_s;
    uint64_t        resident_bytes; /* 0: not known */
    double          processor_s;
} mu_look_now;
void mu_look_see(mu_look *look, mu_look_now *now);
mu_http *mu_look_http(mu_look *look); /* NULL: none */
/* The newest first; `out` [MU_LOOK_PROBLEMS]. */
size_t mu_look_problems(mu_look *look, mu_look_problem *out);
/* Those kept with this number or a later one, in their order; `out` [MU_LOOK_ROUNDS]. */
size_t mu_look_rounds(mu_look *look, uint32_t from, mu_look_round *out);
uint8_t mu_look_tier_of(mu_look *look, uint32_t device);

/* ---- the texts: malloc'ed; NULL: no memory. `from`: of the address, after '?'; 0 where it does not say ---- */
char *mu_look_status_text(mu_look *look);
char *mu_look_metrics_text(mu_look *look);
char *mu_look_rounds_text(mu_look *look, uint32_t from);
char *mu_look_devices_text(mu_look *look, uint32_t from); /* MU_LOOK_DEVICES_A_PAGE numbers from this one on */

/* A file of the page by its path, "/", "/style.css" ...; NULL: there is none. */
const char *mu_look_page_file(const char *path, const char **media_type);
bool        mu_look_page_has_charts(void);

/* ---- JSON (look_json.c): running out of memory is remembered, and looked at once, at the end ---- */
typedef struct mu_look_json {
    cJSON *root;
    bool   failed;
} mu_look_json;
mu_look_json mu_look_json_begin(void);
char        *mu_look_json_end(mu_look_json *json); /* the text; NULL: no memory on the way. Releases everything else */
/* `key` NULL: an element of the array `parent`. */
cJSON *mu_look_put_object(mu_look_json *json, cJSON *parent, const char *key);
cJSON *mu_look_put_array(mu_look_json *json, cJSON *parent, const char *key);
void   mu_look_put_real(mu_look_json *json, cJSON *object, const char *key, double value); /* null, where it is not finite */
void   mu_look_put_whole(mu_look_json *json, cJSON *object, const char *key, uint64_t value);
void   mu_look_put_bool(mu_look_json *json, cJSON *object, const char *key, bool value);
/* NULL: null. Bytes that are not UTF-8 become U+FFFD. */
void   mu_look_put_words(mu_look_json *json, cJSON *object, const char *key, const char *words);
/* A moment in UTC, as seconds since 1970. */
void   mu_look_put_moment(mu_look_json *json, cJSON *object, const char *key, int64_t at_us);

#endif

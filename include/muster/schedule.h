/* Learning-rate schedules: what the rate of the first round is multiplied with in a later one. A pure function of the round, so a
 * run that is resumed, or a device that joins late, needs no state for it. */
#ifndef MUSTER_SCHEDULE_H
#define MUSTER_SCHEDULE_H

#include "muster/option.h"
#include "muster/status.h"

typedef enum mu_schedule_kind {
    MU_SCHEDULE_CONSTANT,    /* 1 */
    MU_SCHEDULE_STEP,        /* decay^floor(t / step_rounds) */
    MU_SCHEDULE_EXPONENTIAL, /* decay^t */
    MU_SCHEDULE_COSINE,      /* final + (1 - final) * (1 + cos(pi * t / T)) / 2   (Loshchilov and Hutter 2017, without restarts) */
} mu_schedule_kind;

/* t counts rounds from the end of the warm-up, T is how many there are from there on. */
typedef struct mu_schedule {
    int      kind;           /* a mu_schedule_kind */
    uint32_t warmup_rounds;  /* the rate grows in equal steps to its full height, reached in the last of these rounds */
    uint32_t step_rounds;    /* step: rounds from one decay to the next */
    double   decay;          /* step, exponential */
    double   final_fraction; /* cosine: what it comes down to */
} mu_schedule;

MU_API mu_schedule      mu_schedule_default(void); /* constant, no warm-up */
MU_API const mu_option *mu_schedule_options(size_t *count);

/* The factor of round `round` (0-based) of `rounds`. Rounds after the last one have the last one's factor. */
MU_API double mu_schedule_factor(const mu_schedule *schedule, uint32_t round, uint32_t rounds);

#endif

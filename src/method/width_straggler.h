/* Who holds up a round, and how much of the width he should train: FLuID's rule over measured times (Wang, Nair and Mahajan 2023,
 * arXiv:2307.02623; read in the authors' code, iwang05/FLuID). One device at a time; all others train the whole model. */
#ifndef MUSTER_METHOD_WIDTH_STRAGGLER_H
#define MUSTER_METHOD_WIDTH_STRAGGLER_H

#include "muster/status.h"

/* ratio: the time that the round should take (the next slowest device's) / the straggler's with the whole model.
 *     from 0.9: 0.95     from 0.8: 0.85     from 0.7: 0.75     from 0.6: 0.65     below: 0.5
 * These are widths. Work falls with the square of a width, so that where there is little beside it the straggler ends up faster than he has to. */
double mu_straggler_size(double ratio);

/* Zeroed at first. */
typedef struct mu_straggler {
    bool     found;   /* false: nobody yet, and the rest says nothing */
    bool     changed; /* in the last round another device took his place */
    uint32_t device;
    double   size;    /* the width that he trains */
    double   full_s;  /* what the whole model takes him, measured or estimated */
} mu_straggler;

typedef struct mu_device_time {
    uint32_t device;
    double   time_s; /* of its task in this round */
} mu_device_time;

/* From sub-model to whole model: time / size * this (the authors' program for CIFAR-10; 1 in that for FEMNIST). */
#define MU_STRAGGLER_OVERHEAD 1.15

/* Who it is after `round`, which counts from 1. Nobody yet: from round 2 on the slowest device, sized by the next slowest (round 1 warms up).
 * Somebody: if another device was slowest, and slower than the straggler would be with the whole model, it takes his place, sized by that
 * estimate, and he goes back to the whole model; but not in the round right after a change. Of equally slow devices the one with the lower
 * number. A straggler who is not among the times is compared by his last estimate, and with fewer than two times nobody is found (our choice: the
 * authors' devices take part in every round). overhead: MU_STRAGGLER_OVERHEAD or 1. */
mu_straggler mu_straggler_after(mu_straggler now, uint32_t round, double overhead, const mu_device_time *times, size_t count);

#endif

/* Who is there: kept up to date event by event, so that choosing among those present costs nothing for those who are not. Either the fleet says
 * who comes and goes when, or it is told.
 *
 * 17 bytes a device; where the fleet says, 32 more for one that comes and goes, and in a fleet with batteries another 28 for each. */
#ifndef MUSTER_FL_PRESENCE_H
#define MUSTER_FL_PRESENCE_H

#include "fl/moments.h"
#include "muster/device.h"

typedef struct mu_presence {
    const mu_fleet *fleet;
    uint32_t        device_count, candidate_count;
    bool            told;
    mu_time_us      now;
    uint32_t       *list;  /* those present, as they came; told: by their numbers */
    uint32_t        count;
    uint32_t       *place; /* [device_count] in the list */
    bool           *busy;  /* [device_count] */
    mu_moments      arrivals, departures;
    uint32_t       *idle_count; /* [class_count] present and not busy */
    double         *idle_s;     /* [class_count] of all of them together, up to `counted_to`: when their number last changed. So whoever never
                                 * comes changes no sum, not by a rounding either */
    mu_time_us     *counted_to; /* [class_count] */
    mu_time_us     *idle_time;  /* [device_count] up to when its idleness ended last; less when it began, while it is idle */
    mu_charge      *charge;     /* [device_count] NULL: no batteries. Of a device at work: as of when its task was sent */
} mu_presence;

/* Who can ever take part: others are never listed. */
typedef mu_status mu_is_candidate(void *self, uint32_t device, bool *out, mu_error *err);

/* At time 0. A zeroed presence may be released. */
mu_status mu_presence_init(mu_presence *presence, const mu_fleet *fleet, mu_is_candidate *is_candidate, void *self, mu_error *err);
/* The same where it is told who comes and goes: nobody is there yet. The fleet has neither availability nor batteries. */
mu_status mu_presence_init_told(mu_presence *presence, const mu_fleet *fleet, mu_error *err);
void      mu_presence_release(mu_presence *presence);

/* Told, as of the moment that it was last advanced to. Busy ones go and come too. One that is there already, or is not: nothing changes. A device's class
 * may change only while it is not there. Who comes is put in his place in the list: a move of it. */
void mu_presence_come(mu_presence *presence, uint32_t device);
void mu_presence_go(mu_presence *presence, uint32_t device);

void mu_presence_advance(mu_presence *presence, mu_time_us now); /* everything that happened up to now; before all of the others */
bool mu_presence_is_there(const mu_presence *presence, uint32_t device);

/* A device is busy from a task's beginning to its end, whichever way it ends. What the task drew is then gone from the battery. */
void mu_presence_begin_work(mu_presence *presence, uint32_t device, mu_time_us sent_at);
void mu_presence_end_work(mu_presence *presence, uint32_t device, mu_time_us sent_at, const mu_price *price);
/* When the battery of a device that begins such a task now would run out in the middle of it; 0: it holds. */
mu_time_us mu_presence_battery_ends(const mu_presence *presence, uint32_t device, const mu_price *price);

/* The next moment at which somebody may come; MU_TIME_NEVER: nobody does. Told: nobody knows, so one at which to look again. */
#define MU_PRESENCE_LOOK_AGAIN_US ((mu_time_us)1000000)
mu_time_us mu_presence_next_arrival(const mu_presence *presence);
double     mu_presence_idle_energy_j(const mu_presence *presence); /* since the run began */
mu_time_us mu_presence_idle_time(const mu_presence *presence, uint32_t device);

/* For checkpoints. `save` with `into` NULL only says how many bytes. `restore` makes it as it was, who was busy is busy again; told: nobody is
 * there until it is told again. False: they are not bytes of such a presence. */
size_t mu_presence_save(const mu_presence *presence, unsigned char *into);
bool   mu_presence_restore(mu_presence *presence, const unsigned char *from, size_t size_bytes);

#endif

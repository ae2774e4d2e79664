/* When a device works: its owner's limits, looked at now and again. */
#ifndef MUSTER_NET_AGENT_LIMITS_H
#define MUSTER_NET_AGENT_LIMITS_H

#include "muster/join.h"

/* "22:00-06:30", in minutes since midnight; from the first up to the second, over midnight when that is the smaller. Both the same: the whole day. */
typedef struct mu_agent_hours {
    uint32_t from, to;
} mu_agent_hours;
mu_status mu_agent_hours_read(const char *text, mu_agent_hours *out, mu_error *err);
bool      mu_agent_hours_have(mu_agent_hours hours, uint32_t minute);
uint32_t  mu_agent_hours_until(mu_agent_hours hours, uint32_t minute); /* minutes until they begin; 0: they have */

/* What is to be done next, which limits may stand in the way of. */
typedef enum mu_agent_need {
    MU_AGENT_TRAINS,   /* takes power: battery and hours */
    MU_AGENT_SENDS,    /* takes the network: metered or not */
    MU_AGENT_BEGINS,   /* asks for work: both */
} mu_agent_need;

typedef struct mu_agent_limits {
    double         battery_min_share;
    bool           has_hours, metered_ok;
    mu_agent_hours hours;
    bool         (*is_metered)(void *self);
    void          *self;
    const char    *root; /* of mu_agent_machine's files */
} mu_agent_limits;

mu_status mu_agent_limits_of(const mu_join_config *config, mu_agent_limits *out, mu_error *err);
/* false: the limit that stands in the way is said in `why`. `minute`: mu_clock_local_minute. */
bool mu_agent_limits_allow(const mu_agent_limits *limits, mu_agent_need need, uint32_t minute, char *why, size_t capacity_bytes);

#endif

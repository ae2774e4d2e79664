/* The parts of a model that are meant to be used by themselves, as the method that answers `what` names them. */
#ifndef MUSTER_FL_USABLE_H
#define MUSTER_FL_USABLE_H

#include "muster/method.h"

typedef struct mu_usable_parts {
    uint32_t  count; /* at least 1 */
    bool      named; /* the method says which; otherwise there is one, the whole model */
    mu_usable parts[MU_USABLE_MAX]; /* widest first; kept NULL: all units */
    bool     *flags; /* what they point to */
} mu_usable_parts;

/* `units` may be NULL where the method names none. */
mu_status mu_usable_parts_init(const mu_method *what, const void *state, const mu_units *units, mu_usable_parts *out, mu_error *err);
void      mu_usable_parts_release(mu_usable_parts *parts); /* zeroed is fine */

#endif

/* Which width a device trains: a list of widths, and how devices come to theirs. Part of the state of every method that cuts by width.
 * HeteroFL's levels of complexity a to e are the widths 1, 1/2, 1/4, 1/8, 1/16; its modes name levels and their shares of the draws: a1-e1 is widths
 * 0.0625 and 1, a6-b10-c11-d18-e55 is widths 0.0625, 0.125, 0.25, 0.5, 1 with shares 55, 18, 11, 10, 6. */
#ifndef MUSTER_METHOD_DEVICE_WIDTH_H
#define MUSTER_METHOD_DEVICE_WIDTH_H

#include "method/width_rules.h"
#include "muster/method.h"

typedef struct mu_device_width {
    mu_reals widths, shares;
    int      by;
} mu_device_width;

extern const char *const mu_device_width_ways[];

/* The option rows of a method whose state has one: one list, kept once. */
#define MU_DEVICE_WIDTH_ROWS(state, member) \
    { "widths", MU_OPTION_REALS, offsetof(state, member.widths), 1e-3, 1, "0.25, 0.5, 1", NULL, NULL, \
      "part of each hidden layer's units that devices train, from the weakest devices to the strongest" }, \
    { "width_by", MU_OPTION_CHOICE, offsetof(state, member.by), 0, 0, "tier", mu_device_width_ways, NULL, \
      "how a device comes to its width: by its tier, weakest first; drawn once for the run; or drawn anew for every task" }, \
    { "shares", MU_OPTION_REALS, offsetof(state, member.shares), 0, 1e9, "", NULL, NULL, \
      "how likely each width is drawn, whatever they add up to; none: all are as likely. Not with width_by: tier" }

/* At least one width; shares only where there is something to draw, one for each width, and not all 0. */
mu_status mu_device_width_check(const mu_device_width *width, mu_error *err);
/* The width of this task of the device: `ordinal` is the plan's. Tiers and widths are laid along each other: with more tiers than widths some
 * tiers share one, with fewer some widths in the middle are not used. */
double mu_device_width_of(mu_control *control, const mu_device_width *width, uint32_t device, uint32_t ordinal);

/* Room for one number for each group of any model that parts are made of. */
#define MU_WIDTH_GROUPS_MAX 1024
/* How many units of each group that width keeps. MU_E_LIMIT when the model has more groups. */
mu_status mu_device_width_counts(mu_control *control, const mu_device_width *width, uint32_t device, uint32_t ordinal,
                                 mu_width_rounding rounding, uint32_t counts[MU_WIDTH_GROUPS_MAX], mu_error *err);

/* mu_what.usable of a method whose devices train the first units: all widths that some device may train, widest first. */
bool mu_device_width_usable(const mu_device_width *width, const mu_units *units, uint32_t index, mu_usable *part);

#endif

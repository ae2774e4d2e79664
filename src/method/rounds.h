/* Synchronous rounds as a state machine that a method's `when` is made of: over-selection, deadline and the minimum of reports as in
 * Bonawitz et al. 2019, arXiv:1902.01046; late updates may be accepted.
 *
 *   ask cohort * over_selection ---> updates come in ---> cohort of them, or the deadline with the minimum ---> commit, ask again */
#ifndef MUSTER_METHOD_ROUNDS_H
#define MUSTER_METHOD_ROUNDS_H

#include "muster/method.h"

typedef struct mu_rounds {
    /* options */
    uint32_t cohort, minimum_reports;
    double   over_selection, deadline_s, late_versions_max;
    int      late;
    /* the round under way: how many updates it waits for, how many of this version have come, how many are still under way */
    uint32_t target, fresh, open;
    bool     deadline_passed;
} mu_rounds;

enum { MU_LATE_STOP, MU_LATE_ACCEPT };
extern const char *const mu_late_words[];

/* The option rows of a method whose state has a mu_rounds: one list, kept once. */
#define MU_ROUNDS_OPTIONS(state, member) \
    { "cohort", MU_OPTION_COUNT, offsetof(state, member.cohort), 1, MU_LIMIT_DEVICES, "10", NULL, "devices", \
      "updates that make a round" }, \
    { "over_selection", MU_OPTION_REAL, offsetof(state, member.over_selection), 1, 100, "1", NULL, NULL, \
      "devices asked for each update wanted; who comes after the cohort is full is not waited for" }, \
    { "deadline_s", MU_OPTION_REAL, offsetof(state, member.deadline_s), 1e-6, INFINITY, "inf", NULL, "s", \
      "a round ends this long after it began, if the minimum of reports is there" }, \
    { "minimum_reports", MU_OPTION_COUNT, offsetof(state, member.minimum_reports), 1, MU_LIMIT_DEVICES, "1", NULL, "updates", \
      "a round does not end with fewer; who is lost is replaced until they are there" }, \
    { "late", MU_OPTION_CHOICE, offsetof(state, member.late), 0, 0, "stop", mu_late_words, NULL, \
      "who is still at work when a round ends: stops, or goes on and is merged into a later version" }, \
    { "late_versions_max", MU_OPTION_REAL, offsetof(state, member.late_versions_max), 0, INFINITY, "inf", NULL, "versions", \
      "a late update of a version older than this is discarded" }

mu_status mu_rounds_check(const mu_rounds *rounds, mu_error *err);
/* As mu_when.waits_for_all: without over-selection no more are asked than updates are wanted, those who are asked in place of lost ones included; so
 * without a deadline a round has enough only when all have come or are lost. */
bool      mu_rounds_wait_for_all(const mu_rounds *rounds);
mu_status mu_rounds_started(mu_control *control, mu_rounds *rounds, mu_error *err);
mu_status mu_rounds_arrived(mu_control *control, mu_rounds *rounds, const mu_task *task, const mu_update *update, mu_error *err);
mu_status mu_rounds_lost(mu_control *control, mu_rounds *rounds, const mu_task *task, mu_error *err);
mu_status mu_rounds_timer(mu_control *control, mu_rounds *rounds, uint64_t label, mu_error *err);

#endif

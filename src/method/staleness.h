/* How much an update counts that started from an older version of the model. tau = versions made since then, 0 for a fresh one:
 *
 *     polynomial  (1 + tau)^-exponent
 *     constant    1
 *     threshold   1 if tau <= cutoff, else stale_weight
 *     hinge       1 if tau <= cutoff, else 1 / (1 + slope (tau - cutoff))
 *
 * All are 1 for a fresh update and at most 1 for any. Polynomial, constant and hinge: Xie et al. 2019, arXiv:1903.03934; threshold: FLSim. (FLSim
 * divides each by its value at an average staleness, 1 unless it is told otherwise; here nothing is divided.) */
#ifndef MUSTER_METHOD_STALENESS_H
#define MUSTER_METHOD_STALENESS_H

#include "muster/method.h"

typedef enum mu_staleness_rule { MU_STALENESS_POLYNOMIAL, MU_STALENESS_CONSTANT, MU_STALENESS_THRESHOLD, MU_STALENESS_HINGE } mu_staleness_rule;

/* A member of the state of a method that merges: options, nothing else. */
typedef struct mu_staleness {
    int      rule; /* a mu_staleness_rule */
    uint32_t cutoff;
    double   exponent, slope, stale_weight;
} mu_staleness;

double mu_staleness_weight(const mu_staleness *staleness, uint32_t tau);

/* tau of an update that is folded now. */
uint32_t mu_staleness_of(const mu_control *control, const mu_task *task);

/* For a merge of parts (mu_element_fold.withheld): 1 - the weight. */
double mu_staleness_withheld(const mu_staleness *staleness, const mu_control *control, const mu_task *task);

/* Option rows, for a method whose state `state_type` has it as its member `staleness`. What a rule does not use is not looked at. */
extern const char *const mu_staleness_rule_names[];
#define MU_STALENESS_AT(state_type, staleness, member) (offsetof(state_type, staleness) + offsetof(mu_staleness, member))
#define MU_STALENESS_ROWS(state_type, staleness)                                                                                       \
    { "staleness_weight", MU_OPTION_CHOICE, MU_STALENESS_AT(state_type, staleness, rule), 0, 0, "polynomial", mu_staleness_rule_names, \
      NULL, "how the weight of an update falls with the versions made since it started" },                                             \
    { "staleness_exponent", MU_OPTION_REAL, MU_STALENESS_AT(state_type, staleness, exponent), 0, 1, "0.5", NULL, NULL,                 \
      "of the polynomial (1 + staleness)^-exponent" },                                                                                 \
    { "staleness_cutoff", MU_OPTION_COUNT, MU_STALENESS_AT(state_type, staleness, cutoff), 0, MU_LIMIT_ROUNDS, "4", NULL, "versions",  \
      "threshold and hinge: up to here the weight is 1" },                                                                             \
    { "staleness_slope", MU_OPTION_REAL, MU_STALENESS_AT(state_type, staleness, slope), 0, 1e6, "10", NULL, NULL,                      \
      "hinge: 1 / (1 + slope * versions beyond the cutoff)" },                                                                         \
    { "stale_weight", MU_OPTION_REAL, MU_STALENESS_AT(state_type, staleness, stale_weight), 0, 1, "0.5", NULL, NULL,                   \
      "threshold: the weight beyond the cutoff" }

#endif

/* One gene of a genome: what it may be, and how it is drawn, crossed and mutated. */
#ifndef MUSTER_SEARCH_GENE_H
#define MUSTER_SEARCH_GENE_H

#include "muster/random.h"

/* From low to high, both included; a real number, or a whole one. */
typedef struct mu_gene {
    double low, high;
    bool   whole;
} mu_gene;

#define MU_GENE_REAL_MAX 1e100 /* how large bounds may be */
#define MU_GENE_WHOLE_MAX 1e9

bool mu_gene_is_valid(mu_gene gene); /* its bounds are numbers, in order, not too large, and whole where the gene is */
bool mu_gene_holds(mu_gene gene, double value);

/* Uniform. */
double mu_gene_draw(mu_gene gene, mu_random *random);

/* Simulated binary crossover (Deb and Agrawal 1995, the form within bounds that NSGA-II's authors use): *a and *b become two values around
 * their mean, as far from it as they were, times a spread that is below 1 as often as above (less often above near a bound). Without bounds
 *     P(spread <= s) = s^(eta + 1) / 2 for s <= 1,  1 - s^-(eta + 1) / 2 for s >= 1.
 * Which of the two is the lower one is tossed for. Equal values stay. A whole number is crossed as a real, with half a unit beyond its bounds, and
 * then rounded. */
void mu_gene_cross(mu_gene gene, double eta, mu_random *random, double *a, double *b);

/* Polynomial mutation (Deb and Goyal 1996, the form within bounds): the value moves by d * (high - low), up as often as down, with
 *     P(|d| > t) = (1 - t)^(eta + 1)
 * far from the bounds, and never beyond them. A whole number that rounding would leave where it is goes one step in the direction of d (the
 * other one at its bound): otherwise few small ranges would ever mutate. */
double mu_gene_mutate(mu_gene gene, double eta, mu_random *random, double value);

#endif

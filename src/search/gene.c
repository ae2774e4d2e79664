/* Genes within bounds. Powers are mu_pow's, so that a search is the same on every machine. */
#include "search/gene.h"

#include "muster/math.h"

#include <math.h>

/* Parents that are nearer to each other than this share of the range are equal: their spread would be lost in rounding. */
static const double nearest_share = 1e-14;

bool mu_gene_is_valid(mu_gene gene)
{
    double largest = gene.whole ? MU_GENE_WHOLE_MAX : MU_GENE_REAL_MAX;
    return gene.low >= -largest && gene.low <= gene.high && gene.high <= largest &&
           (!gene.whole || (gene.low == floor(gene.low) && gene.high == floor(gene.high)));
}

bool mu_gene_holds(mu_gene gene, double value)
{
    return value >= gene.low && value <= gene.high && (!gene.whole || value == floor(value));
}

double mu_gene_draw(mu_gene gene, mu_random *random)
{
    if (gene.whole)
        return gene.low + mu_random_below(random, (uint32_t)(gene.high - gene.low) + 1);
    double value = gene.low + (gene.high - gene.low) * mu_random_unit(random);
    return value < gene.high ? value : gene.high;
}

/* As a real: a whole number's values all have a range of 1, those at the bounds too. */
static mu_gene widened(mu_gene gene)
{
    return gene.whole ? (mu_gene){ gene.low - 0.5, gene.high + 0.5, false } : gene;
}

static double brought_back(mu_gene gene, double value)
{
    double to = gene.whole ? floor(value + 0.5) : value;
    return to < gene.low ? gene.low : to > gene.high ? gene.high : to;
}

static double power(double base, double exponent)
{
    return base > 0.0 ? mu_pow(base, exponent) : 0.0;
}

/* `reach`: the largest spread that stays within the bound on this side. */
static double spread(double u, double reach, double eta)
{
    double alpha = 2.0 - power(reach, -(eta + 1.0));
    return power(u * alpha <= 1.0 ? u * alpha : 1.0 / (2.0 - u * alpha), 1.0 / (eta + 1.0));
}

void mu_gene_cross(mu_gene gene, double eta, mu_random *random, double *a, double *b)
{
    const mu_gene wide = widened(gene);
    double low = fmin(*a, *b), high = fmax(*a, *b), between = high - low;
    if (between <= nearest_share * (wide.high - wide.low))
        return;
    double u = mu_random_unit(random);
    double lower = 0.5 * (low + high - spread(u, 1.0 + 2.0 * (low - wide.low) / between, eta) * between);
    double upper = 0.5 * (low + high + spread(u, 1.0 + 2.0 * (wide.high - high) / between, eta) * between);
    bool swap = mu_random_below(random, 2);
    *a = brought_back(gene, swap ? upper : lower);
    *b = brought_back(gene, swap ? lower : upper);
}

double mu_gene_mutate(mu_gene gene, double eta, mu_random *random, double value)
{
    if (gene.low == gene.high)
        return value;
    const mu_gene wide = widened(gene);
    double range = wide.high - wide.low, u = mu_random_unit(random), share;
    if (u < 0.5) {
        double rest = power(1.0 - (value - wide.low) / range, eta + 1.0);
        share = power(2.0 * u + (1.0 - 2.0 * u) * rest, 1.0 / (eta + 1.0)) - 1.0;
    } else {
        double rest = power(1.0 - (wide.high - value) / range, eta + 1.0);
        share = 1.0 - power(2.0 * (1.0 - u) + (2.0 * u - 1.0) * rest, 1.0 / (eta + 1.0));
    }
    double to = brought_back(gene, value + share * range);
    if (!gene.whole || to != value)
        return to;
    double step = u < 0.5 ? -1.0 : 1.0;
    return mu_gene_holds(gene, value + step) ? value + step : value - step;
}

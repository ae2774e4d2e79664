/* NSGA-II: a population of genomes that approaches the best compromises between several objectives.
 *
 * Deb, Pratap, Agarwal, Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on Evolutionary
 * Computation 6(2). A genome is a vector of genes, each a real or a whole number between two bounds; all objectives are to be minimised
 * (tell the negative of what is to be large). The search proposes genomes, the caller evaluates them, in any order and on as many threads as it
 * likes, and tells what came out:
 *
 *     mu_nsga2_init(&config, random, NULL, 0, block, &search, err);
 *     while (mu_nsga2_generation(search) < generations) {
 *         for (uint32_t i = 0; i < config.population; i++)
 *             if (!mu_nsga2_is_told(search, i)) {
 *                 ... objectives of mu_nsga2_genome(search, i) ...
 *                 mu_nsga2_tell(search, i, objectives, err);
 *             }
 *         mu_nsga2_next(search, err);
 *     }
 *     mu_pareto_front(mu_nsga2_survivors(search), members, &count);    then genome config.population + members[0], ...
 *
 * MEMBERS are numbered: the first `population` of them are new in this generation, those behind them survived the last one (none in
 * generation 0, as many as the population from then on). All new ones must be told before mu_nsga2_next; a survivor may be told again, once a
 * generation: what counts is the mean of all that was told of a member, so that luck in a noisy evaluation wears off.
 *
 * Generation and member together name an evaluation, and so the random stream of one that needs it.
 *
 * A search is one block of plain data, mu_nsga2_size bytes without pointers. Saved and restored byte by byte at any moment, it goes on
 * to the same end, with the same bytes; so it does whatever the order in which members are told. It is for the machine that it was saved on:
 * numbers are as they lie in memory. */
#ifndef MUSTER_SEARCH_NSGA2_H
#define MUSTER_SEARCH_NSGA2_H

#include "search/gene.h"
#include "search/pareto.h"

typedef struct mu_nsga2_config {
    uint32_t       population;                  /* at least 2, even */
    uint32_t       gene_count, objective_count; /* at least 1 */
    const mu_gene *genes;                       /* [gene_count], borrowed for the call */
    double crossover_probability; /* that two children are crossed; the others are their parents' copies, but for mutation */
    double crossover_eta; /* of simulated binary crossover: the larger, the nearer are children to their parents; 0 to 1000 */
    double mutations; /* genes of a child that mutate, on average: each with probability mutations / gene_count */
    double mutation_eta; /* of polynomial mutation: the larger, the smaller are its changes; 0 to 1000 */
} mu_nsga2_config;

/* 64 members, 2 objectives, crossover 0.9 with eta 15, 1 mutation with eta 20; no genes. */
mu_nsga2_config mu_nsga2_config_default(void);

typedef struct mu_nsga2 mu_nsga2;

/* How large a block the search needs, once the configuration is found to be right: MU_E_RANGE, MU_E_LIMIT. */
mu_status mu_nsga2_size(const mu_nsga2_config *config, size_t *size_bytes, mu_error *err);

/* Begin in `block` [mu_nsga2_size], aligned for doubles, which the caller owns: *out is the block's own address and needs no destroying. The first
 * `given_count` genomes [given_count][gene_count] are `given`, at most the population, the others are drawn uniformly. `random` is
 * the stream of all that is drawn from here on. MU_E_RANGE for a given gene outside of its bounds, or a fraction where it is whole. */
mu_status mu_nsga2_init(const mu_nsga2_config *config, mu_random random, const double *given, uint32_t given_count, void *block, mu_nsga2 **out,
                        mu_error *err);

/* Go on in `block`, aligned for doubles, into which the caller has put the bytes of a search that was saved. Every byte that
 * anything depends on is looked at: MU_E_PARSE for what no search of this configuration can be, MU_E_CONFIG for a search of another
 * one. That numbers within their bounds are those that were saved, only a digest beside them can tell. */
mu_status mu_nsga2_restore(const mu_nsga2_config *config, void *block, size_t size_bytes, mu_nsga2 **out, mu_error *err);

uint32_t      mu_nsga2_generation(const mu_nsga2 *search); /* from 0 */
uint32_t      mu_nsga2_member_count(const mu_nsga2 *search); /* population in generation 0, then twice that */
const double *mu_nsga2_genome(const mu_nsga2 *search, uint32_t member); /* [gene_count], until mu_nsga2_next */
const double *mu_nsga2_objectives(const mu_nsga2 *search, uint32_t member); /* [objective_count]; zeros before anything is told */
uint32_t      mu_nsga2_tellings(const mu_nsga2 *search, uint32_t member); /* how often it was told, in all generations */
bool          mu_nsga2_is_told(const mu_nsga2 *search, uint32_t member); /* in this generation */
mu_points     mu_nsga2_survivors(const mu_nsga2 *search); /* objectives of the survivors: point i is member population + i */

/* A member's objectives [objective_count]. Different members may be told from different threads at once. MU_E_RANGE when one is no number
 * or larger than MU_OBJECTIVE_MAX, MU_E_STATE when the member was told in this generation already; nothing changes then. */
mu_status mu_nsga2_tell(mu_nsga2 *search, uint32_t member, const double *objectives, mu_error *err);

/* Choose the next survivors among all members (front by front; of the front that does not fit whole those with the most room around them)
 * and draw new members from them: parents by binary tournaments (the better front wins, then more room), simulated binary crossover,
 * polynomial mutation. After the last generation too: only then are its best among the survivors. MU_E_STATE when a new member is not told
 * yet, MU_E_LIMIT after MU_LIMIT_GENERATIONS, MU_E_MEMORY; the search is then as before. */
mu_status mu_nsga2_next(mu_nsga2 *search, mu_error *err);

#endif

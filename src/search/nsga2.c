/* The population, its survivors and their children. */
#include "search/nsga2.h"

#include "base/limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The block is this head, then bounds [genes], genomes [2 population][genes], objectives [2 population][objectives], accounts [2 population].
 * Nothing has padding, so equal searches have equal bytes. */
struct mu_nsga2 {
    char      magic[16];
    uint64_t  size_bytes;
    uint32_t  population, gene_count, objective_count, generation;
    double    crossover_probability, crossover_eta, mutations, mutation_eta;
    mu_random random;
    uint32_t  reserved;
};

typedef struct bounds {
    double   low, high;
    uint64_t whole; /* 0 or 1 */
} bounds;

typedef struct account {
    uint32_t tellings; /* in all generations */
    uint32_t told;     /* 1: in this one */
} account;

_Static_assert(sizeof(mu_nsga2) == 16 + 8 + 16 + 32 + 11 * 4 + 4, "the head has no padding");
_Static_assert(sizeof(bounds) == 24 && sizeof(account) == 8, "the parts have no padding");

static const char block_magic[16] = "muster-nsga2-1";

static const double eta_max = 1000.0;

mu_nsga2_config mu_nsga2_config_default(void)
{
    return (mu_nsga2_config){ .population = 64, .objective_count = 2, .crossover_probability = 0.9, .crossover_eta = 15.0, .mutations = 1.0,
                              .mutation_eta = 20.0 };
}

/* ---- the parts of the block ---- */

static uint64_t bounds_at(uint32_t gene)
{
    return sizeof(mu_nsga2) + gene * (uint64_t)sizeof(bounds);
}

static uint64_t genome_at(const mu_nsga2 *head, uint32_t member)
{
    return bounds_at(head->gene_count) + (uint64_t)member * head->gene_count * sizeof(double);
}

static uint64_t objectives_at(const mu_nsga2 *head, uint32_t member)
{
    return genome_at(head, 2 * head->population) + (uint64_t)member * head->objective_count * sizeof(double);
}

static uint64_t account_at(const mu_nsga2 *head, uint32_t member)
{
    return objectives_at(head, 2 * head->population) + member * (uint64_t)sizeof(account);
}

static const void *part(const mu_nsga2 *search, uint64_t offset)
{
    return (const unsigned char *)search + offset;
}

static void *own_part(mu_nsga2 *search, uint64_t offset)
{
    return (unsigned char *)search + offset;
}

static mu_gene gene_of(const mu_nsga2 *search, uint32_t gene)
{
    const bounds *of = part(search, bounds_at(gene));
    return (mu_gene){ of->low, of->high, of->whole };
}

static const account *account_of(const mu_nsga2 *search, uint32_t member)
{
    MU_ASSERT(member < 2 * search->population);
    return part(search, account_at(search, member));
}

/* ---- configuration ---- */

static mu_status check_numbers(const mu_nsga2_config *config, mu_error *err)
{
    if (config->population > MU_LIMIT_POPULATION || config->gene_count > MU_LIMIT_GENES || config->objective_count > MU_LIMIT_OBJECTIVES)
        return mu_error_set(err, MU_E_LIMIT, "a search of %u members with %u genes and %u objectives is too large: at most %u, %u and %u are allowed",
                            config->population, config->gene_count, config->objective_count, MU_LIMIT_POPULATION, MU_LIMIT_GENES,
                            MU_LIMIT_OBJECTIVES);
    if (config->population < 2 || config->population % 2 != 0)
        return mu_error_set(err, MU_E_RANGE, "a population of %u members has no pairs: it must be even, 2 or more", config->population);
    if (config->gene_count == 0 || config->objective_count == 0)
        return mu_error_set(err, MU_E_RANGE, "a search needs genes and objectives, but has %u and %u", config->gene_count,
                            config->objective_count);
    return MU_OK;
}

static bool is_within(double value, double low, double high) /* not so for what is no number */
{
    return value >= low && value <= high;
}

static mu_status check_config(const mu_nsga2_config *config, mu_error *err)
{
    mu_status status = check_numbers(config, err);
    if (status)
        return status;
    if (!is_within(config->crossover_probability, 0.0, 1.0))
        return mu_error_set(err, MU_E_RANGE, "the probability of crossover is %g, not within 0 and 1", config->crossover_probability);
    if (!is_within(config->crossover_eta, 0.0, eta_max) || !is_within(config->mutation_eta, 0.0, eta_max))
        return mu_error_set(err, MU_E_RANGE, "the etas of crossover and mutation are %g and %g, not within 0 and %g", config->crossover_eta,
                            config->mutation_eta, eta_max);
    if (!is_within(config->mutations, 0.0, config->gene_count))
        return mu_error_set(err, MU_E_RANGE, "a child of %u genes cannot have %g mutations", config->gene_count, config->mutations);
    for (uint32_t g = 0; g < config->gene_count; g++)
        if (!mu_gene_is_valid(config->genes[g]))
            return mu_error_set(err, MU_E_RANGE, "gene %u has bounds from %g to %g: they must be in order, at most %g in magnitude, and whole for "
                                "whole numbers", g, config->genes[g].low, config->genes[g].high,
                                config->genes[g].whole ? MU_GENE_WHOLE_MAX : MU_GENE_REAL_MAX);
    return MU_OK;
}

/* The head that a search with a checked configuration begins with, but for its random numbers. */
static mu_nsga2 head_of(const mu_nsga2_config *config)
{
    mu_nsga2 head = {
        .population = config->population,
        .gene_count = config->gene_count,
        .objective_count = config->objective_count,
        .crossover_probability = config->crossover_probability,
        .crossover_eta = config->crossover_eta,
        .mutations = config->mutations,
        .mutation_eta = config->mutation_eta,
    };
    memcpy(head.magic, block_magic, sizeof head.magic);
    head.size_bytes = account_at(&head, 2 * head.population);
    return head;
}

mu_status mu_nsga2_size(const mu_nsga2_config *config, size_t *size_bytes, mu_error *err)
{
    mu_status status = check_config(config, err);
    if (status)
        return status;
    uint64_t bytes = head_of(config).size_bytes;
    if (bytes > SIZE_MAX / 2)
        return mu_error_set(err, MU_E_LIMIT, "a search of %u members with %u genes needs %llu bytes, more than this machine can address",
                            config->population, config->gene_count, (unsigned long long)bytes);
    *size_bytes = (size_t)bytes;
    return MU_OK;
}

/* ---- beginning ---- */

mu_status mu_nsga2_init(const mu_nsga2_config *config, mu_random random, const double *given, uint32_t given_count, void *block, mu_nsga2 **out,
                        mu_error *err)
{
    size_t size_bytes;
    mu_status status = mu_nsga2_size(config, &size_bytes, err);
    if (status)
        return status;
    if (given_count > config->population)
        return mu_error_set(err, MU_E_RANGE, "%u genomes are given, but the population has only %u members", given_count, config->population);
    for (uint32_t i = 0; i < given_count; i++)
        for (uint32_t g = 0; g < config->gene_count; g++)
            if (!mu_gene_holds(config->genes[g], given[(size_t)i * config->gene_count + g]))
                return mu_error_set(err, MU_E_RANGE, "given genome %u: gene %u is %g, not a %s from %g to %g", i, g,
                                    given[(size_t)i * config->gene_count + g], config->genes[g].whole ? "whole number" : "number",
                                    config->genes[g].low, config->genes[g].high);
    mu_nsga2 *search = block;
    memset(search, 0, size_bytes);
    *search = head_of(config);
    search->random = random;
    bounds *of = own_part(search, bounds_at(0));
    for (uint32_t g = 0; g < config->gene_count; g++)
        of[g] = (bounds){ config->genes[g].low, config->genes[g].high, config->genes[g].whole };
    for (uint32_t i = 0; i < config->population; i++) {
        double *genome = own_part(search, genome_at(search, i));
        for (uint32_t g = 0; g < config->gene_count; g++)
            genome[g] = i < given_count ? given[(size_t)i * config->gene_count + g] : mu_gene_draw(config->genes[g], &search->random);
    }
    *out = search;
    return MU_OK;
}

/* ---- restoring ---- */

static mu_status check_head(const mu_nsga2 *saved, const mu_nsga2_config *config, mu_error *err)
{
    const mu_nsga2 wanted = head_of(config);
    if (memcmp(saved->magic, wanted.magic, sizeof wanted.magic) != 0)
        return mu_error_set(err, MU_E_PARSE, "this is no saved search: it does not begin with '%s'", block_magic);
    if (saved->population != wanted.population || saved->gene_count != wanted.gene_count || saved->objective_count != wanted.objective_count)
        return mu_error_set(err, MU_E_CONFIG, "the saved search is one of %u members with %u genes and %u objectives, not of %u with %u and %u",
                            saved->population, saved->gene_count, saved->objective_count, wanted.population, wanted.gene_count,
                            wanted.objective_count);
    if (saved->crossover_probability != wanted.crossover_probability || saved->crossover_eta != wanted.crossover_eta ||
        saved->mutations != wanted.mutations || saved->mutation_eta != wanted.mutation_eta)
        return mu_error_set(err, MU_E_CONFIG, "the saved search has crossover %g (eta %g) and %g mutations (eta %g), not %g (%g) and %g (%g)",
                            saved->crossover_probability, saved->crossover_eta, saved->mutations, saved->mutation_eta,
                            wanted.crossover_probability, wanted.crossover_eta, wanted.mutations, wanted.mutation_eta);
    if (saved->size_bytes != wanted.size_bytes || saved->reserved != 0)
        return mu_error_set(err, MU_E_PARSE, "the head of the saved search is damaged: it says that there are %llu bytes, and there are %llu",
                            (unsigned long long)saved->size_bytes, (unsigned long long)wanted.size_bytes);
    if (saved->generation > MU_LIMIT_GENERATIONS || saved->random.unused > 4)
        return mu_error_set(err, MU_E_PARSE, "the saved search is in generation %u of at most %u, with %u of 4 random numbers left",
                            saved->generation, MU_LIMIT_GENERATIONS, saved->random.unused);
    return MU_OK;
}

static mu_status check_bounds(const mu_nsga2 *saved, const mu_nsga2_config *config, mu_error *err)
{
    const bounds *of = part(saved, bounds_at(0));
    for (uint32_t g = 0; g < config->gene_count; g++)
        if (of[g].low != config->genes[g].low || of[g].high != config->genes[g].high || of[g].whole != config->genes[g].whole)
            return mu_error_set(err, MU_E_CONFIG, "the saved search has gene %u from %g to %g%s, not from %g to %g%s", g, of[g].low, of[g].high,
                                of[g].whole ? " in whole numbers" : "", config->genes[g].low, config->genes[g].high,
                                config->genes[g].whole ? " in whole numbers" : "");
    return MU_OK;
}

static mu_status check_member(const mu_nsga2 *saved, uint32_t member, mu_error *err)
{
    const double *genome = part(saved, genome_at(saved, member)), *objectives = part(saved, objectives_at(saved, member));
    const account *of = account_of(saved, member);
    bool survived = member >= saved->population;
    if (of->told > 1 || of->tellings < of->told + (uint32_t)survived ||
        of->tellings > (survived ? saved->generation + of->told : of->told))
        return mu_error_set(err, MU_E_PARSE, "the saved search says of member %u that it was told %u times, %u of them in generation %u", member,
                            of->tellings, of->told, saved->generation);
    for (uint32_t g = 0; g < saved->gene_count; g++)
        if (!mu_gene_holds(gene_of(saved, g), genome[g]))
            return mu_error_set(err, MU_E_PARSE, "the saved search has %g as gene %u of member %u, out of its bounds", genome[g], g, member);
    double largest = of->tellings > 0 ? MU_OBJECTIVE_MAX : 0.0;
    for (uint32_t m = 0; m < saved->objective_count; m++)
        if (!is_within(objectives[m], -largest, largest))
            return mu_error_set(err, MU_E_PARSE, "the saved search has %g as objective %u of member %u, which was told %u times", objectives[m], m,
                                member, of->tellings);
    return MU_OK;
}

mu_status mu_nsga2_restore(const mu_nsga2_config *config, void *block, size_t size_bytes, mu_nsga2 **out, mu_error *err)
{
    size_t wanted_bytes;
    mu_status status = mu_nsga2_size(config, &wanted_bytes, err);
    if (status)
        return status;
    if (size_bytes != wanted_bytes)
        return mu_error_set(err, MU_E_PARSE, "the saved search has %zu bytes, but one of %u members with %u genes and %u objectives has %zu",
                            size_bytes, config->population, config->gene_count, config->objective_count, wanted_bytes);
    mu_nsga2 *search = block;
    status = check_head(search, config, err);
    if (!status)
        status = check_bounds(search, config, err);
    for (uint32_t i = 0; !status && i < mu_nsga2_member_count(search); i++)
        status = check_member(search, i, err);
    if (!status)
        *out = search;
    return status;
}

/* ---- asking and telling ---- */

uint32_t mu_nsga2_generation(const mu_nsga2 *search)
{
    return search->generation;
}

uint32_t mu_nsga2_member_count(const mu_nsga2 *search)
{
    return search->generation == 0 ? search->population : 2 * search->population;
}

const double *mu_nsga2_genome(const mu_nsga2 *search, uint32_t member)
{
    MU_ASSERT(member < mu_nsga2_member_count(search));
    return part(search, genome_at(search, member));
}

const double *mu_nsga2_objectives(const mu_nsga2 *search, uint32_t member)
{
    MU_ASSERT(member < mu_nsga2_member_count(search));
    return part(search, objectives_at(search, member));
}

uint32_t mu_nsga2_tellings(const mu_nsga2 *search, uint32_t member)
{
    return account_of(search, member)->tellings;
}

bool mu_nsga2_is_told(const mu_nsga2 *search, uint32_t member)
{
    return account_of(search, member)->told;
}

mu_points mu_nsga2_survivors(const mu_nsga2 *search)
{
    return (mu_points){ part(search, objectives_at(search, search->population)), search->generation == 0 ? 0 : search->population,
                        search->objective_count };
}

mu_status mu_nsga2_tell(mu_nsga2 *search, uint32_t member, const double *objectives, mu_error *err)
{
    MU_ASSERT(member < mu_nsga2_member_count(search));
    for (uint32_t m = 0; m < search->objective_count; m++)
        if (!is_within(objectives[m], -MU_OBJECTIVE_MAX, MU_OBJECTIVE_MAX))
            return mu_error_set(err, MU_E_RANGE, "objective %u of member %u is %g: it must be a number of at most %g in magnitude", m, member,
                                objectives[m], MU_OBJECTIVE_MAX);
    account *of = own_part(search, account_at(search, member));
    if (of->told)
        return mu_error_set(err, MU_E_STATE, "member %u was told in generation %u already", member, search->generation);
    double *mean = own_part(search, objectives_at(search, member));
    *of = (account){ of->tellings + 1, 1 };
    for (uint32_t m = 0; m < search->objective_count; m++)
        mean[m] += (objectives[m] - mean[m]) / of->tellings;
    return MU_OK;
}

/* ---- who survives ---- */

#define DEAD UINT32_MAX /* the rank of whoever does not survive */

typedef struct standing {
    double   *room;    /* [2 population] */
    uint32_t *ranks;   /* [2 population] */
    uint32_t *numbers; /* [4 population], for scratch */
} standing;

static void choose(const mu_nsga2 *search, standing *all)
{
    const mu_points points = { mu_nsga2_objectives(search, 0), mu_nsga2_member_count(search), search->objective_count };
    mu_pareto_rank(points, all->ranks, all->numbers);
    uint32_t places = search->population, rank = 0;
    for (; places > 0; rank++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < points.count; i++)
            if (all->ranks[i] == rank)
                all->numbers[count++] = i;
        mu_pareto_crowding(points, all->numbers, count, all->room);
        if (count > places)
            mu_points_sort((mu_points){ all->room, points.count, 1 }, 0, all->numbers, count);
        for (uint32_t i = 0; i + places < count; i++)
            all->ranks[all->numbers[i]] = DEAD;
        places -= count < places ? count : places;
    }
    for (uint32_t i = 0; i < 2 * search->population; i++)
        if (i >= points.count || all->ranks[i] >= rank)
            all->ranks[i] = DEAD;
}

/* New members that live take the places of old ones that do not: there are as many of these as of those. */
static void settle(mu_nsga2 *search, standing *all)
{
    uint32_t to = search->population;
    for (uint32_t from = 0; from < search->population; from++) {
        if (all->ranks[from] == DEAD)
            continue;
        while (all->ranks[to] != DEAD)
            to++;
        memcpy(own_part(search, genome_at(search, to)), part(search, genome_at(search, from)), search->gene_count * sizeof(double));
        memcpy(own_part(search, objectives_at(search, to)), part(search, objectives_at(search, from)),
               search->objective_count * sizeof(double));
        memcpy(own_part(search, account_at(search, to)), part(search, account_at(search, from)), sizeof(account));
        all->ranks[to] = all->ranks[from];
        all->room[to] = all->room[from];
    }
}

/* ---- children ---- */

/* Everybody is in two of the tournaments of a generation, one with every shuffling: better than drawing the pairs, by which some would be
 * in none and others in many. `all->numbers` [2 population] becomes the members in the order of their tournaments. */
static void draw_tournaments(mu_nsga2 *search, standing *all)
{
    for (uint32_t i = 0; i < 2 * search->population; i++)
        all->numbers[i] = search->population + i % search->population;
    mu_random_shuffle(&search->random, all->numbers, search->population);
    mu_random_shuffle(&search->random, all->numbers + search->population, search->population);
}

static const double *winner(const mu_nsga2 *search, const standing *all, uint32_t tournament)
{
    uint32_t a = all->numbers[2 * tournament], b = all->numbers[2 * tournament + 1];
    bool first = all->ranks[a] != all->ranks[b] ? all->ranks[a] < all->ranks[b] : all->room[a] >= all->room[b];
    return part(search, genome_at(search, first ? a : b));
}

static void make_pair(mu_nsga2 *search, const standing *all, uint32_t first)
{
    double *a = own_part(search, genome_at(search, first)), *b = own_part(search, genome_at(search, first + 1));
    memcpy(a, winner(search, all, first), search->gene_count * sizeof *a);
    memcpy(b, winner(search, all, first + 1), search->gene_count * sizeof *b);
    bool cross = mu_random_unit(&search->random) < search->crossover_probability;
    double mutation_probability = search->mutations / search->gene_count;
    for (uint32_t g = 0; g < search->gene_count; g++) {
        mu_gene gene = gene_of(search, g);
        if (cross && mu_random_below(&search->random, 2)) /* each gene of a pair that is crossed, as often as not */
            mu_gene_cross(gene, search->crossover_eta, &search->random, &a[g], &b[g]);
        if (mu_random_unit(&search->random) < mutation_probability)
            a[g] = mu_gene_mutate(gene, search->mutation_eta, &search->random, a[g]);
        if (mu_random_unit(&search->random) < mutation_probability)
            b[g] = mu_gene_mutate(gene, search->mutation_eta, &search->random, b[g]);
    }
}

static void begin_generation(mu_nsga2 *search, standing *all)
{
    draw_tournaments(search, all);
    for (uint32_t i = 0; i < search->population; i += 2)
        make_pair(search, all, i);
    memset(own_part(search, objectives_at(search, 0)), 0, (size_t)search->population * search->objective_count * sizeof(double));
    account *of = own_part(search, account_at(search, 0));
    for (uint32_t i = 0; i < search->population; i++)
        of[i] = (account){ 0, 0 };
    for (uint32_t i = search->population; i < 2 * search->population; i++)
        of[i].told = 0;
    search->generation++;
}

mu_status mu_nsga2_next(mu_nsga2 *search, mu_error *err)
{
    for (uint32_t i = 0; i < search->population; i++)
        if (!mu_nsga2_is_told(search, i))
            return mu_error_set(err, MU_E_STATE, "generation %u is not done: member %u has not been told", search->generation, i);
    if (search->generation >= MU_LIMIT_GENERATIONS)
        return mu_error_set(err, MU_E_LIMIT, "a search has at most %u generations", MU_LIMIT_GENERATIONS);
    size_t members = 2 * (size_t)search->population;
    double *scratch = malloc(members * (sizeof(double) + 3 * sizeof(uint32_t)));
    if (!scratch)
        return mu_error_set(err, MU_E_MEMORY, "no memory to rank %zu members", members);
    standing all = { .room = scratch, .ranks = (uint32_t *)(void *)(scratch + members) };
    all.numbers = all.ranks + members;
    choose(search, &all);
    settle(search, &all);
    begin_generation(search, &all);
    free(scratch);
    return MU_OK;
}

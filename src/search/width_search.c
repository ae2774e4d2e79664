/* NSGA-II over rates, with trials of a proxy as the second objective. */
#include "search/width_search.h"

#include "base/digest.h"
#include "search/streams.h"

#include <stdlib.h>
#include <string.h>

enum { COST, LOST_GAIN, OBJECTIVES }; /* both are minimised */

struct mu_width_search {
    mu_width_search_config config;
    uint32_t     groups;
    mu_gene     *genes;          /* [groups] */
    uint32_t    *counts;         /* [2 population][groups]: of the members */
    mu_gain     *gains;          /* [2 population]: of a generation */
    mu_submodel *submodel;       /* to count what a part is made of */
    bool        *kept;           /* [unit_count] */
    double       whole_cost;
    void        *block;
    size_t       block_bytes;
    mu_nsga2    *nsga2;          /* in the block */
};

/* ---- what a part is made of ---- */

mu_status mu_width_search_work(mu_width_search *search, const uint32_t *counts, mu_width_work *work, mu_error *err)
{
    const mu_units *units = search->config.units;
    for (uint32_t g = 0; g < search->groups; g++)
        mu_units_keep_first(units, g, counts[g], search->kept); /* any of them: work depends on numbers alone */
    mu_status status = mu_submodel_form(search->submodel, search->kept, err);
    if (status)
        return status;
    const mu_model *part = mu_submodel_model(search->submodel);
    const mu_cost cost = mu_model_cost(part, 1);
    *work = (mu_width_work){ cost.macs_forward + cost.macs_backward, mu_model_state_count(part) * sizeof(float) };
    return MU_OK;
}

static double cost_of(const mu_width_search *search, const mu_width_work *work)
{
    const mu_width_cost *cost = &search->config.cost;
    return cost->base + cost->per_mac * (double)work->macs + cost->per_byte * (double)work->bytes;
}

/* Over the whole network's. */
static mu_status relative_cost(mu_width_search *search, const uint32_t *counts, double *cost, mu_error *err)
{
    mu_width_work work = { 0 };
    mu_status status = mu_width_search_work(search, counts, &work, err);
    *cost = cost_of(search, &work) / search->whole_cost;
    return status;
}

/* ---- making ---- */

/* The sum of what positive numbers were multiplied with is positive, unless all are 0. */
static mu_status find_whole_cost(mu_width_search *search, mu_error *err)
{
    for (uint32_t g = 0; g < search->groups; g++)
        search->counts[g] = mu_units_group(search->config.units, g)->count;
    mu_width_work whole = { 0 };
    mu_status status = mu_width_search_work(search, search->counts, &whole, err);
    search->whole_cost = cost_of(search, &whole);
    if (!status && !(search->whole_cost > 0))
        status = mu_error_set(err, MU_E_RANGE, "training the whole network costs %g by %g + %g macs + %g bytes: it must cost something",
                              search->whole_cost, search->config.cost.base, search->config.cost.per_mac, search->config.cost.per_byte);
    return status;
}

static mu_nsga2_config nsga2_config(const mu_width_search *search)
{
    mu_nsga2_config config = mu_nsga2_config_default();
    config.population = search->config.population;
    config.objective_count = OBJECTIVES;
    config.gene_count = search->groups;
    config.genes = search->genes;
    return config;
}

static mu_status make(mu_width_search *search, mu_error *err)
{
    const uint32_t members = 2 * search->config.population;
    for (uint32_t g = 0; g < search->groups && search->genes; g++)
        search->genes[g] = (mu_gene){ 0.0, search->config.most_rate, false };
    search->counts = calloc((size_t)members * search->groups, sizeof *search->counts);
    search->gains = calloc(members, sizeof *search->gains);
    search->kept = calloc(mu_units_count(search->config.units), sizeof *search->kept);
    search->block = malloc(search->block_bytes);
    if (!search->counts || !search->gains || !search->kept || !search->block)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a search with %u members", search->config.population);
    mu_status status = mu_submodel_create(search->config.units, &search->submodel, err);
    return status ? status : find_whole_cost(search, err);
}

/* Everything but what is in the block. */
static mu_status create_empty(const mu_width_search_config *config, mu_width_search **out, mu_error *err)
{
    const size_t groups = mu_units_group_count(config->units);
    if (groups == 0)
        return mu_error_set(err, MU_E_CONFIG, "nothing of this model can be left out: there is nothing to search for");
    mu_width_search *search = calloc(1, sizeof *search);
    if (search) {
        search->config = *config;
        search->groups = (uint32_t)groups;
        search->genes = calloc(groups, sizeof *search->genes);
    }
    mu_status status = search && search->genes ? MU_OK : mu_error_set(err, MU_E_MEMORY, "no memory for a search");
    if (!status) {
        mu_nsga2_config nsga2 = nsga2_config(search);
        status = mu_nsga2_size(&nsga2, &search->block_bytes, err); /* and is it right */
    }
    if (!status)
        status = make(search, err);
    if (status)
        mu_width_search_destroy(search);
    else
        *out = search;
    return status;
}

/* Uniform vectors, as many as there is room for. */
static mu_status begin(mu_width_search *search, mu_error *err)
{
    enum { UNIFORM = 10 };
    double *given = calloc((size_t)UNIFORM * search->groups, sizeof *given);
    if (!given)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the first vectors");
    uint32_t count = 0;
    for (int tenths = 0; tenths < UNIFORM && count < search->config.population; tenths++) {
        if (tenths / 10.0 > search->config.most_rate)
            continue;
        for (uint32_t g = 0; g < search->groups; g++)
            given[(size_t)count * search->groups + g] = tenths / 10.0;
        count++;
    }
    const mu_nsga2_config nsga2 = nsga2_config(search);
    mu_status status = mu_nsga2_init(&nsga2, mu_search_stream(search->config.seed, MU_SEARCH_GENOMES, 0), given, count, search->block, &search->nsga2, err);
    free(given);
    return status;
}

mu_status mu_width_search_create(const mu_width_search_config *config, mu_width_search **out, mu_error *err)
{
    mu_width_search *search;
    mu_status status = create_empty(config, &search, err);
    if (status)
        return status;
    status = begin(search, err);
    if (status)
        mu_width_search_destroy(search);
    else
        *out = search;
    return status;
}

void mu_width_search_destroy(mu_width_search *search)
{
    if (!search)
        return;
    free(search->genes);
    free(search->counts);
    free(search->gains);
    free(search->kept);
    free(search->block);
    mu_submodel_destroy(search->submodel);
    free(search);
}

/* ---- a generation ---- */

static uint32_t *counts_of(mu_width_search *search, uint32_t member)
{
    uint32_t *counts = search->counts + (size_t)member * search->groups;
    search->config.counts_of(search->config.units, mu_nsga2_genome(search->nsga2, member), counts);
    return counts;
}

static double gain_of(const mu_width_search *search, const mu_gain *gain)
{
    return search->config.by_loss ? gain->loss : gain->accuracy;
}

mu_status mu_width_search_advance(mu_width_search *search, mu_proxy *proxy, mu_error *err)
{
    const uint32_t members = mu_nsga2_member_count(search->nsga2), generation = mu_nsga2_generation(search->nsga2);
    for (uint32_t i = 0; i < members; i++)
        counts_of(search, i);
    mu_status status = mu_proxy_gains(proxy, search->counts, members, generation, search->config.repeats, search->gains, err);
    for (uint32_t i = 0; i < members && !status; i++) {
        double objectives[OBJECTIVES];
        objectives[LOST_GAIN] = -gain_of(search, &search->gains[i]);
        status = relative_cost(search, search->counts + (size_t)i * search->groups, &objectives[COST], err);
        if (!status)
            status = mu_nsga2_tell(search->nsga2, i, objectives, err);
    }
    return status ? status : mu_nsga2_next(search->nsga2, err);
}

uint32_t mu_width_search_generation(const mu_width_search *search)
{
    return mu_nsga2_generation(search->nsga2);
}

/* ---- who survived ---- */

uint32_t mu_width_search_member_count(const mu_width_search *search)
{
    return mu_nsga2_survivors(search->nsga2).count;
}

mu_width_member mu_width_search_member(mu_width_search *search, uint32_t index)
{
    MU_ASSERT(index < mu_width_search_member_count(search));
    const uint32_t member = search->config.population + index;
    const double *objectives = mu_nsga2_objectives(search->nsga2, member);
    mu_width_member out = { .rates = mu_nsga2_genome(search->nsga2, member), .counts = counts_of(search, member), .cost = objectives[COST],
                            .gain = -objectives[LOST_GAIN], .tries = mu_nsga2_tellings(search->nsga2, member) };
    mu_status status = mu_width_search_work(search, out.counts, &out.work, NULL);
    MU_ASSERT(status == MU_OK); /* every group keeps at least one */
    return out;
}

mu_status mu_width_search_review(mu_width_search *search, mu_proxy *proxy, uint32_t tries, double *gains, mu_error *err)
{
    const uint32_t members = mu_width_search_member_count(search), first = search->config.population;
    for (uint32_t i = 0; i < members; i++)
        counts_of(search, first + i);
    mu_status status = mu_proxy_gains(proxy, search->counts + (size_t)first * search->groups, members, mu_nsga2_generation(search->nsga2),
                                      tries * search->config.repeats, search->gains, err);
    for (uint32_t i = 0; i < members && !status; i++) {
        const mu_width_member member = mu_width_search_member(search, i);
        gains[i] = (member.tries * member.gain + tries * gain_of(search, &search->gains[i])) / (member.tries + tries);
    }
    return status;
}

mu_status mu_width_search_hypervolume(const mu_width_search *search, double *volume, mu_error *err)
{
    return mu_pareto_hypervolume(mu_nsga2_survivors(search->nsga2), (double[OBJECTIVES]){ [COST] = 1.0, [LOST_GAIN] = 0.0 }, volume, err);
}

/* ---- saved ---- */

/* Behind it: the block of NSGA-II, and a SHA-256 in letters over all before. Numbers are as they lie in memory. */
typedef struct saved_head {
    char          magic[16];
    char          settings[MU_SHA256_HEX_BYTES - 1]; /* digest of what was asked for */
    mu_width_cost cost;
    uint64_t      block_bytes;
} saved_head;

static const char saved_magic[16] = "muster-search-1";
#define DIGEST_BYTES (MU_SHA256_HEX_BYTES - 1)

mu_status mu_width_search_encode(const mu_width_search *search, const char *settings, unsigned char **out, size_t *size_bytes, mu_error *err)
{
    char digest[MU_SHA256_HEX_BYTES];
    saved_head head = { .cost = search->config.cost, .block_bytes = search->block_bytes };
    memcpy(head.magic, saved_magic, sizeof head.magic);
    mu_sha256_hex(settings, strlen(settings), digest);
    memcpy(head.settings, digest, DIGEST_BYTES);
    const size_t content_bytes = sizeof head + search->block_bytes;
    unsigned char *bytes = malloc(content_bytes + DIGEST_BYTES);
    if (!bytes)
        return mu_error_set(err, MU_E_MEMORY, "no memory to save a search of %zu bytes", content_bytes);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + sizeof head, search->block, search->block_bytes);
    mu_sha256_hex(bytes, content_bytes, digest);
    memcpy(bytes + content_bytes, digest, DIGEST_BYTES);
    *out = bytes;
    *size_bytes = content_bytes + DIGEST_BYTES;
    return MU_OK;
}

/* Before a byte of it is believed. `block_bytes`: of a search of this configuration. */
static mu_status check_saved(const unsigned char *data, size_t size_bytes, const char *settings, const char *name, size_t block_bytes, saved_head *head,
                             mu_error *err)
{
    char digest[MU_SHA256_HEX_BYTES];
    if (size_bytes < sizeof *head || memcmp(data, saved_magic, sizeof saved_magic) != 0)
        return mu_error_set(err, MU_E_PARSE, "%s: this is no saved search: it does not begin with '%s'", name, saved_magic);
    memcpy(head, data, sizeof *head);
    mu_sha256_hex(settings, strlen(settings), digest);
    if (memcmp(head->settings, digest, DIGEST_BYTES) != 0)
        return mu_error_set(err, MU_E_CONFIG, "%s: this search was begun with another experiment or other options", name);
    const size_t content_bytes = sizeof *head + block_bytes;
    if (head->block_bytes != block_bytes || size_bytes != content_bytes + DIGEST_BYTES)
        return mu_error_set(err, MU_E_CHECKSUM, "%s: the saved search is damaged: it has %zu bytes, expected %zu", name, size_bytes,
                            content_bytes + DIGEST_BYTES);
    mu_sha256_hex(data, content_bytes, digest);
    if (memcmp(data + content_bytes, digest, DIGEST_BYTES) != 0)
        return mu_error_set(err, MU_E_CHECKSUM, "%s: the saved search is damaged: its end is not the digest of what is before", name);
    return MU_OK;
}

mu_status mu_width_search_decode(const mu_width_search_config *config, const char *settings, const char *name, const void *data, size_t size_bytes,
                                 mu_width_search **out, mu_error *err)
{
    saved_head head;
    mu_width_search *search;
    mu_status status = create_empty(config, &search, err);
    if (status)
        return status;
    status = check_saved(data, size_bytes, settings, name, search->block_bytes, &head, err);
    if (!status) {
        const mu_nsga2_config nsga2 = nsga2_config(search);
        search->config.cost = head.cost;
        memcpy(search->block, (const unsigned char *)data + sizeof head, search->block_bytes);
        status = find_whole_cost(search, err);
        if (!status)
            status = mu_nsga2_restore(&nsga2, search->block, search->block_bytes, &search->nsga2, err);
        if (status)
            mu_error_prefix(err, status, "%s: ", name);
    }
    if (status)
        mu_width_search_destroy(search);
    else
        *out = search;
    return status;
}

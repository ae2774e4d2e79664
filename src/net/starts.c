/* Starts: a list of those that are held. There are few: one a version and part, and versions end. */
#include "net/starts.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct entry {
    mu_start      start; /* first: what callers hold */
    mu_version   *version; /* NULL: of a state */
    bool         *kept; /* NULL: the whole model */
    uint32_t      holders;
    struct entry *next;
} entry;

struct mu_starts {
    const mu_model *model;
    const mu_units *units;
    uint32_t        vectors;
    const char     *folder;
    mu_submodel    *part; /* made for the first plan that keeps a part */
    float          *gathered;
    entry          *first;
};

mu_status mu_starts_create(const mu_model *model, const mu_units *units, uint32_t vectors_received, const char *folder, mu_starts **out, mu_error *err)
{
    mu_starts *starts = calloc(1, sizeof *starts);
    if (!starts)
        return mu_error_set(err, MU_E_MEMORY, "no memory for what tasks start from");
    *starts = (mu_starts){ .model = model, .units = units, .vectors = vectors_received, .folder = folder };
    *out = starts;
    return MU_OK;
}

static void entry_free(entry *e)
{
    mu_version_release(e->version);
    free(e->start.path);
    free(e->kept);
    free(e);
}

void mu_starts_destroy(mu_starts *starts)
{
    if (!starts)
        return;
    for (entry *e = starts->first, *next; e; e = next) {
        next = e->next;
        entry_free(e);
    }
    mu_submodel_destroy(starts->part);
    free(starts->gathered);
    free(starts);
}

/* ---- parts ---- */

mu_status mu_starts_part(mu_starts *starts, const bool *kept, const mu_submodel **out, size_t *state_count, mu_error *err)
{
    *out = NULL;
    *state_count = mu_model_state_count(starts->model);
    if (!kept)
        return MU_OK;
    MU_ASSERT(starts->units);
    mu_status status = starts->part ? MU_OK : mu_submodel_create(starts->units, &starts->part, err);
    if (!status)
        status = mu_submodel_form(starts->part, kept, err);
    if (status)
        return status;
    *out = starts->part;
    *state_count = mu_model_state_count(mu_submodel_model(starts->part));
    return MU_OK;
}

static bool same_kept(const mu_starts *starts, const bool *a, const bool *b)
{
    return a == b || (a && b && memcmp(a, b, mu_units_count(starts->units) * sizeof *a) == 0);
}

/* ---- writing one ---- */

/* The blob's floats: the part of the state, then of each vector that goes down. */
static mu_status gather(mu_starts *starts, const float *const *vectors, uint32_t count, const bool *kept, mu_blob_part *parts, mu_error *err)
{
    const mu_submodel *part;
    size_t floats, whole = mu_model_state_count(starts->model);
    mu_status status = mu_starts_part(starts, kept, &part, &floats, err);
    if (status)
        return status;
    if (part && !starts->gathered && !(starts->gathered = malloc((1 + (size_t)starts->vectors) * whole * sizeof(float))))
        return mu_error_set(err, MU_E_MEMORY, "no memory for a part of a model of %zu parameters", whole);
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (mu_blob_part){ vectors[i], floats };
        if (part) {
            mu_submodel_gather(part, MU_EXTENT_STATE, vectors[i], starts->gathered + i * floats);
            parts[i].floats = starts->gathered + i * floats;
        }
    }
    return MU_OK;
}

static mu_status write_entry(mu_starts *starts, entry *e, const float *const *vectors, uint32_t count, mu_error *err)
{
    mu_blob_part parts[1 + MU_VECTORS_MAX];
    mu_status status = gather(starts, vectors, count, e->kept, parts, err);
    if (status)
        return status;
    mu_blob_digest digest;
    mu_blob_digest_of(parts, count, &digest);
    mu_blob_digest_hex(&digest, e->start.digest_hex);
    e->start.floats = count * (uint64_t)parts[0].count;
    char name[MU_BLOB_DIGEST_HEX_BYTES + 8];
    snprintf(name, sizeof name, "%s.plain", e->start.digest_hex);
    e->start.path = mu_path_join(starts->folder, name);
    if (!e->start.path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the path of a blob");
    uint64_t size_bytes;
    return mu_file_exists(e->start.path) ? MU_OK : mu_blob_write_file(e->start.path, parts, count, MU_BLOB_PLAIN, &digest, &size_bytes, err);
}

/* `version` NULL: of a state. */
static mu_status add_entry(mu_starts *starts, mu_version *version, const float *const *vectors, uint32_t count, const bool *kept, const mu_start **out,
                           mu_error *err)
{
    entry *e = calloc(1, sizeof *e);
    if (e && kept && (e->kept = malloc(mu_units_count(starts->units) + 1)))
        memcpy(e->kept, kept, mu_units_count(starts->units) * sizeof *kept);
    if (!e || (kept && !e->kept)) {
        free(e);
        return mu_error_set(err, MU_E_MEMORY, "no memory for what tasks start from");
    }
    if (version)
        mu_version_retain(version);
    e->version = version;
    mu_status status = write_entry(starts, e, vectors, count, err);
    if (status) {
        entry_free(e);
        return status;
    }
    e->holders = 1;
    e->next = starts->first;
    starts->first = e;
    *out = &e->start;
    return MU_OK;
}

mu_status mu_starts_take(mu_starts *starts, mu_version *version, const bool *kept, const mu_start **out, mu_error *err)
{
    for (entry *e = starts->first; e; e = e->next)
        if (e->holders && e->version == version && same_kept(starts, e->kept, kept)) {
            e->holders++;
            *out = &e->start;
            return MU_OK;
        }
    const float *vectors[1 + MU_VECTORS_MAX] = { mu_version_state(version) };
    for (uint32_t i = 0; i < starts->vectors; i++)
        vectors[1 + i] = mu_version_received(version, i);
    return add_entry(starts, version, vectors, 1 + starts->vectors, kept, out, err);
}

mu_status mu_starts_take_state(mu_starts *starts, const float *state, const bool *kept, const mu_start **out, mu_error *err)
{
    return add_entry(starts, NULL, &state, 1, kept, out, err);
}

void mu_starts_let_go(mu_starts *starts, const mu_start *start)
{
    (void)starts;
    entry *e = (entry *)(uintptr_t)start;
    MU_ASSERT(e->holders > 0);
    if (--e->holders)
        return;
    mu_version_release(e->version); /* the next version may take its place in memory; the file stays until it is swept */
    e->version = NULL;
}

/* ---- sweeping ---- */

static bool is_held(const mu_starts *starts, const char *file_name)
{
    for (const entry *e = starts->first; e; e = e->next)
        if (e->holders && strncmp(file_name, e->start.digest_hex, MU_BLOB_DIGEST_HEX_BYTES - 1) == 0)
            return true;
    return false;
}

void mu_starts_sweep(mu_starts *starts)
{
    for (entry **at = &starts->first; *at;) {
        entry *e = *at;
        if (e->holders) {
            at = &e->next;
            continue;
        }
        *at = e->next;
        entry_free(e);
    }
    DIR *folder = opendir(starts->folder);
    for (struct dirent *file; folder && (file = readdir(folder));) {
        if (file->d_name[0] == '.' || is_held(starts, file->d_name))
            continue;
        unlinkat(dirfd(folder), file->d_name, 0); /* one that stays costs room and nothing else */
    }
    if (folder)
        closedir(folder);
}

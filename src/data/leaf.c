/* LEAF's JSON, by cJSON. */
#include "data/leaf.h"

#include "base/limits.h"

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    const char *name;
    mu_intern  *users, *labels;
    mu_leaf    *leaf;
    mu_error   *err;
    const char *user; /* whose data are being read */
    uint32_t    user_number, index;
} reader;

/* "file: user_data.'f01'.x[3]: " and what is wrong there. */
static mu_status bad(const reader *r, const char *member, const char *what)
{
    return mu_error_set(r->err, MU_E_PARSE, "%s: user_data.'%s'.%s[%u]: %s", r->name, r->user, member, r->index, what);
}

static mu_status make_room(reader *r)
{
    mu_leaf *leaf = r->leaf;
    if (leaf->count < leaf->capacity)
        return MU_OK;
    uint32_t capacity = leaf->capacity ? 2 * leaf->capacity : 16;
    if (capacity > MU_LIMIT_EXAMPLES)
        return mu_error_set(r->err, MU_E_LIMIT, "%s: more than %zu examples", r->name, MU_LIMIT_EXAMPLES);
    uint32_t *labels = realloc(leaf->labels, capacity * sizeof *labels);
    if (labels)
        leaf->labels = labels;
    uint32_t *users = realloc(leaf->users, capacity * sizeof *users);
    if (users)
        leaf->users = users;
    float *values = leaf->is_text ? NULL : realloc(leaf->values, (size_t)capacity * leaf->length * sizeof *values);
    if (values)
        leaf->values = values;
    if (!labels || !users || (!values && !leaf->is_text))
        return mu_error_set(r->err, MU_E_MEMORY, "%s: no memory for %u examples", r->name, capacity);
    leaf->capacity = capacity;
    return MU_OK;
}

/* The first example says what all are. */
static mu_status settle_kind(reader *r, const cJSON *x)
{
    mu_leaf *leaf = r->leaf;
    leaf->is_text = cJSON_IsString(x);
    if (!leaf->is_text) {
        leaf->length = (size_t)cJSON_GetArraySize(x);
    } else {
        mu_codes codes = { 0 };
        mu_status status = mu_codes_add(&codes, r->name, x->valuestring, strlen(x->valuestring), &leaf->length, r->err);
        mu_codes_release(&codes);
        if (status)
            return status;
    }
    if (leaf->length == 0 || leaf->length > MU_LIMIT_EXAMPLE_VALUES)
        return bad(r, "x", "an example without values, or with too many");
    return MU_OK;
}

static mu_status read_values(reader *r, const cJSON *x)
{
    mu_leaf *leaf = r->leaf;
    float *out = leaf->values + (size_t)leaf->count * leaf->length;
    size_t seen = 0;
    const cJSON *value;
    cJSON_ArrayForEach(value, x)
    {
        if (seen == leaf->length)
            return bad(r, "x", "more values than in the examples before");
        if (!cJSON_IsNumber(value) || !isfinite((float)value->valuedouble))
            return bad(r, "x", "holds something that is not a finite number");
        out[seen++] = (float)value->valuedouble;
    }
    return seen == leaf->length ? MU_OK : bad(r, "x", "fewer values than in the examples before");
}

static mu_status read_text(reader *r, const cJSON *x)
{
    size_t added = 0;
    mu_status status = mu_codes_add(&r->leaf->inputs, r->name, x->valuestring, strlen(x->valuestring), &added, r->err);
    if (!status && added != r->leaf->length)
        return bad(r, "x", "not as many characters as in the examples before");
    return status;
}

static mu_status read_label(reader *r, const cJSON *y, uint32_t *out)
{
    if (r->leaf->is_text) {
        mu_codes code = { 0 };
        size_t added = 0;
        mu_status status = cJSON_IsString(y) ? mu_codes_add(&code, r->name, y->valuestring, strlen(y->valuestring), &added, r->err) : MU_OK;
        if (added == 1)
            *out = code.codes[0];
        mu_codes_release(&code);
        return status ? status : added == 1 ? MU_OK : bad(r, "y", "expected one character, the one after x");
    }
    char number[32];
    const char *text = cJSON_IsString(y) ? y->valuestring : number;
    if (cJSON_IsNumber(y))
        snprintf(number, sizeof number, "%.0f", y->valuedouble >= 0.0 && y->valuedouble < 1e9 ? y->valuedouble : -1.0);
    if (cJSON_IsNumber(y) && (y->valuedouble != floor(y->valuedouble) || number[0] == '-'))
        return bad(r, "y", "expected a whole number from 0 on");
    if (!cJSON_IsNumber(y) && !cJSON_IsString(y))
        return bad(r, "y", "expected a whole number or a text");
    mu_status status = mu_intern_add(r->labels, text, strlen(text), MU_LIMIT_CLASSES, "labels", out, r->err);
    return status ? mu_error_prefix(r->err, status, "%s: user_data.'%s'.y[%u]: ", r->name, r->user, r->index) : MU_OK;
}

static mu_status read_example(reader *r, const cJSON *x, const cJSON *y)
{
    mu_leaf *leaf = r->leaf;
    if (!cJSON_IsArray(x) && !cJSON_IsString(x))
        return bad(r, "x", "expected a list of numbers or a text");
    mu_status status = leaf->length ? MU_OK : settle_kind(r, x);
    if (!status && leaf->is_text != (bool)cJSON_IsString(x))
        return bad(r, "x", leaf->is_text ? "a list of numbers, but the examples before are texts" : "a text, but the examples before are lists");
    if (!status)
        status = make_room(r);
    if (!status)
        status = leaf->is_text ? read_text(r, x) : read_values(r, x);
    if (!status)
        status = read_label(r, y, &leaf->labels[leaf->count]);
    if (status)
        return status;
    leaf->users[leaf->count++] = r->user_number;
    return MU_OK;
}

/* x and y of one user; `samples` is what num_samples says of him. */
static mu_status read_user(reader *r, const cJSON *data, const cJSON *samples)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(data, "x"), *y = cJSON_GetObjectItemCaseSensitive(data, "y");
    r->index = 0;
    if (!cJSON_IsArray(x) || !cJSON_IsArray(y))
        return mu_error_set(r->err, MU_E_PARSE, "%s: user_data.'%s': expected lists 'x' and 'y'", r->name, r->user);
    const cJSON *x_item = x->child, *y_item = y->child;
    mu_status status = MU_OK;
    for (; x_item && y_item && !status; x_item = x_item->next, y_item = y_item->next, r->index++)
        status = read_example(r, x_item, y_item);
    if (status)
        return status;
    if (x_item || y_item)
        return mu_error_set(r->err, MU_E_PARSE, "%s: user_data.'%s': %d x and %d y, expected as many of both", r->name, r->user,
                            cJSON_GetArraySize(x), cJSON_GetArraySize(y));
    if (!cJSON_IsNumber(samples) || samples->valuedouble != (double)r->index)
        return mu_error_set(r->err, MU_E_PARSE, "%s: user_data.'%s' has %u examples, but num_samples says %g", r->name, r->user, r->index,
                            cJSON_IsNumber(samples) ? samples->valuedouble : 0.0);
    return MU_OK;
}

/* What num_samples says of each user, by the number that the name gets in this file's own list. */
static mu_status list_users(reader *r, const cJSON *root, mu_intern *listed, const cJSON ***samples)
{
    const cJSON *users = cJSON_GetObjectItemCaseSensitive(root, "users");
    const cJSON *counts = cJSON_GetObjectItemCaseSensitive(root, "num_samples");
    if (!cJSON_IsArray(users) || !cJSON_IsArray(counts) || cJSON_GetArraySize(users) != cJSON_GetArraySize(counts))
        return mu_error_set(r->err, MU_E_PARSE, "%s: expected lists 'users' and 'num_samples' of the same length", r->name);
    *samples = malloc(((size_t)cJSON_GetArraySize(users) + 1) * sizeof **samples);
    if (!*samples)
        return mu_error_set(r->err, MU_E_MEMORY, "%s: no memory for its users", r->name);
    const cJSON *count = counts->child, *user;
    cJSON_ArrayForEach(user, users)
    {
        uint32_t number, before = listed->names.count;
        if (!cJSON_IsString(user))
            return mu_error_set(r->err, MU_E_PARSE, "%s: users[%u] is not a text", r->name, before);
        mu_status status = mu_intern_add(listed, user->valuestring, strlen(user->valuestring), MU_LIMIT_DEVICES, "users", &number, r->err);
        if (status)
            return mu_error_prefix(r->err, status, "%s: ", r->name);
        if (listed->names.count == before)
            return mu_error_set(r->err, MU_E_PARSE, "%s: users: '%s' is there twice", r->name, user->valuestring);
        (*samples)[number] = count;
        count = count->next;
    }
    return MU_OK;
}

static mu_status read_all(reader *r, const cJSON *root)
{
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(root, "user_data");
    mu_intern listed = { 0 };
    const cJSON **samples = NULL, *user = NULL;
    uint32_t seen = 0;
    mu_status status = list_users(r, root, &listed, &samples);
    if (!status && !cJSON_IsObject(data))
        status = mu_error_set(r->err, MU_E_PARSE, "%s: expected a map 'user_data'", r->name);
    for (user = status ? NULL : data->child; user && !status; user = user->next) {
        uint32_t number = 0;
        r->user = user->string;
        if (!mu_intern_find(&listed, user->string, strlen(user->string), &number))
            status = mu_error_set(r->err, MU_E_PARSE, "%s: user_data.'%s' is not among the users", r->name, user->string);
        if (!status)
            status = mu_intern_add(r->users, user->string, strlen(user->string), MU_LIMIT_DEVICES, "users", &r->user_number, r->err);
        if (!status)
            status = read_user(r, user, samples[number]);
        seen++;
    }
    if (!status && seen != listed.names.count)
        status = mu_error_set(r->err, MU_E_PARSE, "%s: %u users, but data of %u", r->name, listed.names.count, seen);
    mu_intern_release(&listed);
    free(samples);
    return status;
}

mu_status mu_leaf_read(const char *name, const unsigned char *data, size_t size_bytes, mu_intern *users, mu_intern *labels, mu_leaf *leaf,
                       mu_error *err)
{
    if (size_bytes > MU_LIMIT_JSON_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "%s: %zu bytes of JSON, at most %zu can be read at once; LEAF splits its data into files", name,
                            size_bytes, MU_LIMIT_JSON_BYTES);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts((const char *)data, size_bytes, &end, 0);
    if (!root)
        return mu_error_set(err, MU_E_PARSE, "%s: no JSON: something unexpected at byte %zu", name,
                            end ? (size_t)(end - (const char *)data) : (size_t)0);
    reader r = { .name = name, .users = users, .labels = labels, .leaf = leaf, .err = err };
    mu_status status = cJSON_IsObject(root) ? read_all(&r, root) : mu_error_set(err, MU_E_PARSE, "%s: expected a map with 'users'", name);
    cJSON_Delete(root);
    return status;
}

void mu_leaf_release(mu_leaf *leaf)
{
    free(leaf->values);
    free(leaf->labels);
    free(leaf->users);
    mu_codes_release(&leaf->inputs);
    *leaf = (mu_leaf){ 0 };
}

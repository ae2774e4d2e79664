/* Single values, tokens and devices. */
#include "net/store_sqlite.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- single values ---- */

typedef struct fact {
    const char *name;
    const void *value;
    size_t      size_bytes;
} fact;

static mu_status set_fact(mu_store *store, void *what, mu_error *err)
{
    const fact   *set = what;
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_SET_FACT);
    sqlite3_bind_text(statement, 1, set->name, -1, SQLITE_STATIC);
    mu_store_bind_bytes(statement, 2, set->value, set->size_bytes);
    return mu_store_step(store, statement, NULL, err);
}

mu_status mu_store_set(mu_store *store, const char *name, const void *value, size_t size_bytes, mu_error *err)
{
    if (size_bytes > MU_LIMIT_STORE_VALUE_BYTES / 2)
        return mu_error_set(err, MU_E_LIMIT, "store '%s': '%s' has %zu bytes, at most %zu can be kept", store->path, name, size_bytes,
                            MU_LIMIT_STORE_VALUE_BYTES / 2);
    return mu_store_change(store, set_fact, &(fact){ name, value, size_bytes }, err);
}

mu_status mu_store_get(mu_store *store, const char *name, void **value, size_t *size_bytes, mu_error *err)
{
    *value = NULL;
    *size_bytes = 0;
    mu_store_lock(store);
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_GET_FACT);
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    bool      row;
    mu_status status = mu_store_step(store, statement, &row, err);
    if (!status && row) {
        const void *bytes = sqlite3_column_blob(statement, 0);
        *size_bytes = (size_t)sqlite3_column_bytes(statement, 0);
        *value = bytes || !*size_bytes ? malloc(*size_bytes + 1) : NULL;
        if (!*value)
            status = mu_error_set(err, MU_E_MEMORY, "no memory for the %zu bytes of '%s' in store '%s'", *size_bytes, name, store->path);
        else if (*size_bytes)
            memcpy(*value, bytes, *size_bytes);
        sqlite3_reset(statement);
    }
    mu_store_unlock(store);
    return status;
}

/* ---- reading a device ---- */

static mu_status read_number(const mu_store *store, sqlite3_stmt *statement, int column, uint32_t *out, mu_error *err)
{
    int64_t number = sqlite3_column_int64(statement, column);
    if (number < 0 || number >= MU_LIMIT_DEVICES)
        return mu_store_damaged(store, "a device's number is out of range", err);
    *out = (uint32_t)number;
    return MU_OK;
}

/* From the row that the statement stands on. */
static mu_status read_device(mu_store *store, sqlite3_stmt *statement, mu_store_device *out, mu_error *err)
{
    *out = (mu_store_device){ 0 };
    mu_status status = read_number(store, statement, 0, &out->number, err);
    if (status)
        return status;
    char                 what[64];
    const unsigned char *key = sqlite3_column_blob(statement, 1);
    const unsigned char *name = sqlite3_column_text(statement, 2);
    int                  name_bytes = sqlite3_column_bytes(statement, 2);
    if (!key || !name || sqlite3_column_bytes(statement, 1) != MU_STORE_KEY_BYTES || name_bytes >= MU_STORE_NAME_BYTES) {
        snprintf(what, sizeof what, "the key or the name of device %u", out->number);
        return sqlite3_errcode(store->db) == SQLITE_NOMEM ? mu_store_failed(store, SQLITE_NOMEM, err) : mu_store_damaged(store, what, err);
    }
    memcpy(out->public_key, key, MU_STORE_KEY_BYTES);
    memcpy(out->name, name, (size_t)name_bytes);
    out->revoked = sqlite3_column_int(statement, 3) != 0;
    out->enrolled_at_s = sqlite3_column_int64(statement, 4);
    out->seen_at_s = sqlite3_column_int64(statement, 5);
    int64_t seen_at_s = mu_store_last_seen(store, out->number);
    if (seen_at_s > out->seen_at_s)
        out->seen_at_s = seen_at_s;
    return MU_OK;
}

/* The device of that number, or the next one after it. With the connection held. */
static mu_status look_up(mu_store *store, mu_store_statement which, int64_t number, mu_store_device *out, bool *found, mu_error *err)
{
    sqlite3_stmt *statement = mu_store_prepared(store, which);
    sqlite3_bind_int64(statement, 1, number);
    mu_status status = mu_store_step(store, statement, found, err);
    if (!status && *found) {
        status = read_device(store, statement, out, err);
        sqlite3_reset(statement);
    }
    *found = *found && !status;
    return status;
}

mu_status mu_store_find_device(mu_store *store, uint32_t number, mu_store_device *out, bool *found, mu_error *err)
{
    mu_store_lock(store);
    mu_status status = look_up(store, MU_SQL_FIND_DEVICE, number, out, found, err);
    mu_store_unlock(store);
    return status;
}

mu_status mu_store_each_device(mu_store *store, mu_status (*take)(void *self, const mu_store_device *device, mu_error *err), void *self,
                               mu_error *err)
{
    for (int64_t last = INT64_MIN;;) {
        mu_store_device device;
        bool            found;
        mu_store_lock(store);
        mu_status status = look_up(store, MU_SQL_NEXT_DEVICE, last, &device, &found, err);
        mu_store_unlock(store);
        if (!status && found)
            status = take(self, &device, err);
        if (status || !found)
            return status;
        last = device.number;
    }
}

/* ---- tokens ---- */

typedef struct token {
    const unsigned char *digest;
    uint32_t             device, devices, given;
    int64_t              now_s, expires_at_s;
} token;

/* Nobody's, and no token that is still good speaks for it. A revoked device's counts as `had`. */
static mu_status is_free(mu_store *store, uint32_t number, int64_t now_s, bool *out, bool *had, mu_error *err)
{
    mu_store_device device;
    mu_status       status = look_up(store, MU_SQL_FIND_DEVICE, number, &device, had, err);
    *out = !*had || device.revoked;
    if (status || !*out)
        return status;
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_IS_NUMBER_SPOKEN_FOR);
    sqlite3_bind_int64(statement, 1, number);
    sqlite3_bind_int64(statement, 2, now_s);
    bool spoken_for;
    status = mu_store_step(store, statement, &spoken_for, err);
    sqlite3_reset(statement);
    *out = !status && !spoken_for;
    return status;
}

/* Once around, from where the last one was found: a thousand tokens in a row do not look at a thousand numbers each. */
static mu_status find_free(mu_store *store, token *add, mu_error *err)
{
    for (uint32_t tried = 0; tried < add->devices; tried++) {
        uint32_t number = store->next_number < add->devices ? store->next_number : 0;
        bool     is, had;
        store->next_number = number + 1;
        mu_status status = is_free(store, number, add->now_s, &is, &had, err);
        if (status)
            return status;
        if (is && !had) {
            add->given = number;
            return MU_OK;
        }
    }
    return mu_error_set(err, MU_E_LIMIT, "all %u devices of the federation have enrolled or have a token: revoke one and ask for its number, or let more in "
                        "(devices:)", add->devices);
}

static mu_status take_number(mu_store *store, token *add, mu_error *err)
{
    bool is, had;
    if (add->device >= add->devices)
        return mu_error_set(err, MU_E_RANGE, "there is no device %u: the federation has %u, counted from 0", add->device, add->devices);
    mu_status status = is_free(store, add->device, add->now_s, &is, &had, err);
    if (!status && !is)
        status = mu_error_set(err, MU_E_STATE, had ? "number %u is a device's: revoke it first" : "there is a token for number %u already, which has not expired",
                              add->device);
    add->given = add->device;
    return status;
}

static mu_status add_token(mu_store *store, void *what, mu_error *err)
{
    token    *add = what;
    mu_status status = add->device == MU_STORE_ANY_DEVICE ? find_free(store, add, err) : take_number(store, add, err);
    if (status)
        return status;
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_FORGET_TOKENS); /* those that have expired: one number, one token */
    sqlite3_bind_int64(statement, 1, add->given);
    status = mu_store_step(store, statement, NULL, err);
    if (status)
        return status;
    statement = mu_store_prepared(store, MU_SQL_ADD_TOKEN);
    mu_store_bind_bytes(statement, 1, add->digest, MU_STORE_KEY_BYTES);
    sqlite3_bind_int64(statement, 2, add->given);
    sqlite3_bind_int64(statement, 3, add->expires_at_s);
    return mu_store_step(store, statement, NULL, err);
}

mu_status mu_store_add_token(mu_store *store, const unsigned char digest[MU_STORE_KEY_BYTES], uint32_t device, uint32_t devices, int64_t now_s,
                             int64_t expires_at_s, uint32_t *given, mu_error *err)
{
    token     add = { .digest = digest, .device = device, .devices = devices, .now_s = now_s, .expires_at_s = expires_at_s };
    mu_status status = mu_store_change(store, add_token, &add, err);
    if (!status)
        *given = add.given;
    return status;
}

/* ---- enrolment ---- */

typedef struct enrolment {
    const unsigned char *token;
    int64_t              now_s;
    mu_store_device      device;
    mu_store_enrolment   outcome;
} enrolment;

static mu_status use_token(mu_store *store, const enrolment *enrol, mu_error *err)
{
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_USE_TOKEN);
    mu_store_bind_bytes(statement, 1, enrol->token, MU_STORE_KEY_BYTES);
    mu_store_bind_bytes(statement, 2, enrol->device.public_key, MU_STORE_KEY_BYTES);
    mu_status status = mu_store_step(store, statement, NULL, err);
    if (status)
        return status;
    statement = mu_store_prepared(store, MU_SQL_PUT_DEVICE);
    sqlite3_bind_int64(statement, 1, enrol->device.number);
    mu_store_bind_bytes(statement, 2, enrol->device.public_key, MU_STORE_KEY_BYTES);
    sqlite3_bind_text(statement, 3, enrol->device.name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, enrol->now_s);
    mu_store_bind_bytes(statement, 5, enrol->token, MU_STORE_KEY_BYTES);
    return mu_store_step(store, statement, NULL, err);
}

static mu_status enrol_device(mu_store *store, void *what, mu_error *err)
{
    enrolment    *enrol = what;
    sqlite3_stmt *statement = mu_store_prepared(store, MU_SQL_FIND_TOKEN);
    mu_store_bind_bytes(statement, 1, enrol->token, MU_STORE_KEY_BYTES);
    bool      row;
    mu_status status = mu_store_step(store, statement, &row, err);
    if (status || !row) {
        enrol->outcome = MU_STORE_TOKEN_UNKNOWN;
        return status;
    }
    uint32_t number = 0;
    status = read_number(store, statement, 0, &number, err);
    bool expired = enrol->now_s >= sqlite3_column_int64(statement, 1);
    bool used = sqlite3_column_type(statement, 2) != SQLITE_NULL;
    sqlite3_reset(statement);
    mu_store_device there;
    bool            had = false;
    if (!status)
        status = look_up(store, MU_SQL_FIND_DEVICE, number, &there, &had, err);
    if (status)
        return status;
    if (used || (had && !there.revoked)) { /* by its device, unless the number has become another one's since */
        bool same = had && !memcmp(there.public_key, enrol->device.public_key, MU_STORE_KEY_BYTES);
        enrol->outcome = same ? MU_STORE_ENROLLED_BEFORE : MU_STORE_TOKEN_USED;
        if (same)
            enrol->device = there;
        return MU_OK;
    }
    enrol->outcome = expired ? MU_STORE_TOKEN_EXPIRED : MU_STORE_ENROLLED;
    if (expired)
        return MU_OK;
    enrol->device.number = number;
    enrol->device.revoked = false;
    enrol->device.enrolled_at_s = enrol->device.seen_at_s = enrol->now_s;
    return use_token(store, enrol, err);
}

mu_status mu_store_enrol(mu_store *store, const unsigned char token_digest[MU_STORE_KEY_BYTES], int64_t now_s, mu_store_device *device,
                         mu_store_enrolment *outcome, mu_error *err)
{
    if (strnlen(device->name, MU_STORE_NAME_BYTES) == MU_STORE_NAME_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "a device's name has %d bytes or more", MU_STORE_NAME_BYTES);
    enrolment enrol = { .token = token_digest, .now_s = now_s, .device = *device };
    mu_status status = mu_store_change(store, enrol_device, &enrol, err);
    if (!status) {
        *device = enrol.device;
        *outcome = enrol.outcome;
    }
    return status;
}

typedef struct revocation {
    uint32_t number;
    bool     revoked;
} revocation;

static mu_status revoke(mu_store *store, void *what, mu_error *err)
{
    const revocation *ask = what;
    sqlite3_stmt     *statement = mu_store_prepared(store, MU_SQL_REVOKE);
    sqlite3_bind_int64(statement, 1, ask->number);
    sqlite3_bind_int(statement, 2, ask->revoked);
    mu_status status = mu_store_step(store, statement, NULL, err);
    if (!status && sqlite3_changes(store->db) == 0)
        status = mu_error_set(err, MU_E_RANGE, "no device %u has enrolled (store '%s')", ask->number, store->path);
    return status;
}

mu_status mu_store_revoke(mu_store *store, uint32_t number, bool revoked, mu_error *err)
{
    return mu_store_change(store, revoke, &(revocation){ number, revoked }, err);
}

/* For tests of the store: one in a folder of its own. */
#ifndef MUSTER_NET_STORE_SUPPORT_H
#define MUSTER_NET_STORE_SUPPORT_H

#include "net/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/muster-store-XXXXXX";
static char path[64];

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-store-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/store.db", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    static const char *const endings[] = { "", "-wal", "-shm", "-journal", ".lock" };
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static inline mu_store *open_as(mu_store_role role)
{
    mu_store *store = NULL;
    mu_error  err = { 0 };
    if (mu_store_open(path, role, &store, &err))
        fail_msg("%s", err.message);
    return store;
}
static inline mu_store *open_store(void) { return open_as(MU_STORE_OWNER); }

static inline mu_status put(mu_store *store, uint64_t task, uint32_t device, const char *head, mu_error *err)
{
    return mu_store_put_update(store, &(mu_store_update){ .task = task, .device = device, .head = (const unsigned char *)head, .head_bytes = strlen(head) }, err);
}

static inline mu_status count_update(void *self, const mu_store_update *update, mu_error *err)
{
    (void)update, (void)err;
    ++*(size_t *)self;
    return MU_OK;
}

#endif

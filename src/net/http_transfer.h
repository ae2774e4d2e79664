/* An update's blob on its way into its file: updates/TASK.part while it comes, TASK.blob when all of it is there and checked. */
#ifndef MUSTER_NET_HTTP_TRANSFER_H
#define MUSTER_NET_HTTP_TRANSFER_H

#include "net/blob.h"

typedef struct mu_transfer mu_transfer;

typedef struct mu_transfer_config {
    const char    *folder; /* borrowed for the transfer's life; updates/ is in it */
    uint64_t       task;
    uint64_t       floats;
    uint64_t       change_floats; /* the first so many are the change; their Euclidean norm is at most norm_max */
    double         norm_max;
    uint64_t       blob_bytes;
    mu_blob_digest digest;
} mu_transfer_config;

/* Go on with what is there: all of it is checked again, and cut where it is not sound. MU_E_IO, MU_E_MEMORY. */
mu_status mu_transfer_open(const mu_transfer_config *config, mu_transfer **out, mu_error *err);
/* The file keeps what is sound. NULL is fine. */
void      mu_transfer_close(mu_transfer *transfer);
uint64_t  mu_transfer_have_bytes(const mu_transfer *transfer);
/* MU_E_CHECKSUM: damaged on its way; what came before it is kept, and nothing more is taken. MU_E_PARSE, MU_E_RANGE (not finite, too long a change), MU_E_LIMIT
 * (more than blob_bytes): sending it again would not help. MU_E_IO, MU_E_MEMORY: our own trouble. */
mu_status mu_transfer_push(mu_transfer *transfer, const void *bytes, size_t size_bytes, mu_error *err);
bool      mu_transfer_is_whole(const mu_transfer *transfer);
/* All is there: the digest is compared, the file synced and named TASK.blob, and its folder synced. MU_E_PARSE: it is not the blob that was announced. */
mu_status mu_transfer_finish(mu_transfer *transfer, mu_error *err);

/* Files of an update. */
char *mu_transfer_path(const char *folder, uint64_t task, const char *ending); /* ".head", ".part", ".blob"; malloc'ed, NULL: no memory */
void  mu_transfer_remove(const char *folder, uint64_t task, const char *ending);

#endif

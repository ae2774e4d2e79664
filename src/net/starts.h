/* What tasks start from, as blobs in a folder: the plan's part of the model, then the vectors that go down with it. One blob for all tasks of the same version
 * and part. */
#ifndef MUSTER_NET_STARTS_H
#define MUSTER_NET_STARTS_H

#include "muster/federation.h"
#include "net/blob.h"

typedef struct mu_starts mu_starts;

/* `units` may be NULL: all plans are of the whole model. `folder` is there, borrowed. */
mu_status mu_starts_create(const mu_model *model, const mu_units *units, uint32_t vectors_received, const char *folder, mu_starts **out, mu_error *err);
void      mu_starts_destroy(mu_starts *starts); /* NULL is fine; the files stay */

typedef struct mu_start {
    char     digest_hex[MU_BLOB_DIGEST_HEX_BYTES];
    char    *path;   /* of the file, plain */
    uint64_t floats; /* in it */
} mu_start;
/* The start of a task, written when it is not there yet. Held until it is let go as often. */
mu_status mu_starts_take(mu_starts *starts, mu_version *version, const bool *kept, const mu_start **out, mu_error *err);
/* Likewise of a state that is no task's: without vectors, what a look begins with. */
mu_status mu_starts_take_state(mu_starts *starts, const float *state, const bool *kept, const mu_start **out, mu_error *err);
void      mu_starts_let_go(mu_starts *starts, const mu_start *start);
/* Remove the files that no task holds, with whatever lies beside them in other encodings. */
void      mu_starts_sweep(mu_starts *starts);

/* Floats of that part of the state; and the part itself, until the next call with another one. */
mu_status mu_starts_part(mu_starts *starts, const bool *kept, const mu_submodel **out, size_t *state_count, mu_error *err);

#endif

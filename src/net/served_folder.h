/* What lies where in the folder of a federation that is served, beside a run's own files. */
#ifndef MUSTER_NET_SERVED_FOLDER_H
#define MUSTER_NET_SERVED_FOLDER_H

#define MU_SERVE_STORE "store.db"
#define MU_SERVE_CHECKPOINT "checkpoint"
#define MU_SERVE_BLOBS "blobs"     /* DIGEST.ENCODING: what tasks start from */
#define MU_SERVE_UPDATES "updates" /* NUMBER.blob, and while one comes in .head and .part */
#define MU_SERVE_TLS "tls"

/* Values in the store. */
#define MU_SERVE_DEVICES "devices"       /* uint32_t: how many there can be */
#define MU_SERVE_BESIDE "beside"         /* the path of the first experiment's file, from the root: what it names lies beside it */
#define MU_SERVE_STARTED "started_at_us" /* int64_t, UTC */

#endif

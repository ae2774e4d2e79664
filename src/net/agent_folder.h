/* A device's folder, private to its owner (0700) and to one agent at a time. It holds, by name:
 *
 *   lock           held by the agent that works in it
 *   key            the Ed25519 key, made at the first start; whoever has it is the device
 *   device         number, address and fingerprint of the coordinator, once it has let the device in
 *   job, job.d/    what is trained, and the files that its method's options name
 *   task           the task in hand; with it cost, start.part and then start, place
 *   update, update.blob        what came of it: signed head and floats, until they are acknowledged
 *   settle-NUMBER.blob, own    updates that may yet be merged, and what the device keeps (agent_own.h)
 *
 * A small file is written whole under another name, with a checksum behind it, synced and renamed. So it is as it was, or as it is to be; one that is damaged
 * nevertheless is known. */
#ifndef MUSTER_NET_AGENT_FOLDER_H
#define MUSTER_NET_AGENT_FOLDER_H

#include "muster/status.h"

typedef struct mu_agent_folder mu_agent_folder;

/* Make the folder when it is not there. MU_E_STATE: another agent is in it. MU_E_CONFIG: it holds something else. Half-written files are removed. */
mu_status mu_agent_folder_open(const char *path, mu_agent_folder **out, mu_error *err);
void      mu_agent_folder_close(mu_agent_folder *folder); /* NULL is fine */
const char *mu_agent_folder_path(const mu_agent_folder *folder);

/* ---- files in it ---- */
#define MU_AGENT_PATH_BYTES 4096
/* FOLDER/NAME. Its length was checked when the folder was opened. */
void mu_agent_folder_name(const mu_agent_folder *folder, const char *name, char path[MU_AGENT_PATH_BYTES]);
bool mu_agent_folder_has(const mu_agent_folder *folder, const char *name);
/* One that is not there is fine. */
mu_status mu_agent_folder_remove(const mu_agent_folder *folder, const char *name, mu_error *err);
mu_status mu_agent_folder_rename(const mu_agent_folder *folder, const char *from, const char *to, mu_error *err);

typedef struct mu_agent_piece {
    const void *bytes;
    size_t      size_bytes;
} mu_agent_piece;
/* These pieces, one after the other, and a checksum. */
mu_status mu_agent_folder_put(const mu_agent_folder *folder, const char *name, const mu_agent_piece *pieces, size_t count, mu_error *err);
/* malloc'ed, the caller's; *bytes NULL: there is none. MU_E_CHECKSUM: it is damaged. At most `max_bytes`. */
mu_status mu_agent_folder_get(const mu_agent_folder *folder, const char *name, size_t max_bytes, unsigned char **bytes, size_t *size_bytes, mu_error *err);

/* ---- who the device is ---- */
typedef struct mu_agent_identity {
    unsigned char public_key[32], secret_key[64];
    bool          is_enrolled;
    uint32_t      device;
    char          url[512], fingerprint[65], federation[128]; /* fingerprint empty: the system's authorities */
} mu_agent_identity;
/* Makes the key when there is none. A damaged key is an error: the device has to be let in anew, into a new folder. */
mu_status mu_agent_identity_load(const mu_agent_folder *folder, mu_agent_identity *out, mu_error *err);
/* The coordinator has let it in: is_enrolled from now on. */
mu_status mu_agent_identity_enrolled(const mu_agent_folder *folder, mu_agent_identity *identity, mu_error *err);

#endif

/* Files: read by mapping, written so that no reader ever sees half of one. */
#ifndef MUSTER_BASE_FILE_H
#define MUSTER_BASE_FILE_H

#include "muster/status.h"

typedef struct mu_file {
    const unsigned char *data; /* read-only; never NULL, also when the file is empty */
    size_t               size_bytes;
    bool                 mapped;
} mu_file;

/* Map a regular file for reading. */
mu_status mu_file_map(const char *path, mu_file *out, mu_error *err);
void      mu_file_unmap(mu_file *file);

/* Write to PATH.tmp, sync it, rename it over PATH, sync the folder: after a crash PATH holds the old bytes or the new ones. */
mu_status mu_file_write(const char *path, const void *data, size_t size_bytes, mu_error *err);

/* Make a folder and those above it; one that is there is fine. */
mu_status mu_folder_make(const char *path, mu_error *err);

bool mu_file_exists(const char *path);

/* "a/b" from "a" and "b", malloc'ed; NULL when there is no memory. An absolute `name` is taken as it is. */
char *mu_path_join(const char *folder, const char *name);

/* `name` in the folder that the file `path` lies in, malloc'ed; NULL when there is no memory. For what a configuration names. */
char *mu_path_beside(const char *path, const char *name);

#endif

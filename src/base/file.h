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

/* The same for what is made piece by piece. After begin comes either commit or discard. */
typedef struct mu_file_writer {
    char *path, *temporary;
    int   fd;
} mu_file_writer;
mu_status mu_file_begin(const char *path, mu_file_writer *writer, mu_error *err);
mu_status mu_file_put(mu_file_writer *writer, const void *data, size_t size_bytes, mu_error *err);
mu_status mu_file_commit(mu_file_writer *writer, mu_error *err); /* PATH is as it was when it fails; the writer is released either way */
void      mu_file_discard(mu_file_writer *writer);

/* Make a folder and those above it; one that is there is fine. */
mu_status mu_folder_make(const char *path, mu_error *err);

bool mu_file_exists(const char *path);

/* "a/b" from "a" and "b", malloc'ed; NULL when there is no memory. An absolute `name` is taken as it is. */
char *mu_path_join(const char *folder, const char *name);

/* `name` in the folder that the file `path` lies in, malloc'ed; NULL when there is no memory. For what a configuration names. */
char *mu_path_beside(const char *path, const char *name);

#endif

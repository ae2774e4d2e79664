/* The members of a .tar (POSIX ustar, and the older form): enough to take files out of an archive as data sets are published. */
#ifndef MUSTER_DATA_TAR_H
#define MUSTER_DATA_TAR_H

#include "muster/status.h"

bool mu_is_tar(const unsigned char *data, size_t size_bytes);

/* Find the regular file whose name without folders is `member`; points into `data`. MU_E_PARSE when it is not there or the archive is
 * not sound up to it. */
mu_status mu_tar_find(const char *name, const unsigned char *data, size_t size_bytes, const char *member, const unsigned char **out,
                      size_t *out_size_bytes, mu_error *err);

#endif

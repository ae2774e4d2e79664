/* NPY, NumPy's format: a magic, a version, a Python dictionary as text, the elements. Versions 1 to 3.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#ifndef MUSTER_DATA_NPY_H
#define MUSTER_DATA_NPY_H

#include "data/array.h"

bool      mu_is_npy(const unsigned char *data, size_t size_bytes);
mu_status mu_npy_read(const char *name, const unsigned char *data, size_t size_bytes, mu_array *out, mu_error *err);

#endif

/* IDX, the format of MNIST: two zero bytes, the element type, the rank, the dimensions, the elements; everything big-endian.
 * http://yann.lecun.com/exdb/mnist, "the IDX file format". */
#ifndef MUSTER_DATA_IDX_H
#define MUSTER_DATA_IDX_H

#include "data/array.h"

bool      mu_is_idx(const unsigned char *data, size_t size_bytes);
mu_status mu_idx_read(const char *name, const unsigned char *data, size_t size_bytes, mu_array *out, mu_error *err);

#endif

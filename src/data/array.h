/* An array of numbers as a file holds it, and how its numbers come out. IDX and NPY are both read into this. */
#ifndef MUSTER_DATA_ARRAY_H
#define MUSTER_DATA_ARRAY_H

#include "muster/status.h"

#define MU_ARRAY_RANK_MAX 8

typedef enum mu_element {
    MU_ELEMENT_U1, MU_ELEMENT_I1, MU_ELEMENT_U2, MU_ELEMENT_I2, MU_ELEMENT_U4, MU_ELEMENT_I4, MU_ELEMENT_U8, MU_ELEMENT_I8,
    MU_ELEMENT_F2, MU_ELEMENT_F4, MU_ELEMENT_F8, MU_ELEMENT_COUNT
} mu_element;

/* Borrows the bytes that it was read from. */
typedef struct mu_array {
    const char          *name; /* of the file, for messages; borrowed */
    const unsigned char *data; /* `count` elements in C order */
    size_t               offset; /* of data in the file */
    mu_element           element;
    bool                 big_endian;
    uint32_t             rank;
    size_t               shape[MU_ARRAY_RANK_MAX];
    size_t               count; /* product of the shape */
} mu_array;

size_t      mu_element_bytes(mu_element element);
const char *mu_element_name(mu_element element);

/* Fill in `count`; the product must not overflow, be within MU_LIMIT_ARRAY_VALUES, and lie in the `available_bytes` from `data` on,
 * to the last byte. */
mu_status mu_array_measure(mu_array *array, size_t available_bytes, mu_error *err);

double mu_array_value(const mu_array *array, size_t index);
/* Values [first, first + count) as floats. */
void mu_array_floats(const mu_array *array, size_t first, size_t count, float *out);
/* All values as whole numbers from 0 to below `limit`: labels, ids. MU_E_PARSE names the first that is not. */
mu_status mu_array_labels(const mu_array *array, uint32_t limit, int32_t *out, mu_error *err);

#endif

/* Texts to numbers: the first text met is 0, the next new one 1, and so on. For ids and for class names. */
#ifndef MUSTER_DATA_INTERN_H
#define MUSTER_DATA_INTERN_H

#include "data/examples.h"

typedef struct mu_intern {
    mu_names  names;
    uint32_t *slots; /* open addressing: number + 1, or 0 for free */
    size_t    slot_count;
} mu_intern;

/* The number of a text, which is added when it is new. More than `limit` different ones are MU_E_LIMIT; `what` names them in the
 * message ("classes"). */
mu_status mu_intern_add(mu_intern *intern, const char *text, size_t length, uint32_t limit, const char *what, uint32_t *number, mu_error *err);
bool      mu_intern_find(const mu_intern *intern, const char *text, size_t length, uint32_t *number);
void      mu_intern_release(mu_intern *intern);

/* Make labels of the numbers: names that are all whole numbers from 0 to below `limit` stand for themselves; others are sorted, and
 * copied to `names` in that order. map [intern count] tells what each number becomes. */
mu_status mu_intern_to_labels(mu_intern *intern, uint32_t limit, int32_t *map, mu_names *names, mu_error *err);

#endif

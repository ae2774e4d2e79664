/* LEAF's JSON: {"users": [name, ...], "num_samples": [n, ...], "user_data": {name: {"x": [...], "y": [...]}, ...}}.
 * An x is a list of numbers, or a text of which y is the next character. https://leaf.cmu.edu, Caldas et al. 2018. */
#ifndef MUSTER_DATA_LEAF_H
#define MUSTER_DATA_LEAF_H

#include "data/intern.h"
#include "data/symbols.h"

/* Examples of one file after the other. All are numbers or all are texts, and all of one length. */
typedef struct mu_leaf {
    size_t    length;   /* values or characters in an example; 0 before the first */
    bool      is_text;
    uint32_t  count, capacity;
    float    *values;   /* [count][length] of numbers */
    mu_codes  inputs;   /* [count][length] of texts */
    uint32_t *labels;   /* numbers of interned y, or code points */
    uint32_t *users;    /* numbers of interned names */
} mu_leaf;

/* Append a file's examples. `users` and `labels` are shared by the files of a set. Release `leaf` also after a failure. */
mu_status mu_leaf_read(const char *name, const unsigned char *data, size_t size_bytes, mu_intern *users, mu_intern *labels, mu_leaf *leaf,
                       mu_error *err);
void      mu_leaf_release(mu_leaf *leaf);

#endif

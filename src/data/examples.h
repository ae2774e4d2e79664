/* Examples in memory, as the readers leave them: pictures, vectors or symbols, their labels, and who made them. */
#ifndef MUSTER_DATA_EXAMPLES_H
#define MUSTER_DATA_EXAMPLES_H

#include "data/unpack.h"
#include "muster/model.h"

/* A list of names, one block each; names[i] may be handed out while the list lives. */
typedef struct mu_names {
    char   **names;
    uint32_t count, capacity;
} mu_names;

mu_status mu_names_add(mu_names *names, const char *name, size_t length, mu_error *err);
void      mu_names_release(mu_names *names);

/* Example i begins at value i * stride; it has height * width * channels values in that order. Values are bytes or floats. */
typedef struct mu_example_pool {
    mu_shape       shape;
    uint32_t       count;
    size_t         stride;
    const uint8_t *bytes;  /* one of these two, in `owned` or in `file` */
    const float   *floats;
    int32_t       *labels; /* [count], malloc'ed */
    uint32_t      *ids;    /* [count], malloc'ed; NULL: not known */
    void          *owned;
    mu_bytes       file;
} mu_example_pool;

/* What a format makes of its files. */
typedef struct mu_corpus {
    mu_example_pool train, test;  /* test.count 0: there is none */
    uint32_t    classes;      /* every label is below */
    mu_names    class_names;  /* none, or `classes` of them */
    uint32_t    id_count;     /* every id is below */
    mu_names    id_names;     /* none, or `id_count` of them */
    float       unit;         /* 255 where bytes are shades, else 1 */
    bool        symbolic;     /* values are numbers of symbols, below `classes` */
    bool        every_label;  /* symbols only: an example has a label for each of its values, the value after it; the last one's is in `labels` */
    bool        used_fraction; /* the format has split off the test set itself */
} mu_corpus;

void mu_corpus_release(mu_corpus *corpus); /* also of a zeroed one */

size_t mu_shape_values(mu_shape shape);

/* The shape's sides and product within bounds and not 0; `name` is the file's. */
mu_status mu_shape_check(const char *name, mu_shape shape, mu_error *err);

/* The highest label plus one, over train and test. */
uint32_t mu_corpus_count_labels(const mu_corpus *corpus);

/* [count][channels][pixels] to [count][pixels][channels]; for bytes and floats. */
void mu_bytes_channels_last(const uint8_t *from, uint8_t *to, uint32_t pixels, uint32_t channels);
void mu_floats_channels_last(const float *from, float *to, uint32_t pixels, uint32_t channels);

#endif

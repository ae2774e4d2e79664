/* A CSV file as examples: one a line, a column with the label, perhaps one with who made it, numbers in all others. */
#ifndef MUSTER_DATA_CSV_TABLE_H
#define MUSTER_DATA_CSV_TABLE_H

#include "data/intern.h"

typedef struct mu_csv_config {
    int         delimiter; /* index of the words comma, semicolon, tab, space */
    bool        header;
    const char *label, *id; /* a column's name, or its number from 0, from the end if negative; id "": none */
    uint32_t    height, width; /* 0: a line is a plain vector */
} mu_csv_config;

typedef struct mu_csv_table {
    uint32_t  rows, columns; /* columns: without label and id */
    float    *values;        /* [rows][columns] */
    uint32_t *labels, *ids;  /* [rows]: numbers of the interned texts; ids NULL without an id column */
} mu_csv_table;

/* Labels and ids go through `labels` and `ids`, so that files read with the same ones agree. Release the table also after a failure. */
mu_status mu_csv_table_read(const char *name, const unsigned char *data, size_t size_bytes, const mu_csv_config *config, mu_intern *labels,
                            mu_intern *ids, mu_csv_table *out, mu_error *err);
void      mu_csv_table_release(mu_csv_table *table);

#endif

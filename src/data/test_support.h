/* What the tests of this folder share. */
#ifndef MUSTER_DATA_TEST_SUPPORT_H
#define MUSTER_DATA_TEST_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "muster/data.h"

#define FIXTURES MUSTER_SOURCE_DIR "/tests/data"

/* assert_* of cmocka compare integers; a failing status shows its sentence first. */
static inline void assert_ok(mu_status status, const mu_error *err)
{
    if (status)
        print_error("%s: %s\n", mu_status_name(status), err->message);
    assert_int_equal(status, MU_OK);
}

/* It failed in this way, and the sentence has these words. */
static inline void assert_error(mu_status status, mu_status expected, const mu_error *err, const char *words)
{
    if (status != expected || !strstr(err->message, words))
        print_error("%s: %s\n", mu_status_name(status), err->message);
    assert_int_equal(status, expected);
    assert_non_null(strstr(err->message, words));
}

/* Open the data of a section written as YAML. */
static inline mu_status open_section(const char *yaml, uint64_t seed, mu_data **out, mu_error *err)
{
    mu_conf *conf = NULL;
    assert_ok(mu_conf_parse("test.yaml", yaml, strlen(yaml), &conf, err), err);
    mu_status status = mu_data_open(mu_conf_get(mu_conf_root(conf), "data"), seed, out, err);
    mu_conf_destroy(conf);
    return status;
}

static inline mu_data *open_good(const char *yaml, uint64_t seed)
{
    mu_data *data = NULL;
    mu_error err;
    assert_ok(open_section(yaml, seed, &data, &err), &err);
    return data;
}

static inline void assert_open_fails(const char *yaml, mu_status expected, const char *words)
{
    mu_data *data = NULL;
    mu_error err;
    assert_error(open_section(yaml, 1, &data, &err), expected, &err, words);
    assert_null(data);
}

/* How many examples there are on all devices, and of each class (class_totals [classes] may be NULL). */
static inline uint64_t count_examples(const mu_data *data, uint64_t *class_totals)
{
    uint32_t classes = mu_data_classes(data), *counts = malloc(classes * sizeof *counts);
    uint64_t all = 0;
    assert_non_null(counts);
    if (class_totals)
        memset(class_totals, 0, classes * sizeof *class_totals);
    for (uint32_t d = 0; d < mu_data_device_count(data); d++) {
        uint32_t sum = 0;
        mu_data_label_counts(data, d, counts);
        for (uint32_t c = 0; c < classes; c++) {
            sum += counts[c];
            if (class_totals)
                class_totals[c] += counts[c];
        }
        assert_int_equal(sum, mu_data_num_examples(data, d));
        all += sum;
    }
    free(counts);
    return all;
}

/* A file of the fixtures, mapped. */
static inline mu_file fixture(const char *name)
{
    char path[512];
    mu_file file;
    mu_error err;
    snprintf(path, sizeof path, "%s/%s", FIXTURES, name);
    assert_ok(mu_file_map(path, &file, &err), &err);
    return file;
}

#endif

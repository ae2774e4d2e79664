/* What the tests of width rules share: units of models, and the counts of a choice. */
#ifndef MUSTER_METHOD_TEST_WIDTH_H
#define MUSTER_METHOD_TEST_WIDTH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "method/width_scores.h"
#include "muster/submodel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct net {
    mu_model *model;
    mu_units *units;
    size_t    params, count, groups; /* weights; units; unit groups */
} net;

/* Takes the model. */
static inline net net_of(mu_model *model)
{
    net n = { .model = model };
    mu_error err = { 0 };
    if (mu_units_create(model, &n.units, &err))
        fail_msg("%s", err.message);
    n.params = mu_model_param_count(model);
    n.count = mu_units_count(n.units);
    n.groups = mu_units_group_count(n.units);
    return n;
}

static inline net net_named(const char *name, mu_shape input, uint32_t classes)
{
    mu_model *model = NULL;
    mu_error err = { 0 };
    if (mu_model_create_builtin(name, NULL, input, classes, &model, &err))
        fail_msg("%s", err.message);
    return net_of(model);
}

static inline net net_written(const char *text, mu_shape input, uint32_t classes)
{
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_error err = { 0 };
    if (mu_conf_parse("test.yaml", text, strlen(text), &conf, &err) ||
        mu_model_create_layers(mu_conf_root(conf), input, classes, &model, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return net_of(model);
}

static inline void net_release(net *n)
{
    mu_units_destroy(n->units);
    mu_model_destroy(n->model);
}

/* `count` zeroed elements. */
static inline void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

static inline uint32_t kept_of(const net *n, size_t group, const bool *kept)
{
    const mu_unit_group *g = mu_units_group(n->units, group);
    uint32_t count = 0;
    for (uint32_t u = g->first; u < g->first + g->count; u++)
        count += kept[u];
    return count;
}

/* counts[g] units of each group, drawn by their scores. */
static inline void keep_by_scores(const mu_units *units, const uint32_t *counts, const float *scores, double base, mu_random *random, bool *kept)
{
    uint32_t *order = zeroed(mu_units_count(units), sizeof *order);
    mu_scores_order(units, scores, base, random, order);
    mu_scores_keep(units, counts, order, kept);
    free(order);
}

/* As "110 01": the units of each group. */
static inline const char *written(const net *n, const bool *kept)
{
    static char text[256];
    size_t at = 0;
    for (size_t g = 0; g < n->groups; g++) {
        const mu_unit_group *group = mu_units_group(n->units, g);
        if (g)
            text[at++] = ' ';
        for (uint32_t u = 0; u < group->count; u++)
            text[at++] = kept[group->first + u] ? '1' : '0';
        assert_true(at < sizeof text - 1);
    }
    text[at] = '\0';
    return text;
}

/* Two groups of 5 and 4 units between 2 inputs and 3 classes. */
static const char two_layers[] = "layers:\n"
                                 "  - {dense: a, units: 5}\n"
                                 "  - relu\n"
                                 "  - {dense: b, units: 4}\n"
                                 "  - relu\n"
                                 "  - {dense: c}\n";

static inline net small_net(void)
{
    return net_written(two_layers, (mu_shape){ 1, 1, 2 }, 3);
}

#endif

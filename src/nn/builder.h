/* Building a graph, layer by layer. The first mistake is kept and everything after it does nothing, so a model can be written down
 * without a check after each line:
 *
 *     mu_builder builder = mu_builder_begin("lenet", input, classes, err);
 *     mu_builder_add_next(&builder, &mu_layer_conv, "conv1", &(mu_conv_config){ .channels = 6, .kernel = 5, ... });
 *     ...
 *     return mu_builder_finish(&builder, out);
 */
#ifndef MUSTER_NN_BUILDER_H
#define MUSTER_NN_BUILDER_H

#include "nn/graph.h"

#define MU_VALUE_NONE UINT32_MAX

struct mu_builder {
    mu_model *model;
    mu_status status;
    mu_error *err;      /* the caller's; may be NULL */
    uint32_t  last;     /* the value that the next layer reads when it names none */
    mu_init   init;     /* of layers that say "model" */
    bool      unfused;  /* leave ReLU where it stands: for the test that compares */
};

mu_builder mu_builder_begin(const char *model_name, mu_shape input, uint32_t classes, mu_error *err);

/* Add a layer that reads `inputs`; its config (of the layer's config_bytes; NULL where there are none) is copied. `name` NULL: the kind
 * and how many of it there are by then, as in "relu2". Returns its value, or MU_VALUE_NONE. */
uint32_t mu_builder_add(mu_builder *builder, const mu_layer *layer, const char *name, const void *config, const uint32_t *inputs,
                        uint32_t input_count);
/* The same, reading the layer added last (at first: the model's input). */
uint32_t mu_builder_add_next(mu_builder *builder, const mu_layer *layer, const char *name, const void *config);

/* The value of that name; "input" is the model's input. MU_VALUE_NONE: there is none. */
uint32_t mu_builder_find(const mu_builder *builder, const char *name);

/* Check what can only be seen at the end, do the ReLUs where they can be done in passing, and hand over. Whatever it returns, the
 * builder is empty afterwards. */
mu_status mu_builder_finish(mu_builder *builder, mu_model **out);

#endif

/* Building a graph: checks, parameters, and the ReLUs that are done in passing. */
#include "nn/builder.h"

#include "base/limits.h"
#include "nn/layers.h"

#include <string.h>

static bool fail(mu_builder *builder, mu_status status)
{
    builder->status = status;
    return false;
}

static bool no_memory(mu_builder *builder)
{
    return fail(builder, mu_error_set(builder->err, MU_E_MEMORY, "no memory for the model"));
}

/* One more element at the end of an array in the store. It grows by doubling; what it leaves behind goes with the store. */
static void *append(mu_store *store, void *array, uint32_t *count, uint32_t *capacity, size_t element_bytes)
{
    unsigned char *bytes = array;
    if (*count == *capacity) {
        uint32_t grown = *capacity ? 2 * *capacity : 16;
        bytes = mu_store_take(store, grown, element_bytes);
        if (!bytes)
            return NULL;
        if (*count)
            memcpy(bytes, array, *count * element_bytes);
        *capacity = grown;
    }
    ++*count;
    return bytes;
}

static bool check_input(mu_builder *builder, mu_shape input, uint32_t classes)
{
    uint64_t pixels = (uint64_t)input.height * input.width;
    if (pixels == 0 || input.channels == 0 || pixels > MU_LIMIT_EXAMPLE_VALUES || pixels * input.channels > MU_LIMIT_EXAMPLE_VALUES)
        return fail(builder, mu_error_set(builder->err, MU_E_SHAPE, "a model for inputs of %u x %u x %u: expected 1 to %zu values",
                                          input.height, input.width, input.channels, MU_LIMIT_EXAMPLE_VALUES));
    if (classes < 2 || classes > MU_LIMIT_CLASSES)
        return fail(builder,
                    mu_error_set(builder->err, MU_E_RANGE, "a model for %u classes: expected 2 to %u", classes, MU_LIMIT_CLASSES));
    return true;
}

mu_builder mu_builder_begin(const char *model_name, mu_shape input, uint32_t classes, mu_error *err)
{
    mu_builder builder = { .err = err, .init = MU_INIT_PYTORCH };
    if (!check_input(&builder, input, classes))
        return builder;
    mu_store store = { 0 };
    mu_model *model = mu_store_take(&store, 1, sizeof *model);
    if (!model) {
        no_memory(&builder);
        return builder;
    }
    model->store = store;
    model->input = input;
    model->classes = classes;
    model->statistic_sets = 1;
    builder.model = model;
    model->name = mu_store_text(&model->store, model_name);
    if (!model->name)
        no_memory(&builder);
    return builder;
}

uint32_t mu_builder_find(const mu_builder *builder, const char *name)
{
    if (strcmp(name, "input") == 0)
        return 0;
    for (uint32_t i = 0; builder->model && i < builder->model->node_count; i++)
        if (strcmp(builder->model->nodes[i].name, name) == 0)
            return i + 1;
    return MU_VALUE_NONE;
}

static bool is_name_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool check_name(mu_builder *builder, const char *name)
{
    size_t length = 0;
    while (is_name_letter(name[length]))
        length++;
    if (length == 0 || name[length])
        return fail(builder, mu_error_set(builder->err, MU_E_CONFIG,
                                          "'%.128s' is no name for a layer: letters, digits, '_', '-' and '.'", name));
    if (length > MU_LIMIT_NAME_BYTES)
        return fail(builder, mu_error_set(builder->err, MU_E_LIMIT, "the layer name '%.32s...' has more than %u letters", name,
                                          MU_LIMIT_NAME_BYTES));
    if (mu_builder_find(builder, name) != MU_VALUE_NONE)
        return fail(builder, mu_error_set(builder->err, MU_E_CONFIG, "the name '%s' is taken by %s", name,
                                          strcmp(name, "input") == 0 ? "the model's input" : "a layer before; give this one another"));
    return true;
}

/* "relu3" for the third one. */
static void make_name(const mu_builder *builder, const char *kind, char *name, size_t capacity_bytes)
{
    uint32_t number = 1, count = 0;
    for (uint32_t i = 0; i < builder->model->node_count; i++)
        number += strcmp(builder->model->nodes[i].layer->kind, kind) == 0;
    char digits[10];
    for (uint32_t rest = number; rest; rest /= 10)
        digits[count++] = (char)('0' + rest % 10);
    size_t length = strlen(kind);
    MU_ASSERT(length + count < capacity_bytes);
    memcpy(name, kind, length);
    while (count)
        name[length++] = digits[--count];
    name[length] = '\0';
}

static bool copy_config(mu_builder *builder, mu_node *node, const void *config)
{
    const mu_layer *layer = node->layer;
    if (layer->config_bytes == 0)
        return true;
    node->config = mu_store_take(&builder->model->store, 1, layer->config_bytes);
    if (!node->config)
        return no_memory(builder);
    if (config)
        memcpy(node->config, config, layer->config_bytes);
    for (size_t i = 0; i < layer->option_count; i++) {
        if (layer->options[i].kind != MU_OPTION_TEXT)
            continue;
        const char **text = (void *)((char *)node->config + layer->options[i].offset);
        MU_ASSERT(*text);
        *text = mu_store_text(&builder->model->store, *text);
        if (!*text)
            return no_memory(builder);
    }
    return true;
}

static bool connect(mu_builder *builder, mu_node *node, const uint32_t *inputs, uint32_t count)
{
    const mu_layer *layer = node->layer;
    const mu_model *model = builder->model;
    if (count < layer->inputs_min || count > layer->inputs_max)
        return fail(builder, mu_error_set(builder->err, MU_E_CONFIG, "%s '%s' has %u input%s, expected %u to %u", layer->kind,
                                          node->name, count, count == 1 ? "" : "s", layer->inputs_min, layer->inputs_max));
    node->input_count = count;
    node->inputs = mu_store_take(&builder->model->store, count, sizeof *node->inputs);
    if (!node->inputs)
        return no_memory(builder);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = inputs[i];
        MU_ASSERT(value < mu_value_count(model));
        const mu_node *from = value ? &model->nodes[value - 1] : NULL;
        node->inputs[i] = mu_value_as_input(model, value);
        for (uint32_t k = 0; k < i; k++)
            if (inputs[k] == value)
                return fail(builder, mu_error_set(builder->err, MU_E_CONFIG, "%s '%s' names the input '%s' twice", layer->kind,
                                                  node->name, from ? from->name : "input"));
        node->needs_gradient |= from && from->needs_gradient;
    }
    return true;
}

static bool check_flattened(mu_builder *builder, const mu_node *node)
{
    mu_shape first = node->inputs[0].flattened;
    for (uint32_t i = 0; i < node->input_count; i++) {
        mu_shape flattened = node->inputs[i].flattened;
        if (node->layer->flat == MU_FLAT_REFUSES && flattened.height)
            return fail(
                builder,
                mu_error_set(builder->err, MU_E_SHAPE,
                             "%s '%s' reads what a flatten has made from %u x %u pixels, where it would not do what PyTorch "
                             "does; put it before the flatten",
                             node->layer->kind, node->name, flattened.height, flattened.width));
        if (!mu_shape_equal(first, flattened))
            return fail(builder,
                        mu_error_set(builder->err, MU_E_SHAPE, "%s '%s': its inputs are flattened from images of different shapes",
                                     node->layer->kind, node->name));
    }
    return true;
}

static bool infer(mu_builder *builder, mu_node *node)
{
    mu_model *model = builder->model;
    if (!check_flattened(builder, node))
        return false;
    mu_status status = mu_node_infer(node, model->classes, builder->err);
    if (status)
        return fail(builder, status);
    uint64_t pixels = (uint64_t)node->output.height * node->output.width;
    if (pixels > MU_LIMIT_EXAMPLE_VALUES || pixels * node->output.channels > MU_LIMIT_EXAMPLE_VALUES)
        return fail(builder, mu_error_set(builder->err, MU_E_LIMIT, "%s '%s': its output has %u x %u x %u values, at most %zu",
                                          node->layer->kind, node->name, node->output.height, node->output.width,
                                          node->output.channels, MU_LIMIT_EXAMPLE_VALUES));
    node->param_offset = model->trainable_count;
    node->statistic_offset = model->state_count - model->trainable_count;
    node->first_tensor = model->param_count;
    if (node->layer->declare)
        node->layer->declare(node, builder);
    node->tensor_count = model->param_count - node->first_tensor;
    node->param_count = model->trainable_count - node->param_offset;
    node->statistic_count = model->state_count - model->trainable_count - node->statistic_offset;
    node->needs_gradient |= node->param_count > 0;
    return builder->status == MU_OK;
}

uint32_t mu_builder_add(mu_builder *builder, const mu_layer *layer, const char *name, const void *config, const uint32_t *inputs,
                        uint32_t input_count)
{
    if (builder->status)
        return MU_VALUE_NONE;
    mu_model *model = builder->model;
    char made[64];
    if (!name) {
        make_name(builder, layer->kind, made, sizeof made);
        name = made;
    }
    if (!check_name(builder, name))
        return MU_VALUE_NONE;
    mu_node node = { .layer = layer, .view = layer->is_view };
    node.name = mu_store_text(&model->store, name);
    if (!node.name)
        no_memory(builder);
    else if (model->node_count == MU_LIMIT_MODEL_NODES)
        fail(builder, mu_error_set(builder->err, MU_E_LIMIT, "more than %u layers", MU_LIMIT_MODEL_NODES));
    else if (copy_config(builder, &node, config) && connect(builder, &node, inputs, input_count) && infer(builder, &node)) {
        mu_node *nodes = append(&model->store, model->nodes, &model->node_count, &model->node_capacity, sizeof node);
        if (nodes) {
            nodes[model->node_count - 1] = node;
            model->nodes = nodes;
            return builder->last = model->node_count;
        }
        no_memory(builder);
    }
    return MU_VALUE_NONE;
}

uint32_t mu_builder_add_next(mu_builder *builder, const mu_layer *layer, const char *name, const void *config)
{
    return mu_builder_add(builder, layer, name, config, &builder->last, 1);
}

/* "conv1" and "weight" make "conv1.weight". */
static char *join_name(mu_store *store, const char *first, const char *second)
{
    size_t first_bytes = strlen(first), second_bytes = strlen(second) + 1;
    char *name = mu_store_take(store, first_bytes + 1 + second_bytes, 1);
    if (name) {
        memcpy(name, first, first_bytes);
        name[first_bytes] = '.';
        memcpy(name + first_bytes + 1, second, second_bytes);
    }
    return name;
}

/* Offsets of statistics count from the end of the trainable part, which is known in the end only. */
void mu_builder_declare(mu_builder *builder, const mu_node *node, mu_param param)
{
    mu_model *model = builder->model;
    if (builder->status)
        return;
    uint64_t count = 1;
    for (uint32_t i = 0; i < param.tensor.rank; i++) {
        count *= param.tensor.shape[i];
        if (count > MU_LIMIT_MODEL_PARAMETERS)
            break;
    }
    if (count + model->state_count > MU_LIMIT_MODEL_PARAMETERS) {
        fail(builder, mu_error_set(builder->err, MU_E_LIMIT, "%s '%s': with it the model has more than %zu parameters",
                                   node->layer->kind, node->name, MU_LIMIT_MODEL_PARAMETERS));
        return;
    }
    param.tensor.count = (size_t)count;
    param.tensor.offset = param.tensor.trainable ? model->trainable_count : model->state_count - model->trainable_count;
    param.tensor.name = join_name(&model->store, node->name, param.tensor.name);
    mu_param *params =
        param.tensor.name ? append(&model->store, model->params, &model->param_count, &model->param_capacity, sizeof param) : NULL;
    if (!params) {
        no_memory(builder);
        return;
    }
    params[model->param_count - 1] = param;
    model->params = params;
    model->state_count += param.tensor.count;
    if (param.tensor.trainable)
        model->trainable_count += param.tensor.count;
}

/* ---- the end ---- */

static bool check_readers(mu_builder *builder, const uint32_t *readers)
{
    const mu_model *model = builder->model;
    if (model->node_count == 0 || model->trainable_count == 0)
        return fail(builder, mu_error_set(builder->err, MU_E_CONFIG, "model '%s' has no layer with weights", model->name));
    for (uint32_t i = 0; i + 1 < model->node_count; i++)
        if (readers[i + 1] == 0)
            return fail(builder,
                        mu_error_set(builder->err, MU_E_CONFIG, "nothing reads the output of %s '%s', and it is not the last layer",
                                     model->nodes[i].layer->kind, model->nodes[i].name));
    const mu_node *last = &model->nodes[model->node_count - 1];
    if (last->output.channels != model->classes)
        return fail(builder,
                    mu_error_set(builder->err, MU_E_SHAPE,
                                 "the last layer, %s '%s', gives %u x %u x %u values; expected one for each of the %u classes, "
                                 "or so many at every position",
                                 last->layer->kind, last->name, last->output.height, last->output.width, last->output.channels,
                                 model->classes));
    if (last->flattened.height)
        return fail(builder, mu_error_set(builder->err, MU_E_SHAPE,
                                          "the classes of model '%s' are pixels of a flattened image; end it with a dense layer",
                                          model->name));
    return true;
}

/* max(relu(x)) = relu(max(x)): a pooling does the ReLU before it on its own, smaller output, and gets its gradient for nothing. */
static void leave_relu_to_pool(mu_model *model, const uint32_t *readers, mu_node *pool)
{
    uint32_t value = pool->inputs[0].value;
    const mu_pool_config *config = pool->config;
    if (value == 0 || readers[value] != 1 || model->nodes[value - 1].layer != &mu_layer_relu ||
        config->size * config->size_width > MU_POOL_NOBODY)
        return;
    pool->relu = true;
    model->nodes[value - 1].view = true;
}

/* A ReLU or ReLU6 right behind a layer that can do it on its way, where nobody else reads what comes before it; a ReLU right before a
 * maximum. */
static void fuse_relus(mu_model *model, const uint32_t *readers)
{
    for (uint32_t i = 0; i < model->node_count; i++)
        if (model->nodes[i].layer == &mu_layer_max_pool)
            leave_relu_to_pool(model, readers, &model->nodes[i]);
    for (uint32_t i = 0; i < model->node_count; i++) {
        mu_node *node = &model->nodes[i];
        uint32_t value = node->inputs[0].value;
        if (node->view || value == 0 || readers[value] != 1)
            continue;
        mu_node *before = &model->nodes[value - 1];
        if (node->layer == &mu_layer_relu && before->layer->takes_relu)
            before->relu = node->view = true;
        if (node->layer == &mu_layer_relu6 && before->layer->takes_relu6)
            before->relu6 = node->view = true;
    }
}

mu_status mu_builder_finish(mu_builder *builder, mu_model **out)
{
    mu_model *model = builder->model;
    uint32_t *readers = NULL;
    if (!builder->status && !(readers = mu_store_take(&model->store, mu_value_count(model), sizeof *readers)))
        no_memory(builder);
    for (uint32_t i = 0; readers && i < model->node_count; i++)
        for (uint32_t k = 0; k < model->nodes[i].input_count; k++)
            readers[model->nodes[i].inputs[k].value]++;
    if (!builder->status)
        check_readers(builder, readers);
    if (model)
        model->init = builder->init;
    builder->model = NULL;
    if (builder->status) {
        mu_model_destroy(model);
        return builder->status;
    }
    for (uint32_t i = 0; i < model->param_count; i++)
        if (!model->params[i].tensor.trainable)
            model->params[i].tensor.offset += model->trainable_count;
    for (uint32_t i = 0; i < model->node_count; i++)
        model->nodes[i].statistic_offset += model->trainable_count;
    if (!builder->unfused)
        fuse_relus(model, readers);
    *out = model;
    return MU_OK;
}

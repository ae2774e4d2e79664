/* Models from YAML: docs/models.md is its manual.
 *
 *     layers:
 *       - {conv: conv1, channels: 32, kernel: 5, padding: same}     a kind with the layer's name, and its options
 *       - relu                                                      a kind alone, where nothing is to be said
 *       - {add: [relu1, conv1], name: sum}                          a kind that joins several layers, with their names
 */
#include "base/file.h"
#include "base/limits.h"
#include "nn/builder.h"
#include "nn/layers.h"

#include <stdlib.h>
#include <string.h>

typedef struct reader {
    mu_builder builder;
    mu_error   problem; /* the builder's sentence, which does not know where in the file it happened */
    mu_error  *err;
} reader;

/* Put the place in front of what the builder said. */
static mu_status located(reader *r, const mu_conf_node *node)
{
    return r->builder.status ? mu_conf_error(r->err, r->builder.status, node, "%s", r->problem.message) : MU_OK;
}

/* ---- what kind of layer an item is ---- */

static const char *nearest_kind(const char *word)
{
    size_t count;
    const mu_layer *const *layers = mu_layers(&count);
    const char *names[64];
    MU_ASSERT(count < MU_COUNT(names));
    for (size_t i = 0; i < count; i++)
        names[i] = layers[i]->kind;
    names[count] = NULL;
    return mu_nearest_name(word, names);
}

static mu_status unknown_kind(reader *r, const mu_conf_node *item, const char *word)
{
    const char *nearest = nearest_kind(word);
    return mu_conf_error(r->err, MU_E_CONFIG, item, "'%s' is no kind of layer%s%s%s; docs/models.md lists them", word,
                         nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static mu_status find_kind(reader *r, const mu_conf_node *item, const mu_layer **out)
{
    *out = NULL;
    if (mu_conf_kind_of(item) == MU_CONF_SCALAR) {
        *out = mu_layer_find(mu_conf_text(item));
        return *out ? MU_OK : unknown_kind(r, item, mu_conf_text(item));
    }
    if (mu_conf_kind_of(item) != MU_CONF_MAP || mu_conf_count(item) == 0)
        return mu_conf_error(r->err, MU_E_CONFIG, item, "expected a layer such as {conv: conv1, channels: 32} or relu");
    for (size_t i = 0; i < mu_conf_count(item); i++) {
        const mu_layer *layer = mu_layer_find(mu_conf_key(item, i));
        if (layer && *out)
            return mu_conf_error(r->err, MU_E_CONFIG, item, "'%s' and '%s' are both kinds of layer; put each on a line of its own",
                                 (*out)->kind, layer->kind);
        if (layer)
            *out = layer;
    }
    return *out ? MU_OK : unknown_kind(r, item, mu_conf_key(item, 0));
}

/* ---- whom it reads ---- */

static mu_status unknown_input(reader *r, const mu_conf_node *node, const char *word)
{
    const mu_model *model = r->builder.model;
    const char **names = calloc((size_t)model->node_count + 2, sizeof *names);
    if (!names)
        return mu_conf_error(r->err, MU_E_MEMORY, node, "no memory for the model");
    for (uint32_t i = 0; i < model->node_count; i++)
        names[i] = model->nodes[i].name;
    names[model->node_count] = "input";
    const char *nearest = mu_nearest_name(word, names);
    mu_status status = mu_conf_error(r->err, MU_E_CONFIG, node, "no layer before this one is called '%s'%s%s%s", word,
                                     nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names);
    return status;
}

static mu_status find_input(reader *r, const mu_conf_node *node, uint32_t *value)
{
    const char *text = mu_conf_text(node);
    if (!text)
        return mu_conf_error(r->err, MU_E_CONFIG, node, "expected the name of a layer");
    *value = mu_builder_find(&r->builder, text);
    return *value == MU_VALUE_NONE ? unknown_input(r, node, text) : MU_OK;
}

typedef struct wiring {
    const char *name; /* NULL: made up */
    uint32_t    inputs[MU_LAYER_INPUTS_MAX], input_count;
} wiring;

static const char *text_or_null(const mu_conf_node *node)
{
    const char *text = mu_conf_text(node);
    return text && *text ? text : NULL;
}

/* {conv: NAME, input: OTHER}: the layer before, unless it says otherwise. */
static mu_status wire_single(reader *r, const mu_layer *layer, const mu_conf_node *item, wiring *out)
{
    const mu_conf_node *name = mu_conf_get(item, layer->kind), *input = mu_conf_get(item, "input");
    *out = (wiring){ .inputs = { r->builder.last }, .input_count = 1 };
    if (name && !mu_conf_text(name))
        return mu_conf_error(r->err, MU_E_CONFIG, name,
                             "%s: expected the layer's name; a list of inputs is for layers that join several", layer->kind);
    out->name = text_or_null(name);
    return input ? find_input(r, input, &out->inputs[0]) : MU_OK;
}

/* {add: [ONE, OTHER], name: NAME} */
static mu_status wire_joining(reader *r, const mu_layer *layer, const mu_conf_node *item, wiring *out)
{
    const mu_conf_node *list = mu_conf_get(item, layer->kind), *name = mu_conf_get(item, "name");
    *out = (wiring){ .name = text_or_null(name) };
    if (name && !out->name)
        return mu_conf_error(r->err, MU_E_CONFIG, name, "%s: expected a name", layer->kind);
    if (!list || mu_conf_kind_of(list) != MU_CONF_LIST)
        return mu_conf_error(r->err, MU_E_CONFIG, list ? list : item, "%s joins layers: write {%s: [one, other], name: this_one}",
                             layer->kind, layer->kind);
    if (mu_conf_count(list) > MU_LAYER_INPUTS_MAX)
        return mu_conf_error(r->err, MU_E_LIMIT, list, "%s: more than %d inputs", layer->kind, MU_LAYER_INPUTS_MAX);
    mu_status status = MU_OK;
    for (size_t i = 0; i < mu_conf_count(list) && !status; i++)
        status = find_input(r, mu_conf_item(list, i), &out->inputs[out->input_count++]);
    return status;
}

/* ---- one layer, all layers ---- */

static mu_status read_options(reader *r, const mu_layer *layer, const mu_conf_node *item, const char *name, void *config)
{
    const bool is_map = mu_conf_kind_of(item) == MU_CONF_MAP;
    const char *const also[] = { layer->kind, layer->inputs_max > 1 ? "name" : "input", NULL };
    char where[2 * MU_LIMIT_NAME_BYTES];
    size_t length = strlen(layer->kind);
    memcpy(where, layer->kind, length + 1);
    if (name && strlen(name) <= MU_LIMIT_NAME_BYTES) {
        where[length] = ' ';
        strcpy(where + length + 1, name);
    }
    if (is_map)
        return mu_options_read(layer->options, layer->option_count, item, also, where, config, r->err);
    mu_error problem;
    mu_status status = mu_options_read(layer->options, layer->option_count, NULL, also, where, config, &problem);
    return status ? mu_conf_error(r->err, status, item, "%s", problem.message) : MU_OK;
}

static mu_status read_layer(reader *r, const mu_conf_node *item)
{
    const mu_layer *layer;
    wiring wires;
    mu_status status = find_kind(r, item, &layer);
    if (!status)
        status = layer->inputs_max > 1 ? wire_joining(r, layer, item, &wires) : wire_single(r, layer, item, &wires);
    if (status)
        return status;
    void *config = calloc(1, layer->config_bytes + 1);
    if (!config)
        return mu_conf_error(r->err, MU_E_MEMORY, item, "no memory for the model");
    status = read_options(r, layer, item, wires.name, config);
    if (!status) {
        mu_builder_add(&r->builder, layer, wires.name, config, wires.inputs, wires.input_count);
        status = located(r, item);
    }
    free(config);
    return status;
}

typedef struct model_options {
    const char *name;
    int         init;
} model_options;

static const mu_option options[] = {
    { "name", MU_OPTION_TEXT, offsetof(model_options, name), 0, 0, "own model", NULL, NULL, "what reports call it" },
    { "init", MU_OPTION_CHOICE, offsetof(model_options, init), 0, 0, "default", mu_init_words + 1, NULL,
      "first weights of the layers that do not say: PyTorch's, Glorot's or He's" },
};

mu_status mu_model_create_layers(const mu_conf_node *root, mu_shape input, uint32_t classes, mu_model **out, mu_error *err)
{
    static const char *const also[] = { "layers", NULL };
    model_options model;
    mu_status status = mu_options_read(options, MU_COUNT(options), root, also, "model", &model, err);
    if (status)
        return status;
    const mu_conf_node *layers = mu_conf_get(root, "layers");
    if (!layers || mu_conf_kind_of(layers) != MU_CONF_LIST)
        return mu_conf_error(err, MU_E_CONFIG, layers ? layers : root, "a model needs a list 'layers:'");
    reader r = { .err = err };
    r.builder = mu_builder_begin(model.name, input, classes, &r.problem);
    r.builder.init = (mu_init)(model.init + 1); /* the words begin behind "model" */
    status = located(&r, layers);
    for (size_t i = 0; i < mu_conf_count(layers) && !status; i++)
        status = read_layer(&r, mu_conf_item(layers, i));
    if (status && !r.builder.status)
        r.builder.status = status;
    mu_status finished = mu_builder_finish(&r.builder, out);
    return status ? status : finished ? located(&r, layers) : MU_OK;
}

/* ---- the `model:` section of an experiment ---- */

/* A file name is meant beside the file that says it. */
static char *path_beside(const mu_conf_node *node, const char *name)
{
    const char *file = mu_conf_file(node), *slash = strrchr(file, '/');
    size_t length = slash ? (size_t)(slash - file) + 1 : 0; /* with the slash, so that "/" stays "/" */
    char *folder = malloc(length + 1);
    if (!folder)
        return NULL;
    memcpy(folder, file, length);
    folder[length > 1 ? length - 1 : length] = '\0';
    char *path = mu_path_join(folder, name);
    free(folder);
    return path;
}

static mu_status create_from_file(const mu_conf_node *node, const char *name, mu_shape input, uint32_t classes, mu_model **out,
                                  mu_error *err)
{
    char *path = path_beside(node, name);
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the model");
    mu_conf *conf = NULL;
    mu_status status = mu_conf_load(path, &conf, err);
    if (!status)
        status = mu_model_create_layers(mu_conf_root(conf), input, classes, out, err);
    else if (status == MU_E_IO)
        status = mu_error_prefix(err, status, "%s:%u:%u: model: ", mu_conf_file(node), mu_conf_line(node), mu_conf_column(node));
    mu_conf_destroy(conf);
    free(path);
    return status;
}

static mu_status create_by_name(const mu_conf_node *node, const mu_conf_node *name, const char *norm, mu_shape input, uint32_t classes,
                                mu_model **out, mu_error *err)
{
    if (!mu_conf_text(name))
        return mu_conf_error(err, MU_E_CONFIG, name ? name : node, "model: expected a name, {file: my-model.yaml} or {layers: [...]}");
    mu_error problem;
    mu_status status = mu_model_create_builtin(mu_conf_text(name), norm, input, classes, out, &problem);
    return status ? mu_conf_error(err, status, name, "%s", problem.message) : MU_OK;
}

mu_status mu_model_create_conf(const mu_conf_node *node, mu_shape input, uint32_t classes, mu_model **out, mu_error *err)
{
    static const char *const file_keys[] = { "file", NULL }, *const name_keys[] = { "name", "norm", "file", "layers", NULL };
    if (mu_conf_text(node))
        return create_by_name(node, node, NULL, input, classes, out, err);
    if (mu_conf_get(node, "layers"))
        return mu_model_create_layers(node, input, classes, out, err);
    const mu_conf_node *file = mu_conf_get(node, "file"), *norm = mu_conf_get(node, "norm");
    mu_status status = mu_conf_check_keys(node, file ? file_keys : name_keys, "model", err);
    if (status)
        return status;
    if (norm && !mu_conf_text(norm))
        return mu_conf_error(err, MU_E_CONFIG, norm, "model: 'norm' must be 'batch' or 'group'");
    if (file && !mu_conf_text(file))
        return mu_conf_error(err, MU_E_CONFIG, file, "model: 'file' must be the name of a YAML file");
    return file ? create_from_file(file, mu_conf_text(file), input, classes, out, err)
                : create_by_name(node, mu_conf_get(node, "name"), mu_conf_text(norm), input, classes, out, err);
}

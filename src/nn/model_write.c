/* A model as the text of a model file: what mu_model_create_layers reads, written. */
#include "nn/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory to write the model down");
}

static const char *name_of_value(const mu_model *model, uint32_t value)
{
    return value ? model->nodes[value - 1].name : "input";
}

/* Those that are not what they would be if nothing was said. */
static mu_status write_options(const mu_node *node, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_status status = MU_OK;
    for (size_t i = 0; i < node->layer->option_count && !status; i++) {
        const mu_option *row = &node->layer->options[i];
        char text[256];
        mu_option_format(row, node->config, text, sizeof text);
        if (!row->fallback || strcmp(text, row->fallback) != 0)
            status = mu_conf_put(conf, map, row->name, text, err);
    }
    return status;
}

/* {add: [one, other], name: this_one}; {conv: conv1, input: other} where that is not the layer before. */
static mu_status write_wires(const mu_model *model, uint32_t index, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    const mu_node *node = &model->nodes[index];
    if (node->layer->inputs_max == 1) {
        mu_status status = mu_conf_put(conf, map, node->layer->kind, node->name, err);
        if (!status && node->inputs[0].value != index)
            status = mu_conf_put(conf, map, "input", name_of_value(model, node->inputs[0].value), err);
        return status;
    }
    mu_conf_node *list = mu_conf_make_list(conf, map, node->layer->kind);
    mu_status status = list ? MU_OK : no_memory(err);
    for (uint32_t i = 0; i < node->input_count && !status; i++)
        status = mu_conf_append(conf, list, name_of_value(model, node->inputs[i].value), err);
    return status ? status : mu_conf_put(conf, map, "name", node->name, err);
}

static mu_status write_layers(const mu_model *model, mu_conf *conf, mu_error *err)
{
    mu_status status = mu_conf_put(conf, mu_conf_root(conf), "name", model->name, err);
    if (!status && model->init != MU_INIT_PYTORCH)
        status = mu_conf_put(conf, mu_conf_root(conf), "init", mu_init_words[model->init], err);
    mu_conf_node *layers = status ? NULL : mu_conf_make_list(conf, mu_conf_root(conf), "layers");
    if (!status && !layers)
        status = no_memory(err);
    for (uint32_t i = 0; i < model->node_count && !status; i++) {
        mu_conf_node *map = mu_conf_append_map(conf, layers);
        status = map ? write_wires(model, i, conf, map, err) : no_memory(err);
        if (!status)
            status = write_options(&model->nodes[i], conf, map, err);
    }
    return status;
}

mu_status mu_model_write(const mu_model *model, char **out, mu_error *err)
{
    mu_conf *conf = NULL;
    mu_status status = mu_conf_parse("model", "", 0, &conf, err);
    if (!status)
        status = write_layers(model, conf, err);
    if (!status && !(*out = mu_conf_write(mu_conf_root(conf))))
        status = no_memory(err);
    mu_conf_destroy(conf);
    return status;
}

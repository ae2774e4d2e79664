/* Looking at a model. */
#include "nn/graph.h"
#include "nn/layers.h"

void mu_model_destroy(mu_model *model)
{
    if (!model)
        return;
    mu_store store = model->store; /* the model itself lies in it */
    mu_store_release(&store);
}

const char *mu_model_name(const mu_model *model) { return model->name; }
mu_shape mu_model_input(const mu_model *model) { return model->input; }
uint32_t mu_model_classes(const mu_model *model) { return model->classes; }

uint32_t mu_model_symbols(const mu_model *model)
{
    uint32_t symbols = 0;
    for (uint32_t i = 0; i < model->node_count; i++) {
        if (model->nodes[i].layer != &mu_layer_embedding)
            continue;
        const mu_embedding_config *config = model->nodes[i].config;
        if (symbols == 0 || config->symbols < symbols)
            symbols = config->symbols;
    }
    return symbols;
}

uint32_t mu_model_targets(const mu_model *model)
{
    mu_shape last = mu_value_shape(model, model->node_count);
    return last.height * last.width;
}

size_t mu_model_param_count(const mu_model *model) { return model->trainable_count; }
size_t mu_model_state_count(const mu_model *model) { return model->state_count; }
uint32_t mu_model_statistic_sets(const mu_model *model) { return model->statistic_sets; }
size_t mu_model_tensor_count(const mu_model *model) { return model->param_count; }

const mu_tensor *mu_model_tensor(const mu_model *model, size_t index)
{
    MU_ASSERT(index < model->param_count);
    return &model->params[index].tensor;
}

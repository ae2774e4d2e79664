/* Embedding: the model's input as symbols, each looked up in a trained table. Weights lie as PyTorch's do: [symbols][channels]. */
#include "nn/layers.h"
#include "nn/units.h"

#include "base/limits.h"

static const mu_option options[] = {
    { "channels", MU_OPTION_COUNT, offsetof(mu_embedding_config, channels), 1, MU_LIMIT_EXAMPLE_VALUES, NULL, NULL, NULL,
      "numbers that stand for a symbol" },
    { "symbols", MU_OPTION_COUNT, offsetof(mu_embedding_config, symbols), 0, MU_LIMIT_CLASSES, "0", NULL, NULL,
      "different ones; 0: as many as there are classes" },
};

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    mu_embedding_config *config = node->config;
    mu_shape input = node->inputs[0].shape;
    if (node->inputs[0].value != 0)
        return mu_error_set(err, MU_E_CONFIG, "embedding '%s' reads another layer; its symbols are the model's input ('input: input')",
                            node->name);
    if (input.height != 1 || (input.width != 1 && input.channels != 1))
        return mu_error_set(err, MU_E_SHAPE,
                            "embedding '%s': its input has %u x %u x %u values; symbols come as 1 x 1 x items or 1 x items x 1", node->name,
                            input.height, input.width, input.channels);
    if (config->symbols == 0)
        config->symbols = classes;
    node->output = (mu_shape){ 1, input.width * input.channels, config->channels };
    return MU_OK;
}

static void declare(const mu_node *node, mu_builder *builder)
{
    const mu_embedding_config *config = node->config;
    mu_tensor weight = { .name = "weight", .rank = 2, .shape = { config->symbols, config->channels }, .layout = MU_LAYOUT_ROWS,
                         .trainable = true };
    mu_builder_declare(builder, node, (mu_param){ .tensor = weight, .fill = MU_FILL_NORMAL, .scale = 1 });
}

static void needs(const mu_node *node, const mu_kernel_table *kernels, uint32_t batch, bool training, mu_layer_needs *out)
{
    (void)node;
    (void)kernels;
    (void)batch;
    out->input_in_backward = training;
}

/* Where data and model meet (mu_data_check_model), symbols that have no row are refused. */
static void forward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_embedding_config *config = call->node->config;
    const size_t rows = mu_pixels(pass->count, call->node->output).rows;
    const float *ids = call->inputs[0].x;
    for (size_t i = 0; i < rows; i++)
        MU_ASSERT(ids[i] >= 0.0f && ids[i] < (float)config->symbols && ids[i] == (float)(uint32_t)ids[i]);
    call->kernels->embedding_forward(rows, config->channels, ids, call->params, call->y);
}

static void backward(const mu_layer_call *call, const mu_pass *pass)
{
    const mu_embedding_config *config = call->node->config;
    const size_t rows = mu_pixels(pass->count, call->node->output).rows;
    call->kernels->embedding_backward(rows, config->channels, config->symbols, call->inputs[0].x, call->dy, call->gradients,
                                      mu_pass_resumes(pass));
}

/* All symbols are kept. */
static void units(const mu_node *node, mu_unit_walk *walk)
{
    const mu_embedding_config *config = node->config;
    mu_axis out = mu_units_new(walk, config->channels, offsetof(mu_embedding_config, channels));
    mu_units_slice(walk, 0, MU_SIDE_OUTPUT, out);
    mu_units_output(walk, out);
}

const mu_layer mu_layer_embedding = {
    .kind = "embedding", .help = "every symbol as a row of a trained table",
    .config_bytes = sizeof(mu_embedding_config), .options = options, .option_count = MU_COUNT(options),
    .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_REFUSES, .splits = true,
    .shape = shape, .declare = declare, .needs = needs, .forward = forward, .backward = backward, .units = units,
};

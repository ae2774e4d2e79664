/* First weights. Each tensor draws from a stream of its own, so that adding a layer does not change the others'. */
#include "nn/builder.h"

#include <math.h>

const char *const mu_init_words[] = { "model", "default", "glorot", "he", NULL };
_Static_assert(MU_INIT_HE == 3, "every way has its word");

/* "default" is PyTorch's: weight and bias uniform within 1/sqrt(fan_in) (its Kaiming-uniform with a = sqrt(5) comes to the same).
 * Glorot and Bengio 2010: uniform within sqrt(6 / (fan_in + fan_out)). He et al. 2015: normal with variance 2 / fan_in. Both with
 * bias 0. */
void mu_builder_declare_weight(mu_builder *builder, const mu_node *node, mu_tensor weight, bool bias, mu_init init, double fan_in,
                               double fan_out)
{
    if (init == MU_INIT_MODEL)
        init = builder->init;
    weight.name = "weight";
    weight.trainable = true;
    mu_param w = { .tensor = weight, .fill = MU_FILL_UNIFORM, .scale = 1 / sqrt(fan_in) };
    mu_param b = { .tensor = { .name = "bias", .rank = 1, .shape = { weight.shape[0] }, .layout = MU_LAYOUT_VECTOR, .trainable = true },
                   .fill = MU_FILL_CONSTANT };
    switch (init) {
    case MU_INIT_MODEL:
    case MU_INIT_PYTORCH:
        b.fill = MU_FILL_UNIFORM;
        b.scale = w.scale;
        break;
    case MU_INIT_GLOROT: w.scale = sqrt(6 / (fan_in + fan_out)); break;
    case MU_INIT_HE:
        w.fill = MU_FILL_NORMAL;
        w.scale = sqrt(2 / fan_in);
        break;
    }
    mu_builder_declare(builder, node, w);
    if (bias)
        mu_builder_declare(builder, node, b);
}

static void fill(const mu_param *param, mu_random *random, float *values)
{
    for (size_t i = 0; i < param->tensor.count; i++) {
        double value = param->scale;
        if (param->fill == MU_FILL_UNIFORM)
            value *= 2.0 * (double)mu_random_unit_float(random) - 1.0;
        else if (param->fill == MU_FILL_NORMAL)
            value *= mu_random_normal(random);
        values[i] = (float)value;
    }
}

void mu_model_init(const mu_model *model, uint64_t seed, float *state)
{
    for (uint32_t i = 0; i < model->param_count; i++) {
        mu_random random = mu_random_stream(seed, MU_RANDOM_INIT, 0, i);
        fill(&model->params[i], &random, state + model->params[i].tensor.offset);
    }
}

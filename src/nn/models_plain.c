/* The built-in models without branches. */
#include "nn/models.h"

static void conv(mu_builder *builder, const char *name, uint32_t channels, uint32_t kernel, const char *padding)
{
    mu_conv_config config = { .channels = channels, .kernel = kernel, .stride = 1, .padding = padding, .groups = 1, .bias = true };
    mu_builder_add_next(builder, &mu_layer_conv, name, &config);
    mu_builder_add_next(builder, &mu_layer_relu, NULL, NULL);
}

static void max_pool(mu_builder *builder, const char *name)
{
    mu_builder_add_next(builder, &mu_layer_max_pool, name, &(mu_pool_config){ .size = 2 });
}

static void flatten(mu_builder *builder)
{
    mu_builder_add_next(builder, &mu_layer_flatten, "flatten", NULL);
}

static void hidden(mu_builder *builder, const char *name, uint32_t units)
{
    mu_builder_add_next(builder, &mu_layer_dense, name, &(mu_dense_config){ .units = units, .bias = true });
    mu_builder_add_next(builder, &mu_layer_relu, NULL, NULL);
}

static void dropout(mu_builder *builder, const char *name, double rate)
{
    mu_builder_add_next(builder, &mu_layer_dropout, name, &(mu_dropout_config){ .rate = rate });
}

/* One output a class. */
static void output(mu_builder *builder, const char *name)
{
    mu_builder_add_next(builder, &mu_layer_dense, name, &(mu_dense_config){ .bias = true });
}

void mu_build_softmax_regression(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    flatten(builder);
    output(builder, "fc");
}

void mu_build_mlp(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    flatten(builder);
    hidden(builder, "fc1", 128);
    output(builder, "fc2");
}

/* As it is taught today: ReLU and maximum, where 1998 had tanh and trained averages; on 32x32x3, PyTorch's tutorial network. 28x28
 * gets the border that LeCun's 32x32 images had. */
void mu_build_lenet5(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    mu_shape input = builder->model->input;
    bool small = input.height == 28 && input.width == 28;
    if (!small && !(input.height == 32 && input.width == 32)) {
        builder->status = mu_error_set(builder->err, MU_E_SHAPE, "lenet5 is made for images of 28 x 28 or 32 x 32 pixels");
        return;
    }
    conv(builder, "conv1", 6, 5, small ? "2" : "0");
    max_pool(builder, "pool1");
    conv(builder, "conv2", 16, 5, "0");
    max_pool(builder, "pool2");
    flatten(builder);
    hidden(builder, "fc1", 120);
    hidden(builder, "fc2", 84);
    output(builder, "fc3");
}

void mu_build_fedavg_cnn(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    conv(builder, "conv1", 32, 5, "same");
    max_pool(builder, "pool1");
    conv(builder, "conv2", 64, 5, "same");
    max_pool(builder, "pool2");
    flatten(builder);
    hidden(builder, "fc1", 512);
    output(builder, "fc2");
}

void mu_build_pfl_cnn(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    builder->init = MU_INIT_GLOROT;
    conv(builder, "conv1", 32, 3, "0");
    conv(builder, "conv2", 64, 3, "0");
    max_pool(builder, "pool1");
    dropout(builder, "dropout1", 0.25);
    flatten(builder);
    hidden(builder, "fc1", 128);
    dropout(builder, "dropout2", 0.5);
    output(builder, "fc2");
}

void mu_build_cifar_cnn(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    conv(builder, "conv1", 32, 3, "same");
    conv(builder, "conv2", 64, 3, "same");
    max_pool(builder, "pool1");
    conv(builder, "conv3", 64, 3, "same");
    flatten(builder);
    hidden(builder, "fc1", 64);
    output(builder, "fc2");
}

/* The names are those of CNN_DropOut in FedML and FLUTE. */
void mu_build_femnist_cnn(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    conv(builder, "conv2d_1", 32, 3, "0");
    conv(builder, "conv2d_2", 64, 3, "0");
    max_pool(builder, "max_pooling");
    dropout(builder, "dropout_1", 0.25);
    flatten(builder);
    hidden(builder, "linear_1", 128);
    dropout(builder, "dropout_2", 0.5);
    output(builder, "linear_2");
}

/* Along time: a row of one pixel a moment, one channel a sensor axis. */
void mu_build_motion_cnn(mu_builder *builder, const mu_layer *norm)
{
    (void)norm;
    static const mu_conv_config config = { .channels = 64, .kernel_width = 3, .padding = "0", .groups = 1, .bias = true };
    static const char *const names[] = { "conv1", "conv2" };
    for (size_t i = 0; i < MU_COUNT(names); i++) {
        mu_builder_add_next(builder, &mu_layer_conv1d, names[i], &config);
        mu_builder_add_next(builder, &mu_layer_relu, NULL, NULL);
    }
    dropout(builder, "dropout", 0.5);
    mu_builder_add_next(builder, &mu_layer_max_pool, "pool1", &(mu_pool_config){ .size = 1, .size_width = 2 });
    flatten(builder);
    hidden(builder, "fc1", 100);
    output(builder, "fc2");
}

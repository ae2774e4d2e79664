/* Residual networks for small images, with torchvision's names: layer1.0.conv1.weight, layer2.0.downsample.1.bias, fc.weight. */
#include "nn/models.h"

#include <string.h>

/* Names within a block: "layer2.0." in front of all of them. */
typedef struct block {
    mu_builder     *builder;
    const mu_layer *norm;
    char            prefix[16]; /* "layer2.0." */
    char            name[48];
} block;

static const char *name_in(block *b, const char *name)
{
    size_t length = strlen(b->prefix);
    MU_ASSERT(length + strlen(name) < sizeof b->name);
    memcpy(b->name, b->prefix, length);
    strcpy(b->name + length, name);
    return b->name;
}

static uint32_t conv(block *b, const char *name, uint32_t from, uint32_t channels, uint32_t kernel, uint32_t stride)
{
    mu_conv_config config = {
        .channels = channels, .kernel = kernel, .stride = stride, .padding = kernel == 3 ? "1" : "0", .groups = 1
    };
    return mu_builder_add(b->builder, &mu_layer_conv, name_in(b, name), &config, &from, 1);
}

static uint32_t norm(block *b, const char *name)
{
    return mu_build_norm(b->builder, b->norm, name_in(b, name));
}

static uint32_t relu(block *b, const char *name)
{
    return mu_builder_add_next(b->builder, &mu_layer_relu, name_in(b, name), NULL);
}

/* Two 3x3 convolutions and the way around them, which is a 1x1 convolution where the shape changes (option B of the paper). */
static void add_block(block *b, uint32_t in_channels, uint32_t channels, uint32_t stride)
{
    uint32_t input = b->builder->last, shortcut = input;
    conv(b, "conv1", input, channels, 3, stride);
    norm(b, "bn1");
    uint32_t middle = relu(b, "relu1");
    conv(b, "conv2", middle, channels, 3, 1);
    uint32_t branch = norm(b, "bn2");
    if (stride != 1 || in_channels != channels) {
        conv(b, "downsample.0", input, channels, 1, stride);
        shortcut = norm(b, "downsample.1");
    }
    mu_builder_add(b->builder, &mu_layer_add, name_in(b, "add"), NULL, (const uint32_t[]){ branch, shortcut }, 2);
    relu(b, "relu2");
}

static void build(mu_builder *builder, const mu_layer *norm_layer, uint32_t stage_count, uint32_t blocks_in_stage,
                  uint32_t first_channels)
{
    builder->init = MU_INIT_HE;
    block b = { .builder = builder, .norm = norm_layer };
    conv(&b, "conv1", builder->last, first_channels, 3, 1);
    norm(&b, "bn1");
    relu(&b, "relu");
    uint32_t in_channels = first_channels;
    for (uint32_t stage = 0; stage < stage_count; stage++)
        for (uint32_t i = 0; i < blocks_in_stage; i++) {
            uint32_t channels = first_channels << stage;
            memcpy(b.prefix, "layer1.0.", sizeof "layer1.0.");
            b.prefix[5] = (char)('1' + stage);
            b.prefix[7] = (char)('0' + i);
            if (!builder->status)
                add_block(&b, in_channels, channels, stage > 0 && i == 0 ? 2 : 1);
            in_channels = channels;
        }
    mu_builder_add_next(builder, &mu_layer_global_average_pool, "avgpool", NULL);
    mu_builder_add_next(builder, &mu_layer_flatten, "flatten", NULL);
    mu_builder_add_next(builder, &mu_layer_dense, "fc", &(mu_dense_config){ .bias = true, .init = MU_INIT_PYTORCH });
}

void mu_build_resnet20(mu_builder *builder, const mu_layer *norm_layer)
{
    build(builder, norm_layer, 3, 3, 16);
}

void mu_build_resnet18(mu_builder *builder, const mu_layer *norm_layer)
{
    build(builder, norm_layer, 4, 2, 64);
}

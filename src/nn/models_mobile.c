/* Networks of depthwise and 1x1 convolutions: MobileNetV2 with torchvision's names (features.2.conv.1.0.weight), and DS-CNN. */
#include "nn/models.h"

#include <string.h>

typedef struct net {
    mu_builder     *builder;
    const mu_layer *norm;
    char            name[48];
} net;

/* A part of a numbered piece: "features.", 12, ".conv.0", ".1" make "features.12.conv.0.1". */
static const char *name_of(net *n, const char *pieces, uint32_t number, const char *part, const char *rest)
{
    size_t at = strlen(pieces);
    MU_ASSERT(number < 100 && at + 2 + strlen(part) + strlen(rest) < sizeof n->name);
    memcpy(n->name, pieces, at);
    if (number >= 10)
        n->name[at++] = (char)('0' + number / 10);
    n->name[at++] = (char)('0' + number % 10);
    strcpy(n->name + at, part);
    strcat(n->name, rest);
    return n->name;
}

/* ---- MobileNetV2 ---- */

typedef enum conv_kind { FULL, POINTWISE, DEPTHWISE } conv_kind;

/* torchvision's Conv2dNormActivation: .0 the convolution, .1 its norm, .2 the activation. A pointwise convolution without one, a linear
 * bottleneck, has its norm beside it, not inside: `bottleneck` is that norm's part, else NULL. */
static void conv_norm(net *n, uint32_t feature, const char *part, conv_kind kind, uint32_t channels, uint32_t stride,
                      const char *bottleneck)
{
    mu_conv_config config = { .channels = channels, .kernel = 3, .stride = stride, .padding = "1", .groups = 1, .multiplier = 1 };
    if (kind == POINTWISE) {
        config.kernel = 1;
        config.padding = "0";
    }
    const mu_layer *conv = kind == DEPTHWISE ? &mu_layer_depthwise_conv : &mu_layer_conv;
    mu_builder_add_next(n->builder, conv, name_of(n, "features.", feature, part, bottleneck ? "" : ".0"), &config);
    const char *norm = bottleneck ? name_of(n, "features.", feature, bottleneck, "") : name_of(n, "features.", feature, part, ".1");
    mu_build_norm(n->builder, n->norm, norm);
    if (!bottleneck)
        mu_builder_add_next(n->builder, &mu_layer_relu6, name_of(n, "features.", feature, part, ".2"), NULL);
}

/* Wide inside, narrow between (section 3.3 of the paper); the way around only where the shape stays. */
static void add_inverted_residual(net *n, uint32_t feature, uint32_t in_channels, uint32_t channels, uint32_t expansion, uint32_t stride)
{
    uint32_t input = n->builder->last;
    bool expands = expansion > 1;
    if (expands)
        conv_norm(n, feature, ".conv.0", POINTWISE, in_channels * expansion, 1, NULL);
    conv_norm(n, feature, expands ? ".conv.1" : ".conv.0", DEPTHWISE, 0, stride, NULL);
    conv_norm(n, feature, expands ? ".conv.2" : ".conv.1", POINTWISE, channels, 1, expands ? ".conv.3" : ".conv.2");
    if (stride == 1 && in_channels == channels)
        mu_builder_add(n->builder, &mu_layer_add, name_of(n, "features.", feature, ".add", ""), NULL,
                       (const uint32_t[]){ input, n->builder->last }, 2);
}

/* Table 2 of the paper, width 1.0. An image below 64 pixels would be one pixel at the end: there the first convolution and the first
 * stage that halves keep the size, as is usual on CIFAR. */
void mu_build_mobilenetv2(mu_builder *builder, const mu_layer *norm)
{
    static const struct {
        uint8_t  expansion;
        uint16_t channels;
        uint8_t  blocks, stride;
    } stages[] = { { 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
                   { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };
    builder->init = MU_INIT_HE;
    net n = { .builder = builder, .norm = norm };
    mu_shape image = builder->model->input;
    bool small = image.height < 64 || image.width < 64;
    uint32_t feature = 0, in_channels = 32;
    conv_norm(&n, feature++, "", FULL, in_channels, small ? 1 : 2, NULL);
    for (uint32_t stage = 0; stage < MU_COUNT(stages); stage++)
        for (uint32_t i = 0; i < stages[stage].blocks; i++) {
            uint32_t stride = i > 0 || (stage == 1 && small) ? 1 : stages[stage].stride;
            add_inverted_residual(&n, feature++, in_channels, stages[stage].channels, stages[stage].expansion, stride);
            in_channels = stages[stage].channels;
        }
    conv_norm(&n, feature, "", POINTWISE, 1280, 1, NULL);
    mu_builder_add_next(builder, &mu_layer_global_average_pool, "avgpool", NULL);
    mu_builder_add_next(builder, &mu_layer_flatten, "flatten", NULL);
    mu_builder_add_next(builder, &mu_layer_dropout, "classifier.0", &(mu_dropout_config){ .rate = 0.2 });
    mu_builder_add_next(builder, &mu_layer_dense, "classifier.1", &(mu_dense_config){ .bias = true, .init = MU_INIT_PYTORCH });
}

/* ---- DS-CNN ---- */

static void norm_relu(net *n, const char *norm_name)
{
    mu_build_norm(n->builder, n->norm, norm_name);
    mu_builder_add_next(n->builder, &mu_layer_relu, NULL, NULL);
}

/* MLPerf Tiny's: 64 channels throughout, every convolution with a bias although a norm follows. */
void mu_build_ds_cnn(mu_builder *builder, const mu_layer *norm)
{
    static const mu_conv_config first = { .channels = 64, .kernel = 10, .kernel_width = 4, .stride = 2, .padding = "same", .groups = 1,
                                          .bias = true };
    static const mu_conv_config depthwise = { .kernel = 3, .stride = 1, .padding = "same", .bias = true, .multiplier = 1 };
    static const mu_conv_config pointwise = { .channels = 64, .kernel = 1, .stride = 1, .padding = "0", .groups = 1, .bias = true };
    net n = { .builder = builder, .norm = norm };
    mu_builder_add_next(builder, &mu_layer_conv, "conv1", &first);
    norm_relu(&n, "bn1");
    mu_builder_add_next(builder, &mu_layer_dropout, "dropout1", &(mu_dropout_config){ .rate = 0.2 });
    for (uint32_t block = 0; block < 4; block++) {
        mu_builder_add_next(builder, &mu_layer_depthwise_conv, name_of(&n, "blocks.", block, ".depthwise", ""), &depthwise);
        norm_relu(&n, name_of(&n, "blocks.", block, ".bn1", ""));
        mu_builder_add_next(builder, &mu_layer_conv, name_of(&n, "blocks.", block, ".pointwise", ""), &pointwise);
        norm_relu(&n, name_of(&n, "blocks.", block, ".bn2", ""));
    }
    mu_builder_add_next(builder, &mu_layer_dropout, "dropout2", &(mu_dropout_config){ .rate = 0.4 });
    mu_builder_add_next(builder, &mu_layer_global_average_pool, "avgpool", NULL);
    mu_builder_add_next(builder, &mu_layer_flatten, "flatten", NULL);
    mu_builder_add_next(builder, &mu_layer_dense, "fc", &(mu_dense_config){ .bias = true });
}

/* The networks, layer by layer. */
#include "nets.h"

#include "net.h"

static net_value *conv_relu(net_value *x, int channels, int kernel, int pad)
{
    return net_conv(x, &(net_conv_config){ .channels = channels, .kernel = kernel, .stride = 1, .pad = pad, .bias = true, .relu = true });
}

static int part_of(int whole, int part)
{
    return (whole * part + NETS_WIDTHS - 1) / NETS_WIDTHS;
}

void nets_build_width(int part)
{
    net_value *x = net_input(32, 1, 28, 28);
    x = net_max_pool(conv_relu(x, part_of(32, part), 5, 2), 2);
    x = net_max_pool(conv_relu(x, part_of(64, part), 5, 2), 2);
    net_finish(net_dense(net_dense(x, part_of(512, part), true), 10, false));
}

static void fedavg_cnn(void)
{
    nets_build_width(NETS_WIDTHS);
}

static void cifar_cnn(int batch)
{
    net_value *x = conv_relu(net_input(batch, 3, 32, 32), 32, 3, 1);
    x = net_max_pool(conv_relu(x, 64, 3, 1), 2);
    x = conv_relu(x, 64, 3, 1);
    net_finish(net_dense(net_dense(x, 64, true), 10, false));
}

static void cifar_cnn_b10(void)
{
    cifar_cnn(10);
}

static void cifar_cnn_b32(void)
{
    cifar_cnn(32);
}

static net_value *conv_norm(net_value *x, int channels, int kernel, int stride, bool relu)
{
    const net_conv_config config = { .channels = channels, .kernel = kernel, .stride = stride, .pad = kernel / 2 };
    return net_batch_norm(net_conv(x, &config), relu);
}

static net_value *residual_block(net_value *x, int channels, int stride, bool shape_changes)
{
    net_value *shortcut = shape_changes ? conv_norm(x, channels, 1, stride, false) : x;
    net_value *y = conv_norm(x, channels, 3, stride, true);
    return net_add_relu(conv_norm(y, channels, 3, 1, false), shortcut);
}

static void resnet(int stages, int blocks, int channels)
{
    int size = 32;
    net_value *x = conv_norm(net_input(32, 3, size, size), channels, 3, 1, true);
    for (int stage = 0; stage < stages; stage++, channels *= 2)
        for (int block = 0; block < blocks; block++) {
            bool shrinks = stage > 0 && block == 0;
            x = residual_block(x, channels, shrinks ? 2 : 1, shrinks);
            size = shrinks ? size / 2 : size;
        }
    net_finish(net_dense(net_average_pool(x, size), 10, false));
}

static void resnet20(void)
{
    resnet(3, 3, 16);
}

static void resnet18(void)
{
    resnet(4, 2, 64);
}

static void char_lstm(void)
{
    enum { STEPS = 80, BATCH = 10, SYMBOLS = 80, UNITS = 256 };
    net_value *x = net_embedding(STEPS, BATCH, SYMBOLS, 8);
    x = net_lstm(net_lstm(x, STEPS, BATCH, UNITS), STEPS, BATCH, UNITS);
    net_finish(net_dense(x, SYMBOLS, false));
}

static void mlp(void)
{
    net_finish(net_dense(net_dense(net_input(16, 64, 0, 0), 128, true), 10, false));
}

const nets_case nets_cases[] = {
    { "fedavg-cnn-b32", fedavg_cnn }, { "cifar-cnn-b10", cifar_cnn_b10 }, { "cifar-cnn-b32", cifar_cnn_b32 },
    { "resnet20-b32", resnet20 },     { "resnet18-b32", resnet18 },       { "char-lstm-b10", char_lstm },
    { "mlp-b16", mlp },               { 0 },
};

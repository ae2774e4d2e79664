/* The built-in models by name. */
#include "nn/models.h"

#include <string.h>

enum {
    SOFTMAX_REGRESSION, MLP, LENET5, FEDAVG_CNN, PFL_CNN, CIFAR_CNN, FEMNIST_CNN, RESNET20, RESNET18, MOBILENETV2, DS_CNN, MOTION_CNN,
    CHAR_LSTM, CHAR_LSTM_EVERY, CHAR_GRU, CHAR_GRU_EVERY,
    MODEL_COUNT
};

static const mu_model_builtin builtins[] = {
    [SOFTMAX_REGRESSION] = { "softmax-regression", "one dense layer; 7,850 parameters on 28x28x1 with 10 classes", "Cox 1958" },
    [MLP] = { "mlp", "one hidden layer of 128; 101,770 parameters on 28x28x1 with 10 classes",
              "McMahan et al. 2017, arXiv:1602.05629" },
    [LENET5] = { "lenet5", "two convolutions, three dense layers, for 28x28 or 32x32; 62,006 parameters on 32x32x3 with 10 classes",
                 "LeCun et al. 1998, doi:10.1109/5.726791; as in PyTorch's tutorial" },
    [FEDAVG_CNN] = { "fedavg-cnn", "two 5x5 convolutions, two dense layers; 1,663,370 parameters on 28x28x1 with 10 classes",
                     "McMahan et al. 2017, arXiv:1602.05629" },
    [PFL_CNN] = { "pfl-cnn", "two 3x3 convolutions, dropout, two dense layers; 1,626,442 parameters on 32x32x3 with 10 classes",
                  "Reddi et al. 2021, arXiv:2003.00295; Granqvist et al. 2024, arXiv:2404.06430" },
    [CIFAR_CNN] = { "cifar-cnn", "three 3x3 convolutions, two dense layers; 1,105,610 parameters on 32x32x3 with 10 classes",
                    "Muster's own, for the images of Krizhevsky 2009" },
    [FEMNIST_CNN] = { "femnist-cnn", "two 3x3 convolutions, dropout, two dense layers; 1,206,590 parameters on 28x28x1 with 62 classes",
                      "Reddi et al. 2021, arXiv:2003.00295; Garcia et al. 2022, arXiv:2203.13789" },
    [RESNET20] = { "resnet20", "residual network of 20 layers for small images; 272,474 parameters on 32x32x3 with 10 classes",
                   "He et al. 2016, arXiv:1512.03385" },
    [RESNET18] = { "resnet18", "residual network of 18 layers with a 3x3 stem; 11,173,962 parameters on 32x32x3 with 10 classes",
                   "He et al. 2016, arXiv:1512.03385" },
    [MOBILENETV2] = { "mobilenetv2", "inverted residuals of depthwise convolutions; 2,236,682 parameters on 32x32x3 or 96x96x3 with 10 classes",
                      "Sandler et al. 2018, arXiv:1801.04381" },
    [DS_CNN] = { "ds-cnn", "depthwise-separable convolutions for keywords in speech; 23,756 parameters on 49x10x1 with 12 classes",
                 "Zhang et al. 2017, arXiv:1711.07128; Banbury et al. 2021, arXiv:2106.07597" },
    [MOTION_CNN] = { "motion-cnn", "two convolutions along time for motion sensors; 411,650 parameters on 1x128x9 with 6 classes",
                     "Brownlee 2018, How to Develop 1D Convolutional Neural Network Models for Human Activity Recognition" },
    [CHAR_LSTM] = { "char-lstm", "embedding, two LSTMs of 256, dense, for the next character; 819,920 parameters for 80 characters",
                    "McMahan et al. 2017, arXiv:1602.05629" },
    [CHAR_LSTM_EVERY] = { "char-lstm-every", "the same, which predicts the next character at every one; 819,920 parameters for 80 characters",
                          "Reddi et al. 2021, arXiv:2003.00295" },
    [CHAR_GRU] = { "char-gru", "embedding, two GRUs of 256, dense, for the next character; 620,240 parameters for 80 characters",
                   "Cho et al. 2014, arXiv:1406.1078; otherwise as char-lstm" },
    [CHAR_GRU_EVERY] = { "char-gru-every", "the same, which predicts the next character at every one; 620,240 parameters for 80 characters",
                         "Cho et al. 2014, arXiv:1406.1078; otherwise as char-lstm-every" },
};

static const struct {
    mu_model_build *build;
    bool            has_norm;
} builds[] = {
    [SOFTMAX_REGRESSION] = { mu_build_softmax_regression, false },
    [MLP] = { mu_build_mlp, false },
    [LENET5] = { mu_build_lenet5, false },
    [FEDAVG_CNN] = { mu_build_fedavg_cnn, false },
    [PFL_CNN] = { mu_build_pfl_cnn, false },
    [CIFAR_CNN] = { mu_build_cifar_cnn, false },
    [FEMNIST_CNN] = { mu_build_femnist_cnn, false },
    [RESNET20] = { mu_build_resnet20, true },
    [RESNET18] = { mu_build_resnet18, true },
    [MOBILENETV2] = { mu_build_mobilenetv2, true },
    [DS_CNN] = { mu_build_ds_cnn, true },
    [MOTION_CNN] = { mu_build_motion_cnn, false },
    [CHAR_LSTM] = { mu_build_char_lstm, false },
    [CHAR_LSTM_EVERY] = { mu_build_char_lstm_every, false },
    [CHAR_GRU] = { mu_build_char_gru, false },
    [CHAR_GRU_EVERY] = { mu_build_char_gru_every, false },
};
_Static_assert(MU_COUNT(builtins) == MODEL_COUNT && MU_COUNT(builds) == MODEL_COUNT, "every model has both of its rows");

const mu_model_builtin *mu_model_builtins(size_t *count)
{
    *count = MODEL_COUNT;
    return builtins;
}

static mu_status choose_norm(const char *model, bool has_norm, const char *norm, const mu_layer **out, mu_error *err)
{
    *out = &mu_layer_batch_norm;
    if (!norm)
        return MU_OK;
    if (!has_norm)
        return mu_error_set(err, MU_E_CONFIG, "model '%s' has no normalisation, so 'norm: %s' means nothing to it", model, norm);
    if (strcmp(norm, "group") == 0)
        *out = &mu_layer_group_norm;
    else if (strcmp(norm, "batch") != 0)
        return mu_error_set(err, MU_E_CONFIG, "model '%s': norm is '%s', expected 'batch' or 'group'", model, norm);
    return MU_OK;
}

mu_status mu_model_create_builtin(const char *name, const char *norm, mu_shape input, uint32_t classes, mu_model **out, mu_error *err)
{
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (strcmp(builtins[i].name, name))
            continue;
        const mu_layer *norm_layer;
        mu_status status = choose_norm(name, builds[i].has_norm, norm, &norm_layer, err);
        if (status)
            return status;
        mu_builder builder = mu_builder_begin(name, input, classes, err);
        if (!builder.status)
            builds[i].build(&builder, norm_layer);
        status = mu_builder_finish(&builder, out);
        return status
                   ? mu_error_prefix(err, status, "model '%s' on %u x %u x %u: ", name, input.height, input.width, input.channels)
                   : MU_OK;
    }
    const char *nearest = NULL;
    const char *names[MODEL_COUNT + 1] = { NULL };
    for (size_t i = 0; i < MODEL_COUNT; i++)
        names[i] = builtins[i].name;
    nearest = mu_nearest_name(name, names);
    return mu_error_set(err, MU_E_CONFIG, "there is no model '%s'%s%s%s; `muster list models` shows those there are", name,
                        nearest ? ", did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

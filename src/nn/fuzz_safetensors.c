/* Fuzz target: a file of weights; tests/reference/exchange.safetensors is one of this model's, to start from. What is read is
 * written and read again, and must be the same. */
#include "muster/model.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mu_model *make_model(void)
{
    static const char text[] = "layers:\n"
                               "  - {conv: features.conv, channels: 4, kernel: 3, padding: 1, bias: false}\n"
                               "  - {batch_norm: features.norm}\n"
                               "  - relu\n"
                               "  - {depthwise_conv: features.depthwise, kernel: 3}\n"
                               "  - flatten\n"
                               "  - {dense: head.fc1, units: 6}\n"
                               "  - {dense: head.fc2}\n";
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    if (mu_conf_parse("fuzz", text, sizeof text - 1, &conf, NULL) ||
        mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 4, 5, 2 }, 3, &model, NULL))
        abort();
    mu_conf_destroy(conf);
    return model;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static mu_model *model;
    static float weights[512], again[512];
    mu_error err;
    if (!model)
        model = make_model();
    if (mu_model_state_count(model) > MU_COUNT(weights))
        abort();
    if (mu_model_decode(model, "fuzz", data, size, weights, &err))
        return 0;
    unsigned char *bytes;
    size_t size_bytes;
    if (mu_model_encode(model, weights, NULL, &bytes, &size_bytes, &err) ||
        mu_model_decode(model, "fuzz", bytes, size_bytes, again, &err) ||
        memcmp(weights, again, mu_model_state_count(model) * sizeof(float)))
        abort();
    free(bytes);
    return 0;
}

/* The networks that a device is measured with. Each has more of one kind of work than the others; small ones stay in the cache, deep ones leave it; widths
 * fill vectors or do not. They are nobody's networks, so that what is predicted of those in use was not fitted to them. */
#include "device/calibrate.h"

#include <stdio.h>
#include <string.h>

#define POOLED "global_average_pool, flatten, {dense: out}"
#define NORMED(k) "{conv: c#, channels: " #k ", padding: 1}, {batch_norm: n#}, relu, "
#define INVERTED(narrow, wide)                                                                                                                  \
    "{conv: e#, channels: " #wide ", kernel: 1}, {batch_norm: en#}, relu6, {depthwise_conv: w#, padding: 1}, {batch_norm: wn#}, relu6, "           \
    "{conv: p#, channels: " #narrow ", kernel: 1}, {batch_norm: pn#}, "
#define RESIDUAL(k)                                                                                                                               \
    "{conv: a#, channels: " #k ", padding: 1}, {batch_norm: an#}, relu, {conv: b#, channels: " #k ", padding: 1}, {batch_norm: bn#}, "              \
    "{add: [bn#, r#], name: s#}, {relu: r@}, "
#define STEM(k) "{conv: stem, channels: " #k ", padding: 1}, {batch_norm: sn}, {relu: r0}, "
#define TWO(k) "{conv: a, channels: " #k ", padding: 1}, relu, {conv: b, channels: " #k ", padding: 1}, relu, "

static const mu_probe probes[] = {
    { "dense-small", { 1, 1, 256 }, 10, 8, "{dense: a, units: 256}, relu, ", "", 0, "{dense: out}" },
    { "dense-deep", { 1, 1, 256 }, 10, 32, "{dense: a, units: 512}, relu, {dense: b, units: 512}, relu, ", "", 0, "{dense: out}" },
    { "dense-odd", { 1, 1, 2000 }, 50, 16, "{dense: a, units: 100}, relu, ", "", 0, "{dense: out}" },
    { "dense-narrow", { 1, 1, 1200 }, 10, 24, "{dense: a, units: 40}, relu, ", "", 0, "{dense: out}" },
    { "dense-tiny", { 1, 1, 40 }, 10, 4, "{dense: a, units: 24}, relu, ", "", 0, "{dense: out}" },
    { "dense-heavy", { 1, 1, 4096 }, 10, 10, "{dense: a, units: 256}, relu, ", "", 0, "{dense: out}" },
    { "dense-heavier", { 1, 1, 4096 }, 10, 32, "{dense: a, units: 320}, relu, ", "", 0, "{dense: out}" },
    { "dense-heaviest", { 1, 1, 8192 }, 10, 16, "{dense: a, units: 384}, relu, ", "", 0, "{dense: out}" },
    { "linear", { 1, 1, 600 }, 12, 12, "", "", 0, "{dense: out}" },
    { "linear-wide", { 1, 1, 900 }, 10, 40, "", "", 0, "{dense: out}" },
    { "logits-few", { 1, 1, 16 }, 6, 128, "", "", 0, "{dense: out}" },
    { "logits-many", { 1, 1, 16 }, 100, 64, "", "", 0, "{dense: out}" },
    { "conv5", { 24, 24, 1 }, 10, 16, "{conv: a, channels: 20, kernel: 5}, relu, {conv: b, channels: 40, kernel: 5}, relu, ", "", 0, POOLED },
    { "conv5-narrow", { 20, 20, 3 }, 10, 8, "{conv: a, channels: 8, kernel: 5}, relu, {conv: b, channels: 12, kernel: 5}, relu, ", "", 0, "flatten, {dense: out}" },
    { "conv5-wide", { 24, 24, 16 }, 10, 10, "{conv: a, channels: 32, kernel: 5, padding: 2}, relu, {conv: b, channels: 64, kernel: 5, padding: 2, stride: 2}, ", "", 0, POOLED },
    { "conv5-pooled", { 24, 24, 1 }, 10, 32,
      "{conv: a, channels: 7, kernel: 5}, relu, {max_pool: m}, {conv: b, channels: 14, kernel: 5}, relu, {max_pool: n}, ", "", 0, "flatten, {dense: out}" },
    { "conv3-narrow", { 32, 32, 3 }, 10, 16, "{conv: a, channels: 24, padding: 1}, relu, {conv: b, channels: 8, padding: 1}, relu, ", "", 0, POOLED },
    { "conv3-dropout", { 26, 26, 3 }, 20, 12, "{conv: a, channels: 14}, relu, {max_pool: m}, {conv: b, channels: 28}, relu, {dropout: x}, ", "", 0,
      "flatten, {dense: f, units: 96}, relu, {dense: out}" },
    { "conv1d", { 1, 96, 6 }, 10, 16, "{conv1d: a, channels: 48, kernel: 5}, relu, {conv1d: b, channels: 48, kernel: 5}, relu, ", "", 0, POOLED },
    { "pointwise", { 24, 24, 16 }, 10, 16, "{conv: a, channels: 96, kernel: 1}, {conv: b, channels: 24, kernel: 1}, {conv: c, channels: 96, kernel: 1}, ", "", 0, POOLED },
    { "pointwise-wide", { 12, 12, 64 }, 10, 16, "{conv: a, channels: 256, kernel: 1}, {conv: b, channels: 64, kernel: 1}, ", "", 0, POOLED },
    { "winograd-16", { 32, 32, 16 }, 10, 8, TWO(16), "", 0, POOLED },
    { "winograd-20", { 28, 28, 12 }, 10, 16, TWO(20), "", 0, POOLED },
    { "winograd-64", { 24, 24, 32 }, 10, 8, TWO(64), "", 0, POOLED },
    { "winograd-112", { 12, 12, 96 }, 10, 8, TWO(112), "", 0, POOLED },
    { "winograd-192", { 8, 8, 160 }, 10, 12, TWO(192), "", 0, POOLED },
    { "winograd-256", { 4, 4, 256 }, 10, 16, TWO(256), "", 0, POOLED },
    { "depthwise", { 20, 20, 48 }, 10, 8, "", "{depthwise_conv: w#, padding: 1}, ", 3, POOLED },
    { "depthwise-large", { 28, 28, 96 }, 10, 16, "{depthwise_conv: a, padding: 1}, {depthwise_conv: b, padding: 1, stride: 2}, {depthwise_conv: c, padding: 1}, ", "", 0, POOLED },
    { "depthwise-small", { 12, 12, 40 }, 10, 16, "", "{depthwise_conv: w#, padding: 1}, ", 2, POOLED },
    { "depthwise-thin", { 48, 4, 32 }, 10, 16, "", "{depthwise_conv: w#, padding: 1}, ", 3, POOLED },
    { "depthwise-long", { 4, 48, 32 }, 10, 16, "", "{depthwise_conv: w#, padding: 1}, ", 2, POOLED },
    { "norm", { 16, 16, 32 }, 10, 8, "", "{conv: c#, channels: 32, kernel: 1}, {batch_norm: n#}, relu, ", 2, POOLED },
    { "norm-large", { 32, 32, 48 }, 10, 16, "", "{conv: c#, channels: 48, kernel: 1}, {batch_norm: n#}, relu, ", 2, POOLED },
    { "norm-narrow", { 24, 24, 6 }, 10, 16, "", NORMED(6), 2, POOLED },
    { "norm-small", { 8, 8, 48 }, 10, 8, "", "{batch_norm: n#}, relu, ", 3, POOLED },
    { "pool-small", { 12, 12, 20 }, 10, 12, "{conv: a, channels: 20, kernel: 1}, relu, {max_pool: m}, ", "", 0, "flatten, {dense: out}" },
    { "add", { 20, 20, 32 }, 10, 16, "{conv: a, channels: 32, kernel: 1}, {conv: b, channels: 32, kernel: 1}, {add: [a, b]}, {max_pool: m}, ", "", 0, "flatten, {dense: out}" },
    { "pool", { 28, 28, 8 }, 10, 8, "{conv: a, channels: 8, kernel: 1}, relu, {max_pool: m}, {dropout: x}, ", "", 0, "flatten, {dense: f, units: 32}, relu, {dense: out}" },
    { "lstm-64", { 1, 1, 40 }, 40, 8, "{embedding: e, channels: 16}, {lstm: l, units: 64, output: last}, ", "", 0, "{dense: out}" },
    { "lstm-192", { 1, 1, 24 }, 40, 16, "{embedding: e, channels: 16}, {lstm: l, units: 192}, {lstm: l_l1, units: 192, output: last}, ", "", 0, "{dense: out}" },
    { "gru-128", { 1, 1, 32 }, 60, 16, "{embedding: e, channels: 8}, {gru: l, units: 128}, ", "", 0, "{dense: out, each: true}" },
    { "gru-256", { 1, 1, 24 }, 50, 10, "{embedding: e, channels: 8}, {gru: l, units: 256, output: last}, ", "", 0, "{dense: out}" },
    { "deep-24", { 32, 32, 3 }, 10, 16, "", NORMED(24), 6, POOLED },
    { "deep-256", { 8, 8, 128 }, 10, 16, "", NORMED(256), 3, POOLED },
    { "deep-6", { 28, 28, 6 }, 10, 32, "", NORMED(6), 5, POOLED },
    { "deep-384", { 5, 5, 256 }, 10, 16, "", NORMED(384), 2, POOLED },
    { "deep-512", { 4, 4, 512 }, 10, 8, "", NORMED(512), 2, POOLED },
    { "deep-96", { 16, 16, 48 }, 10, 32, "", NORMED(96), 4, POOLED },
    { "inverted-20", { 24, 24, 20 }, 10, 16, "", INVERTED(20, 80), 2, POOLED },
    { "inverted-40", { 12, 12, 40 }, 10, 24, "", INVERTED(40, 200), 3, POOLED },
    { "inverted-96", { 6, 6, 96 }, 10, 16, "", INVERTED(96, 400), 3, POOLED },
    { "inverted-32", { 16, 16, 32 }, 10, 24, "", INVERTED(32, 128), 4, POOLED },
    { "inverted-12", { 28, 28, 12 }, 10, 24, "", INVERTED(12, 36), 4, POOLED },
    { "inverted-48", { 8, 8, 48 }, 10, 32, "", INVERTED(48, 288), 4, POOLED },
    { "inverted-24", { 28, 28, 24 }, 10, 20, "", INVERTED(24, 96), 2, POOLED },
    { "residual-28", { 28, 28, 3 }, 10, 40, STEM(28), RESIDUAL(28), 3, POOLED },
    { "winograd-48", { 30, 30, 28 }, 10, 24, TWO(48), "", 0, POOLED },
    { "residual-20", { 24, 24, 3 }, 10, 32, STEM(20), RESIDUAL(20), 4, POOLED },
    { "residual-10", { 32, 32, 3 }, 10, 24, STEM(10), RESIDUAL(10), 3, POOLED },
    { "residual-40", { 14, 14, 3 }, 10, 32, STEM(40), RESIDUAL(40), 4, POOLED },
    { "residual-112", { 8, 8, 3 }, 10, 20, STEM(112), RESIDUAL(112), 4, POOLED },
    { "residual-7", { 24, 24, 3 }, 10, 24, STEM(7), RESIDUAL(7), 3, POOLED },
};

const mu_probe *mu_probes(size_t *count)
{
    *count = MU_COUNT(probes);
    return probes;
}

#define TEXT_BYTES 4096

typedef struct text {
    char   bytes[TEXT_BYTES];
    size_t length;
} text;

static void append(text *to, const char *layers, uint32_t number)
{
    for (; *layers; layers++) {
        char digits[16];
        snprintf(digits, sizeof digits, "%u", *layers == '@' ? number + 1 : number);
        const bool is_number = *layers == '#' || *layers == '@';
        const size_t length = is_number ? strlen(digits) : 1;
        MU_ASSERT(to->length + length < sizeof to->bytes);
        memcpy(to->bytes + to->length, is_number ? digits : layers, length);
        to->length += length;
    }
}

mu_status mu_probe_model(const mu_probe *probe, mu_model **out, mu_error *err)
{
    text yaml = { .length = 0 };
    append(&yaml, "layers: [", 0);
    append(&yaml, probe->head, 0);
    for (uint32_t i = 0; i < probe->repeats; i++)
        append(&yaml, probe->block, i);
    append(&yaml, probe->tail, 0);
    append(&yaml, "]", 0);
    mu_conf *conf;
    mu_status status = mu_conf_parse(probe->name, yaml.bytes, yaml.length, &conf, err);
    if (status)
        return status;
    status = mu_model_create_layers(mu_conf_root(conf), probe->input, probe->classes, out, err);
    mu_conf_destroy(conf);
    return status;
}

/* Rates by kind of work: their option rows, and what they make of a step. */
#include "device/rates.h"

#define RATE(kind, name, help) { name "_per_s", MU_OPTION_REAL, offsetof(mu_rates, per_s[kind]), 0, 1e18, "0", NULL, "1/s", help }

/* Those of the kinds stand first, in their order. */
static const mu_option rows[] = {
    RATE(MU_WORK_STEPS, "steps", "of training steps with nothing in them; 0, here as below: takes no time"),
    RATE(MU_WORK_LAYERS, "layers", "layers with nothing in them"),
    RATE(MU_WORK_DENSE, "dense_macs", "multiply-accumulates of matrix products"),
    RATE(MU_WORK_CONV, "conv_macs", "of convolutions by direct sums"),
    RATE(MU_WORK_CONV_READS, "conv_reads", "values that these read, one for every four vectors of channels"),
    RATE(MU_WORK_WINOGRAD, "winograd_macs", "of convolutions by Winograd's algorithm"),
    RATE(MU_WORK_WINOGRAD_FLOATS, "winograd_floats", "values that this transforms there and back"),
    RATE(MU_WORK_WINOGRAD_WEIGHTS, "winograd_weights", "transformed weights of these, as often as they are made"),
    RATE(MU_WORK_DEPTHWISE, "depthwise_macs", "of depthwise convolutions"),
    RATE(MU_WORK_DEPTHWISE_ROWS, "depthwise_rows", "rows of pixels that these go along, for each vector of channels"),
    RATE(MU_WORK_RECURRENT, "recurrent_macs", "of recurrent layers with their state"),
    RATE(MU_WORK_GATES, "gates", "gates of recurrent units, item by item"),
    RATE(MU_WORK_NORM, "norm_floats", "values that are normalised, there and back"),
    RATE(MU_WORK_POOL, "pool_floats", "values that are pooled"),
    RATE(MU_WORK_DROPOUT, "dropout_floats", "values that dropout looks at"),
    RATE(MU_WORK_LOSS, "loss_floats", "logits"),
    RATE(MU_WORK_PREDICTIONS, "predictions", "rows of logits"),
    RATE(MU_WORK_MOVED, "moved_floats", "values that layers read and write"),
    RATE(MU_WORK_WEIGHTS, "weight_floats", "trained parameters"),
    RATE(MU_WORK_NEAR, "near_floats", "values that have left the near cache by their next use"),
    RATE(MU_WORK_NEAR_WEIGHTS, "near_weights", "weights and their gradients that have"),
    RATE(MU_WORK_FAR, "far_floats", "values that have left the last cache by their next use"),
    RATE(MU_WORK_FAR_WEIGHTS, "far_weights", "weights and their gradients that have"),
    { "macs_per_s", MU_OPTION_REAL, offsetof(mu_rates, macs_per_s), 0, 1e18, "0", NULL, "MAC/s",
      "speed of the device that they were measured on: one with twice as much is twice as fast in all of them; 0: the class's own" },
    { "lanes", MU_OPTION_COUNT, offsetof(mu_rates, lanes), 1, 64, "1", NULL, "floats", "that a vector of its processor holds" },
    { "near_cache", MU_OPTION_BYTES, offsetof(mu_rates, near_bytes), 0, 1e15, "0", NULL, "bytes", "the cache that a core has for itself" },
    { "cache", MU_OPTION_BYTES, offsetof(mu_rates, cache_bytes), 0, 1e15, "0", NULL, "bytes", "its last cache" },
};
_Static_assert(MU_COUNT(rows) == MU_WORK_KIND_COUNT + 4, "every kind of work has its rate");

const mu_option *mu_rates_options(size_t *count)
{
    *count = MU_COUNT(rows);
    return rows;
}

double mu_rates_step_s(const mu_rates *rates, const mu_model *model, uint32_t batch_size)
{
    const mu_step_work work = mu_model_work(model, batch_size, rates->lanes, rates->near_bytes, rates->cache_bytes);
    double seconds = 0.0;
    for (int kind = 0; kind < MU_WORK_KIND_COUNT; kind++)
        if (rates->per_s[kind] > 0.0)
            seconds += (double)work.of[kind] / rates->per_s[kind];
    return seconds;
}

mu_status mu_rates_read(const mu_conf_node *map, double macs_per_s, const char *where, mu_rates *out, mu_error *err)
{
    mu_status status = mu_options_read(rows, MU_COUNT(rows), map, NULL, where, out, err);
    if (!status && out->macs_per_s <= 0.0)
        out->macs_per_s = macs_per_s;
    return status;
}

mu_status mu_rates_write(const mu_rates *rates, mu_conf *conf, mu_conf_node *map, mu_error *err)
{
    mu_conf_node *one = mu_conf_make_map(conf, map, "rates");
    return one ? mu_options_write(rows, MU_COUNT(rows), rates, conf, one, err)
               : mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
}

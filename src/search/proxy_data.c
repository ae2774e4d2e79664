/* Examples of all devices as one source, and a part of them held out. */
#include "search/proxy_data.h"

#include "search/streams.h"

#include <stdlib.h>

struct mu_proxy_data {
    const mu_data *data;
    uint32_t      *starts;   /* [devices + 1]: which example is the device's first one */
    uint32_t      *order;    /* [all]: numbers of examples; those for training, then those held out */
    uint32_t       training, held_out;
    size_t         values, targets; /* of an example */
};

/* ---- reading ---- */

/* The device that an example lies on: the last one that begins at it or before. */
static uint32_t device_of(const mu_proxy_data *d, uint32_t number)
{
    uint32_t low = 0, high = mu_data_device_count(d->data);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (d->starts[middle] <= number)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void read_numbered(const mu_proxy_data *d, const uint32_t *order, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t number = order[indices[i]], device = device_of(d, number);
        mu_data_read(d->data, device, &(uint32_t){ number - d->starts[device] }, 1, x + i * d->values, labels + i * d->targets);
    }
}

static void read_training(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const mu_proxy_data *d = self;
    read_numbered(d, d->order, indices, count, x, labels);
}

static void read_validation(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    const mu_proxy_data *d = self;
    read_numbered(d, d->order + d->training, indices, count, x, labels);
}

mu_examples mu_proxy_data_training(const mu_proxy_data *data)
{
    return (mu_examples){ .self = data, .count = data->training, .read = read_training };
}

mu_examples mu_proxy_data_validation(const mu_proxy_data *data)
{
    return (mu_examples){ .self = data, .count = data->held_out, .read = read_validation };
}

/* ---- making ---- */

static mu_status count_examples(const mu_data *data, uint64_t *out, mu_error *err)
{
    *out = 0;
    for (uint32_t device = 0; device < mu_data_device_count(data); device++)
        *out += mu_data_num_examples(data, device);
    return *out < UINT32_MAX ? MU_OK : mu_error_set(err, MU_E_LIMIT, "the devices have %llu examples, a search takes %u at most",
                                                    (unsigned long long)*out, UINT32_MAX - 1);
}

static void fill(mu_proxy_data *d, uint32_t all, uint64_t seed)
{
    for (uint32_t device = 0; device < mu_data_device_count(d->data); device++)
        d->starts[device + 1] = d->starts[device] + mu_data_num_examples(d->data, device);
    for (uint32_t i = 0; i < all; i++)
        d->order[i] = i;
    mu_random random = mu_search_stream(seed, MU_SEARCH_HOLD_OUT, 0);
    mu_random_shuffle(&random, d->order, all);
}

mu_status mu_proxy_data_create(const mu_data *data, uint32_t held_out, uint64_t seed, mu_proxy_data **out, mu_error *err)
{
    uint64_t all;
    mu_status status = count_examples(data, &all, err);
    if (status)
        return status;
    if (held_out == 0 || all < 2 * (uint64_t)held_out)
        return mu_error_set(err, MU_E_RANGE, "of %llu examples %u cannot be held out: at least one must be, and no more than half of them",
                            (unsigned long long)all, held_out);
    mu_proxy_data *d = calloc(1, sizeof *d);
    if (d) {
        const mu_shape shape = mu_data_shape(data);
        d->data = data;
        d->held_out = held_out;
        d->training = (uint32_t)all - held_out;
        d->values = (size_t)shape.height * shape.width * shape.channels;
        d->targets = mu_data_targets(data);
        d->starts = calloc((size_t)mu_data_device_count(data) + 1, sizeof *d->starts);
        d->order = calloc(all, sizeof *d->order);
    }
    if (!d || !d->starts || !d->order) {
        mu_proxy_data_destroy(d);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the order of %llu examples", (unsigned long long)all);
    }
    fill(d, (uint32_t)all, seed);
    *out = d;
    return MU_OK;
}

void mu_proxy_data_destroy(mu_proxy_data *data)
{
    if (!data)
        return;
    free(data->starts);
    free(data->order);
    free(data);
}

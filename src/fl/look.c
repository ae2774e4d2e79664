/* The last version on single devices' own examples: how evenly the model serves those who train it, and those who never did. */
#include "fl/federation_internal.h"

#include "muster/random.h"

#include <stdlib.h>

/* A device's lot is its own: whoever else is there changes whether it is drawn, but not what it drew. */
typedef struct lot {
    uint64_t number;
    uint32_t device;
} lot;

static int by_number(const void *a, const void *b)
{
    const lot *x = a, *y = b;
    return x->number != y->number ? (x->number > y->number) - (x->number < y->number) : (x->device > y->device) - (x->device < y->device);
}

static int by_device(const void *a, const void *b)
{
    uint32_t x = ((const lot *)a)->device, y = ((const lot *)b)->device;
    return (x > y) - (x < y);
}

/* Who can be asked. Where devices are real, those who are not there cannot; but when the last version is looked at after a resume nobody has been told of, and the
 * carrier knows better. */
static bool is_there(const mu_control *control, uint32_t device)
{
    const mu_presence *presence = &control->presence;
    bool has_examples = mu_data_num_examples(control->config.data, device) > 0;
    return has_examples && (!control->carrier.tells_presence || presence->count == 0 || mu_presence_is_there(presence, device));
}

/* The `wanted` lowest lots of those who are there, in `kept` [2 * wanted], by device: room for as many again, so that sorting is rare. */
static uint32_t draw(const mu_control *control, lot *kept, uint32_t wanted)
{
    size_t count = 0, room = 2 * (size_t)wanted;
    for (uint32_t device = 0; device < control->device_count; device++) {
        if (!is_there(control, device))
            continue;
        if (count == room) {
            qsort(kept, count, sizeof *kept, by_number);
            count = wanted;
        }
        mu_random random = mu_random_stream(control->config.seed, MU_RANDOM_EVALUATE, 1, device);
        kept[count++] = (lot){ mu_random_u64(&random), device };
    }
    qsort(kept, count, sizeof *kept, by_number);
    count = count < wanted ? count : wanted;
    qsort(kept, count, sizeof *kept, by_device);
    return (uint32_t)count;
}

mu_status mu_look_draw(const mu_control *control, uint32_t wanted, uint32_t **devices, uint32_t *count, mu_error *err)
{
    wanted = wanted < control->device_count ? wanted : control->device_count;
    lot *kept = malloc(2 * (size_t)wanted * sizeof *kept);
    uint32_t *drawn = malloc(wanted * sizeof *drawn);
    if (!kept || !drawn) {
        free(kept);
        free(drawn);
        return mu_error_set(err, MU_E_MEMORY, "no memory to look at %u devices", wanted);
    }
    *count = draw(control, kept, wanted);
    for (uint32_t i = 0; i < *count; i++)
        drawn[i] = kept[i].device;
    free(kept);
    *devices = drawn;
    return MU_OK;
}

static mu_status evaluate(mu_control *control, const uint32_t *devices, uint32_t count, mu_evaluation *each, mu_error *err)
{
    const mu_federation_config *config = &control->config;
    const mu_usable *widest = &control->usable.parts[0];
    const float *state = control->version->state; /* of the last version, with the statistics that were found for it when it was made */
    mu_status status = mu_control_is_finished(control) ? MU_OK : mu_looked_state(control, widest, &state, err);
    return status ? status : control->carrier.evaluate_devices(control->carrier.self, state, widest, config->look_own_classes, devices, count,
                                                               config->look_examples, each, err);
}

mu_status mu_federation_look_at_devices(mu_federation *federation, uint32_t **devices, mu_evaluation **each, uint32_t *count, mu_error *err)
{
    mu_control *control = &federation->control;
    *devices = NULL;
    *each = NULL;
    *count = 0;
    if (!control->config.look_devices || !control->carrier.evaluate_devices || mu_control_is_dry(control))
        return MU_OK;
    uint32_t *drawn, drawn_count;
    mu_status status = mu_look_draw(control, control->config.look_devices, &drawn, &drawn_count, err);
    if (status)
        return status;
    mu_evaluation *found = calloc(drawn_count ? drawn_count : 1, sizeof *found);
    status = found ? evaluate(control, drawn, drawn_count, found, err)
                   : mu_error_set(err, MU_E_MEMORY, "no memory to look at %u devices", drawn_count);
    if (status) {
        free(found);
        free(drawn);
        return status;
    }
    *devices = drawn;
    *each = found;
    *count = drawn_count;
    return MU_OK;
}

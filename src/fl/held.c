/* Updates that wait, in the order in which they came: each in the name of a method's state. */
#include "fl/federation_internal.h"

#include <stdlib.h>
#include <string.h>

mu_held_slot *mu_held_append(mu_control *control, mu_error *err)
{
    if (control->held_count == control->held_capacity) {
        uint32_t capacity = control->held_capacity ? 2 * control->held_capacity : 16;
        mu_held_slot *held = realloc(control->held, capacity * sizeof *held);
        if (!held) {
            mu_error_set(err, MU_E_MEMORY, "no memory to hold %u updates", capacity);
            return NULL;
        }
        control->held = held;
        control->held_capacity = capacity;
    }
    mu_held_slot *slot = &control->held[control->held_count];
    memset(slot, 0, sizeof *slot);
    return slot;
}

mu_status mu_held_take_memory(mu_control *control, mu_held_slot *slot, mu_error *err)
{
    if (control->config.train.dry)
        return MU_OK;
    slot->memory = malloc((1 + (size_t)control->crossing.sent) * control->state_count * sizeof(float));
    if (!slot->memory)
        return mu_error_set(err, MU_E_MEMORY, "no memory to hold an update of %zu parameters", control->state_count);
    slot->held.update.delta = slot->memory;
    for (uint32_t i = 0; i < control->crossing.sent; i++)
        slot->held.update.sent[i] = slot->memory + (1 + (size_t)i) * control->state_count;
    return MU_OK;
}

/* Whose state an update started from: the one that is being handled, the current one (which a relayed update is folded against), or one that
 * is held already. */
static mu_version *start_of(mu_control *control, const mu_update *update)
{
    if (control->handled && update->start == control->handled->state)
        return control->handled;
    if (update->start == control->version->state)
        return control->version;
    for (uint32_t i = 0; i < control->held_count; i++)
        if (control->held[i].start && control->held[i].held.update.start == update->start)
            return control->held[i].start;
    MU_ASSERT(!"an update that neither came just now nor starts from the current version nor is held");
    return NULL;
}

/* Which units were trained, and which classes the device has. */
static mu_status copy_flags(const mu_control *control, const mu_held *held, mu_held_slot *slot, mu_error *err)
{
    const bool *kept = held->task.plan.kept, *classes = held->update.classes;
    size_t class_count = mu_model_classes(control->config.model);
    slot->kept = kept ? mu_part_copy(control, kept) : NULL;
    slot->classes = classes ? malloc(class_count * sizeof *classes) : NULL;
    if ((kept && !slot->kept) || (classes && !slot->classes))
        return mu_error_set(err, MU_E_MEMORY, "no memory to hold an update");
    if (classes)
        memcpy(slot->classes, classes, class_count * sizeof *classes);
    slot->held.task.plan.kept = slot->held.update.kept = slot->kept;
    slot->held.update.classes = slot->classes;
    return MU_OK;
}

mu_status mu_control_hold(mu_control *control, const void *state, const mu_task *task, const mu_update *update, mu_held_id *id, mu_error *err)
{
    const mu_held copied = { .task = *task, .update = *update }; /* both may be held ones, which appending moves */
    update = &copied.update;
    mu_held_slot *slot = mu_held_append(control, err);
    if (!slot)
        return MU_E_MEMORY;
    slot->held = copied;
    slot->owner = state;
    mu_status status = copy_flags(control, &copied, slot, err);
    if (!status)
        status = mu_held_take_memory(control, slot, err);
    if (status) {
        free(slot->kept);
        free(slot->classes);
        return status;
    }
    if (slot->memory) {
        slot->start = start_of(control, update);
        mu_version_retain(slot->start);
        slot->held.update.start = slot->start->state;
        memcpy(slot->memory, update->delta, control->state_count * sizeof(float));
        for (uint32_t i = 0; i < control->crossing.sent; i++)
            memcpy(slot->memory + (1 + (size_t)i) * control->state_count, update->sent[i], control->state_count * sizeof(float));
    }
    slot->held.id.value = ++control->updates_held;
    control->held_count++;
    if (id)
        *id = slot->held.id;
    return MU_OK;
}

uint32_t mu_control_held_count(const mu_control *control, const void *state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < control->held_count; i++)
        count += control->held[i].owner == state;
    return count;
}

const mu_held *mu_control_held(const mu_control *control, const void *state, uint32_t index)
{
    for (uint32_t i = 0; i < control->held_count; i++)
        if (control->held[i].owner == state && index-- == 0)
            return &control->held[i].held;
    MU_ASSERT(!"more updates asked for than are held");
    return NULL;
}

const mu_held *mu_control_held_named(const mu_control *control, mu_held_id id)
{
    for (uint32_t i = 0; i < control->held_count; i++)
        if (control->held[i].held.id.value == id.value)
            return &control->held[i].held;
    return NULL;
}

static void release(mu_held_slot *slot)
{
    free(slot->memory);
    free(slot->kept);
    free(slot->classes);
    mu_version_release(slot->start);
}

void mu_control_drop(mu_control *control, mu_held_id id)
{
    for (uint32_t i = 0; i < control->held_count; i++)
        if (control->held[i].held.id.value == id.value) {
            release(&control->held[i]);
            memmove(&control->held[i], &control->held[i + 1], (control->held_count - i - 1) * sizeof *control->held);
            control->held_count--;
            return;
        }
    MU_ASSERT(!"an update that is not held");
}

void mu_held_release(mu_control *control)
{
    for (uint32_t i = 0; i < control->held_count; i++)
        release(&control->held[i]);
    free(control->held);
    control->held = NULL;
    control->held_count = control->held_capacity = 0;
}

/* Checkpoints: everything that what comes next depends on, in one file that is replaced as a whole: taken between two events, with the
 * tasks that are under way, the timers that are set and the updates that are held. What devices had computed of a task is not in it: the
 * task is sent again, as of the moment at which it was sent, and comes to the same.
 *
 * A checkpoint is read by the build that wrote it, on the machine that wrote it: numbers are as they lie in memory. Its head says
 * what it belongs to, its end is a SHA-256 over all before; a file that does not fit in any way is refused. */
#include "base/digest.h"
#include "base/file.h"
#include "fl/federation_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct checkpoint_head {
    char     magic[16];
    uint64_t seed, state_count;
    uint32_t device_count, kept_count, rounds_done, history_bytes, totals_bytes, reserved;
} checkpoint_head;

static const char checkpoint_magic[16] = "muster-ckpt-6";

/* One walk over all parts serves writing and reading, so they cannot disagree. */
typedef struct walk {
    bool           reading;
    unsigned char *bytes;
    size_t         size_bytes, capacity_bytes; /* used so far; reading: capacity is the size of the content */
    bool           failed; /* no memory; or, reading, more was asked for than there is */
    bool           no_memory; /* reading: that is why */
} walk;

/* What reading takes for itself: NULL is no memory. */
static bool got(walk *w, const void *memory)
{
    w->no_memory |= !memory;
    w->failed |= !memory;
    return memory;
}

static void part(walk *w, void *memory, size_t size_bytes)
{
    if (w->failed || size_bytes == 0)
        return;
    if (size_bytes > w->capacity_bytes - w->size_bytes) {
        size_t capacity_bytes = 2 * w->capacity_bytes + size_bytes;
        unsigned char *bytes = w->reading ? NULL : realloc(w->bytes, capacity_bytes);
        if (!bytes) {
            w->failed = true;
            return;
        }
        w->bytes = bytes;
        w->capacity_bytes = capacity_bytes;
    }
    if (w->reading)
        memcpy(memory, w->bytes + w->size_bytes, size_bytes);
    else
        memcpy(w->bytes + w->size_bytes, memory, size_bytes);
    w->size_bytes += size_bytes;
}

/* ---- what is always there ---- */

static void walk_numbers(walk *w, mu_control *control)
{
    part(w, &control->version_number, sizeof control->version_number);
    part(w, &control->now, sizeof control->now);
    part(w, &control->tasks_sent, sizeof control->tasks_sent);
    part(w, &control->orders, sizeof control->orders);
    part(w, &control->updates_held, sizeof control->updates_held);
    part(w, &control->refused_in_a_row, sizeof control->refused_in_a_row);
    part(w, &control->totals, sizeof control->totals);
    part(w, &control->round, sizeof control->round);
    part(w, &control->round_examples, sizeof control->round_examples);
    part(w, &control->round_loss, sizeof control->round_loss);
    part(w, &control->round_accuracy, sizeof control->round_accuracy);
    part(w, &control->round_staleness, sizeof control->round_staleness);
    part(w, &control->idle_energy_before_j, sizeof control->idle_energy_before_j);
    part(w, control->history, control->device_count * sizeof *control->history);
}

static void walk_methods(walk *w, mu_control *control)
{
    for (uint32_t i = 0; i < control->kept_count; i++) {
        mu_kept *kept = &control->kept[i];
        part(w, kept->state, kept->method->state_bytes);
        part(w, kept->vectors, kept->counts.server * control->state_count * sizeof(float));
        part(w, kept->devices, control->device_count * kept->method->device_bytes);
    }
}

static void walk_presence(walk *w, mu_control *control)
{
    mu_presence *presence = &control->presence;
    uint64_t size_bytes = w->reading ? 0 : mu_presence_save(presence, NULL);
    part(w, &size_bytes, sizeof size_bytes);
    if (w->failed)
        return;
    if (w->reading) {
        w->failed = size_bytes > w->capacity_bytes - w->size_bytes ||
                    !mu_presence_restore(presence, w->bytes + w->size_bytes, (size_t)size_bytes);
        w->size_bytes += w->failed ? 0 : (size_t)size_bytes;
        return;
    }
    unsigned char *bytes = malloc(size_bytes);
    w->failed = !bytes;
    if (bytes)
        mu_presence_save(presence, bytes);
    part(w, bytes, size_bytes);
    free(bytes);
}

/* ---- versions: that of the federation, and those that tasks and held updates started from ---- */

typedef struct versions {
    mu_version **list; /* the federation's own is the first */
    uint32_t     count;
} versions;

/* The version's place in the list; it is put there when it is not. */
static uint32_t place_of(versions *all, mu_version *version)
{
    if (version->place >= all->count || all->list[version->place] != version) {
        version->place = all->count;
        all->list[all->count++] = version;
    }
    return version->place;
}

static void walk_versions(walk *w, mu_control *control, versions *all)
{
    part(w, &all->count, sizeof all->count);
    if (w->failed || !w->reading) {
        for (uint32_t i = 0; i < all->count && !w->failed; i++)
            part(w, all->list[i]->state, mu_version_bytes(all->list[i]));
        return;
    }
    uint32_t wanted = all->count;
    all->count = 0;
    w->failed = wanted == 0 || wanted > w->capacity_bytes / sizeof(float);
    if (w->failed || !got(w, all->list = calloc(wanted, sizeof *all->list)))
        return;
    while (all->count < wanted && !w->failed) {
        mu_version *version = all->count ? mu_version_create(control) : control->version;
        if (!got(w, version))
            break;
        if (all->count == 0)
            mu_version_retain(version);
        all->list[all->count++] = version;
        part(w, version->state, mu_version_bytes(version));
    }
}

/* ---- which units plans keep, and which classes devices have ---- */

static size_t kept_bytes(const mu_control *control)
{
    return control->config.units ? mu_units_count(control->config.units) * sizeof(bool) : 0;
}

static size_t classes_bytes(const mu_control *control)
{
    return mu_model_classes(control->config.model) * sizeof(bool);
}

/* Flags where there were any when it was written, which a pointer tells: `there`. NULL: there were none, or there is no memory for them (the walk has
 * failed then). */
static bool *read_flags(walk *w, const bool *there, size_t size_bytes)
{
    if (!there || w->failed)
        return NULL;
    bool *flags = malloc(size_bytes + 1);
    if (got(w, flags))
        part(w, flags, size_bytes);
    return flags;
}

/* ---- what is under way ---- */

/* A task or a timer, told apart by `is_timer`: sent and set again in the order in which they were. */
typedef struct pending {
    uint64_t   order;
    mu_task    task;
    mu_timer   timer;
    mu_held_id carried;
    uint32_t   version;
    bool       is_timer;
} pending;

static int compare_pending(const void *a, const void *b)
{
    uint64_t x = ((const pending *)a)->order, y = ((const pending *)b)->order;
    return (x > y) - (x < y);
}

static pending *gather_pending(mu_control *control, versions *all, uint32_t *count)
{
    *count = control->tasks_open + control->timer_count;
    pending *list = calloc(*count ? *count : 1, sizeof *list), *next = list;
    if (!list)
        return NULL;
    for (uint32_t i = 0; i < control->slot_count; i++) {
        const mu_task_slot *slot = &control->slots[i];
        if (!slot->used)
            continue;
        next->order = slot->order;
        next->task = slot->task;
        next->carried = slot->carried;
        next->version = place_of(all, slot->start);
        next++;
    }
    for (uint32_t i = 0; i < control->timer_count; i++, next++) {
        next->order = control->timers[i].order;
        next->timer = control->timers[i];
        next->is_timer = true;
    }
    qsort(list, *count, sizeof *list, compare_pending);
    return list;
}

static mu_status send_again(mu_control *control, const versions *all, const pending *p, bool *kept, mu_error *err)
{
    if (p->is_timer)
        return mu_tasks_add_timer(control, p->timer, err);
    mu_task_slot *slot;
    mu_status status = mu_tasks_take_slot(control, &slot, err);
    if (status) {
        free(kept);
        return status;
    }
    slot->task = p->task;
    slot->task.plan.kept = slot->kept = kept;
    slot->task.id.value = p->task.id.value >> 32 << 32 | (uint64_t)(slot - control->slots);
    slot->order = p->order;
    slot->carried = p->carried;
    slot->start = all->list[p->version];
    mu_version_retain(slot->start);
    return control->carrier.send(control->carrier.self, &slot->task, slot->start, err);
}

static mu_status walk_pending(walk *w, mu_control *control, const versions *all, pending *list, uint32_t count, mu_error *err)
{
    part(w, &count, sizeof count);
    if (!w->reading) {
        for (uint32_t i = 0; i < count; i++) {
            part(w, &list[i], sizeof list[i]);
            if (list[i].task.plan.kept)
                part(w, (void *)(uintptr_t)list[i].task.plan.kept, kept_bytes(control));
        }
        return MU_OK;
    }
    for (uint32_t i = 0; i < count && !w->failed; i++) {
        pending p;
        part(w, &p, sizeof p);
        if (w->failed || (!p.is_timer && (p.version >= all->count || p.task.device >= control->device_count))) {
            w->failed = true;
            break;
        }
        bool *kept = p.is_timer ? NULL : read_flags(w, p.task.plan.kept, kept_bytes(control));
        if (w->failed) {
            free(kept);
            break;
        }
        mu_status status = send_again(control, all, &p, kept, err);
        if (status)
            return status;
    }
    return MU_OK;
}

/* ---- held updates ---- */

typedef struct held_head {
    mu_held  held;
    uint32_t owner, version; /* owner: the place among the methods */
} held_head;

static held_head held_head_of(const mu_control *control, const mu_held_slot *slot, versions *all)
{
    held_head head;
    memset(&head, 0, sizeof head);
    head.held = slot->held;
    while (control->kept[head.owner].state != slot->owner)
        head.owner++;
    head.version = slot->start ? place_of(all, slot->start) : 0;
    return head;
}

static size_t held_bytes(const mu_control *control)
{
    return (1 + (size_t)control->crossing.sent) * control->state_count * sizeof(float);
}

static void read_held(walk *w, mu_control *control, const versions *all)
{
    held_head head;
    part(w, &head, sizeof head);
    w->failed |= !w->failed && (head.owner >= control->kept_count || head.version >= all->count);
    if (w->failed)
        return;
    mu_held_slot *slot = mu_held_append(control, NULL);
    if (!got(w, slot))
        return;
    slot->held = head.held;
    slot->held.update.delta = slot->held.update.start = NULL;
    slot->kept = read_flags(w, head.held.task.plan.kept, kept_bytes(control));
    slot->classes = read_flags(w, head.held.update.classes, classes_bytes(control));
    slot->held.task.plan.kept = slot->held.update.kept = slot->kept;
    slot->held.update.classes = slot->classes;
    slot->owner = control->kept[head.owner].state;
    control->held_count++;
    bool taken = mu_held_take_memory(control, slot, NULL) == MU_OK; /* none in a dry run */
    if (!got(w, taken ? slot : NULL) || !slot->memory)
        return;
    slot->start = all->list[head.version];
    mu_version_retain(slot->start);
    slot->held.update.start = slot->start->state;
    part(w, slot->memory, held_bytes(control));
}

static void walk_held(walk *w, mu_control *control, versions *all)
{
    uint32_t count = control->held_count;
    part(w, &count, sizeof count);
    for (uint32_t i = 0; i < count && !w->failed; i++) {
        if (w->reading) {
            read_held(w, control, all);
            continue;
        }
        mu_held_slot *slot = &control->held[i];
        held_head head = held_head_of(control, slot, all);
        part(w, &head, sizeof head);
        if (slot->kept)
            part(w, slot->kept, kept_bytes(control));
        if (slot->classes)
            part(w, slot->classes, classes_bytes(control));
        if (slot->memory)
            part(w, slot->memory, held_bytes(control));
    }
}

/* ---- the carrier's devices ---- */

static mu_status walk_carrier(walk *w, mu_control *control, mu_error *err)
{
    const mu_carrier *carrier = &control->carrier;
    uint64_t size_bytes = carrier->save && !w->reading ? carrier->save(carrier->self, NULL) : 0;
    part(w, &size_bytes, sizeof size_bytes);
    if (w->failed || size_bytes == 0)
        return MU_OK;
    if (w->reading) {
        if (size_bytes > w->capacity_bytes - w->size_bytes || !carrier->restore) {
            w->failed = true;
            return MU_OK;
        }
        w->size_bytes += size_bytes;
        return carrier->restore(carrier->self, w->bytes + w->size_bytes - size_bytes, size_bytes, err);
    }
    unsigned char *bytes = malloc(size_bytes);
    w->failed = !bytes;
    if (bytes)
        carrier->save(carrier->self, bytes);
    part(w, bytes, size_bytes);
    free(bytes);
    return MU_OK;
}

/* ---- all of it ---- */

/* Held updates come before tasks, which may bring them; all versions before both. */
static mu_status walk_all(walk *w, mu_control *control, versions *all, pending *list, uint32_t count, uint8_t place[256], mu_error *err)
{
    walk_numbers(w, control);
    walk_methods(w, control);
    walk_presence(w, control);
    walk_versions(w, control, all);
    if (!w->failed)
        walk_held(w, control, all);
    mu_status status = w->failed ? MU_OK : walk_carrier(w, control, err);
    if (!status && !w->failed)
        status = walk_pending(w, control, all, list, count, err);
    part(w, place, 256);
    return status;
}

static checkpoint_head head_of(const mu_control *control)
{
    checkpoint_head head = {
        .seed = control->config.seed, .state_count = control->state_count, .device_count = control->device_count,
        .kept_count = control->kept_count, .rounds_done = control->version_number,
        .history_bytes = sizeof(mu_history), .totals_bytes = sizeof(mu_totals),
    };
    memcpy(head.magic, checkpoint_magic, sizeof head.magic);
    return head;
}

static mu_status write_all(mu_control *control, versions *all, pending *list, uint32_t count, uint8_t place[256], mu_error *err)
{
    checkpoint_head head = head_of(control);
    walk w = { 0 };
    char hex[MU_SHA256_HEX_BYTES];
    part(&w, &head, sizeof head);
    mu_status status = walk_all(&w, control, all, list, count, place, err);
    if (!w.failed)
        mu_sha256_hex(w.bytes, w.size_bytes, hex);
    part(&w, hex, sizeof hex);
    if (!status && w.failed)
        status = mu_error_set(err, MU_E_MEMORY, "no memory for a checkpoint of more than %zu bytes", w.size_bytes);
    if (!status)
        status = mu_file_write(control->config.checkpoint_path, w.bytes, w.size_bytes, err);
    free(w.bytes);
    return status;
}

mu_status mu_checkpoint_save(mu_control *control, mu_error *err)
{
    uint8_t place[256] = { 0 };
    mu_status status = control->observer.save ? control->observer.save(control->observer.self, place, err) : MU_OK;
    if (status)
        return status;
    mu_presence_advance(&control->presence, control->now);
    versions all = { 0 };
    all.list = malloc((1 + (size_t)control->tasks_open + control->held_count) * sizeof *all.list);
    if (!all.list)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a checkpoint");
    place_of(&all, control->version);
    uint32_t count;
    pending *list = gather_pending(control, &all, &count);
    for (uint32_t i = 0; i < control->held_count; i++)
        held_head_of(control, &control->held[i], &all); /* so that its version is in the list before that is written */
    status = list ? write_all(control, &all, list, count, place, err) : mu_error_set(err, MU_E_MEMORY, "no memory for a checkpoint");
    free(list);
    free(all.list);
    return status;
}

static mu_status check_file(const mu_control *control, const mu_file *file, mu_error *err)
{
    const char *path = control->config.checkpoint_path;
    checkpoint_head head, ours = head_of(control);
    if (file->size_bytes < sizeof head + MU_SHA256_HEX_BYTES || memcmp(file->data, checkpoint_magic, sizeof checkpoint_magic) != 0)
        return mu_error_set(err, MU_E_PARSE, "%s: not a checkpoint of this version of muster", path);
    memcpy(&head, file->data, sizeof head);
    ours.rounds_done = head.rounds_done;
    if (memcmp(&head, &ours, sizeof head) != 0)
        return mu_error_set(err, MU_E_STATE, "%s: belongs to another experiment (seed %llu, %u devices, %llu parameters; this one: seed %llu, "
                            "%u devices, %llu parameters)", path, (unsigned long long)head.seed, head.device_count,
                            (unsigned long long)head.state_count, (unsigned long long)ours.seed, ours.device_count,
                            (unsigned long long)ours.state_count);
    char hex[MU_SHA256_HEX_BYTES];
    size_t size_bytes = file->size_bytes - MU_SHA256_HEX_BYTES;
    mu_sha256_hex(file->data, size_bytes, hex);
    if (memcmp(hex, file->data + size_bytes, MU_SHA256_HEX_BYTES) != 0)
        return mu_error_set(err, MU_E_CHECKSUM, "%s: damaged: its content is not what was written", path);
    return MU_OK;
}

static mu_status read_all(mu_control *control, const mu_file *file, mu_error *err)
{
    uint8_t place[256];
    versions all = { 0 };
    walk w = {
        .reading = true, .bytes = (unsigned char *)(uintptr_t)file->data, .size_bytes = sizeof(checkpoint_head),
        .capacity_bytes = file->size_bytes - MU_SHA256_HEX_BYTES,
    };
    mu_status status = walk_all(&w, control, &all, NULL, 0, place, err);
    for (uint32_t i = 0; i < all.count; i++)
        mu_version_release(all.list[i]);
    free(all.list);
    if (!status && w.no_memory)
        status = mu_error_set(err, MU_E_MEMORY, "%s: no memory for what was at work when it was written", control->config.checkpoint_path);
    if (!status && (w.failed || w.size_bytes != w.capacity_bytes))
        status = mu_error_set(err, MU_E_STATE, "%s: belongs to another experiment: its parts have other sizes",
                              control->config.checkpoint_path);
    if (!status && control->observer.restore)
        status = control->observer.restore(control->observer.self, place, err);
    return status;
}

mu_status mu_checkpoint_load(mu_control *control, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(control->config.checkpoint_path, &file, err);
    if (status)
        return status;
    status = check_file(control, &file, err);
    if (!status)
        status = read_all(control, &file, err);
    mu_file_unmap(&file);
    return status;
}

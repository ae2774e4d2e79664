/* Checkpoints: everything that the next round depends on, in one file that is replaced as a whole after every round.
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

static const char checkpoint_magic[16] = "muster-ckpt-1";

/* One walk over all parts serves counting, writing and reading, so they cannot disagree. */
typedef enum { COUNT, WRITE, READ } walk_mode;

typedef struct walk {
    walk_mode      mode;
    unsigned char *at; /* WRITE, READ */
    size_t         size_bytes;
} walk;

static void part(walk *w, void *memory, size_t size_bytes)
{
    if (w->mode == WRITE)
        memcpy(w->at + w->size_bytes, memory, size_bytes);
    else if (w->mode == READ)
        memcpy(memory, w->at + w->size_bytes, size_bytes);
    w->size_bytes += size_bytes;
}

static void walk_parts(walk *w, mu_control *control, uint8_t place[256])
{
    part(w, &control->version_number, sizeof control->version_number);
    part(w, &control->now, sizeof control->now);
    part(w, &control->tasks_sent, sizeof control->tasks_sent);
    part(w, &control->refused_in_a_row, sizeof control->refused_in_a_row);
    part(w, &control->totals, sizeof control->totals);
    part(w, control->version->state, control->state_count * sizeof(float));
    part(w, control->history, control->device_count * sizeof *control->history);
    for (uint32_t i = 0; i < control->kept_count; i++) {
        mu_kept *kept = &control->kept[i];
        part(w, kept->state, kept->method->state_bytes);
        if (kept->vectors)
            part(w, kept->vectors, kept->method->server_vectors * control->state_count * sizeof(float));
    }
    part(w, place, 256);
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

mu_status mu_checkpoint_save(mu_control *control, mu_error *err)
{
    uint8_t place[256] = { 0 };
    if (control->observer.save) {
        mu_status status = control->observer.save(control->observer.self, place, err);
        if (status)
            return status;
    }
    checkpoint_head head = head_of(control);
    walk counting = { .mode = COUNT };
    walk_parts(&counting, control, place);
    size_t size_bytes = sizeof head + counting.size_bytes, all_bytes = size_bytes + MU_SHA256_HEX_BYTES;
    unsigned char *bytes = malloc(all_bytes);
    if (!bytes)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a checkpoint of %zu bytes", all_bytes);
    memcpy(bytes, &head, sizeof head);
    walk writing = { .mode = WRITE, .at = bytes + sizeof head };
    walk_parts(&writing, control, place);
    mu_sha256_hex(bytes, size_bytes, (char *)bytes + size_bytes);
    mu_status status = mu_file_write(control->config.checkpoint_path, bytes, all_bytes, err);
    free(bytes);
    return status;
}

static mu_status check_file(const mu_control *control, const mu_file *file, size_t expected_bytes, mu_error *err)
{
    const char *path = control->config.checkpoint_path;
    checkpoint_head head, ours = head_of(control);
    if (file->size_bytes < sizeof head || memcmp(file->data, checkpoint_magic, sizeof checkpoint_magic) != 0)
        return mu_error_set(err, MU_E_PARSE, "%s: not a checkpoint of this version of muster", path);
    memcpy(&head, file->data, sizeof head);
    ours.rounds_done = head.rounds_done;
    if (memcmp(&head, &ours, sizeof head) != 0 || file->size_bytes != expected_bytes)
        return mu_error_set(err, MU_E_STATE, "%s: belongs to another experiment (seed %llu, %u devices, %llu parameters, %zu bytes; this "
                            "one: seed %llu, %u devices, %llu parameters, %zu bytes)", path, (unsigned long long)head.seed,
                            head.device_count, (unsigned long long)head.state_count, file->size_bytes, (unsigned long long)ours.seed,
                            ours.device_count, (unsigned long long)ours.state_count, expected_bytes);
    char hex[MU_SHA256_HEX_BYTES];
    size_t size_bytes = expected_bytes - MU_SHA256_HEX_BYTES;
    mu_sha256_hex(file->data, size_bytes, hex);
    if (memcmp(hex, file->data + size_bytes, MU_SHA256_HEX_BYTES) != 0)
        return mu_error_set(err, MU_E_CHECKSUM, "%s: damaged: its content is not what was written", path);
    return MU_OK;
}

mu_status mu_checkpoint_load(mu_control *control, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(control->config.checkpoint_path, &file, err);
    if (status)
        return status;
    uint8_t place[256];
    walk counting = { .mode = COUNT };
    walk_parts(&counting, control, place);
    status = check_file(control, &file, sizeof(checkpoint_head) + counting.size_bytes + MU_SHA256_HEX_BYTES, err);
    if (!status) {
        walk reading = { .mode = READ, .at = (unsigned char *)(uintptr_t)file.data + sizeof(checkpoint_head) };
        walk_parts(&reading, control, place);
        if (control->observer.restore)
            status = control->observer.restore(control->observer.self, place, err);
    }
    mu_file_unmap(&file);
    return status;
}

/* What devices tell of themselves: known to the federation's fleet and data from when they come; kept in checkpoints, so that a coordinator that starts again has
 * the devices that it had. */
#include "net/network_internal.h"

#include <stdio.h>
#include <string.h>

mu_told mu_told_of(uint32_t device, const mu_desk_report *report)
{
    const mu_profile *profile = &report->profile;
    mu_told told;
    memset(&told, 0, sizeof told); /* its padding too: it is written as it lies */
    told.device = device;
    told.num_examples = report->num_examples;
    told.can_look = report->can_look;
    told.macs_per_s = profile->macs_per_s[MU_PRECISION_FP32];
    told.memory_bytes = profile->memory_bytes;
    told.download_bit_per_s = profile->download_bit_per_s;
    told.upload_bit_per_s = profile->upload_bit_per_s;
    told.latency_s = profile->latency_s;
    told.active_w = profile->active_w;
    told.idle_w = profile->idle_w;
    told.radio_w = profile->radio_w;
    if (profile->name)
        snprintf(told.class_name, sizeof told.class_name, "%s", profile->name);
    return told;
}

mu_desk_report mu_told_report(const mu_told *told)
{
    mu_desk_report report = {
        .num_examples = told->num_examples, .can_look = told->can_look,
        .profile = { .macs_per_s = { [MU_PRECISION_FP32] = told->macs_per_s }, .memory_bytes = told->memory_bytes,
                     .download_bit_per_s = told->download_bit_per_s, .upload_bit_per_s = told->upload_bit_per_s, .latency_s = told->latency_s,
                     .active_w = told->active_w, .idle_w = told->idle_w, .radio_w = told->radio_w },
    };
    const mu_profile *class = NULL;
    if (*told->class_name && mu_profile_find(told->class_name, &class, NULL) == MU_OK)
        report.profile.name = class->name; /* the catalogue's own text, which stays */
    return report;
}

mu_status mu_told_apply(mu_network *network, const mu_told *told, mu_error *err)
{
    mu_status status = mu_data_tell_num_examples(network->config.data, told->device, told->num_examples, err);
    if (status || !network->config.serve->reported_profiles)
        return status;
    mu_desk_report report = mu_told_report(told);
    status = mu_fleet_tell(network->config.fleet, told->device, &report.profile, err);
    if (!status && told->speed > 0.0)
        status = mu_fleet_correct_speed(network->config.fleet, told->device, told->speed, err);
    return status;
}

/* Each task counts for a quarter, what was before it for the rest; the first one for all. Within bounds, because a device's clock, too, is only its word. */
mu_status mu_told_learn(mu_network *network, const mu_sent *sent, double measured_compute_s, mu_error *err)
{
    static const double share = 0.25, most = 100.0;
    mu_told *told = &network->told[sent->device];
    if (!network->config.serve->reported_profiles || !told->is_known || !(sent->planned_compute_s > 0.0) || !(measured_compute_s > 0.0) ||
        measured_compute_s > MU_MEASURED_TIME_MAX_S)
        return MU_OK;
    /* A device has one task at a time, so this one was planned with the speed that is known now. */
    const double before = told->speed > 0.0 ? told->speed : 1.0, seen = before * sent->planned_compute_s / measured_compute_s;
    double now = told->speed > 0.0 ? (1.0 - share) * before + share * seen : seen;
    now = now < 1.0 / most ? 1.0 / most : now > most ? most : now;
    mu_status status = mu_fleet_correct_speed(network->config.fleet, sent->device, now, err);
    if (!status)
        told->speed = now;
    return status;
}

/* ---- in a checkpoint ---- */

typedef struct saved_head {
    mu_time_us last_at;
    uint64_t   count;
    uint64_t   epoch; /* with this checkpoint */
} saved_head;

size_t mu_network_save(void *self, unsigned char *into)
{
    const mu_network *network = self;
    saved_head head = { .last_at = network->last_at, .epoch = network->epoch + 1 };
    size_t used_bytes = sizeof head;
    for (uint32_t device = 0; device < mu_desk_devices(network->config.desk); device++) {
        const mu_told *told = &network->told[device];
        if (!told->is_known)
            continue;
        if (into)
            memcpy(into + used_bytes, told, sizeof *told);
        used_bytes += sizeof *told;
        head.count++;
    }
    if (into)
        memcpy(into, &head, sizeof head);
    return used_bytes;
}

/* Who was there is there again, as far as the federation goes, from its next event on. */
mu_status mu_network_restore(void *self, const unsigned char *from, size_t size_bytes, mu_error *err)
{
    mu_network *network = self;
    saved_head head = { 0 };
    if (size_bytes >= sizeof head)
        memcpy(&head, from, sizeof head);
    if (size_bytes < sizeof head || (size_bytes - sizeof head) % sizeof(mu_told) || head.count != (size_bytes - sizeof head) / sizeof(mu_told))
        return mu_error_set(err, MU_E_STATE, "the checkpoint is not of a federation that was served");
    network->last_at = head.last_at;
    network->epoch = (uint32_t)head.epoch;
    network->tell_again = mu_desk_devices(network->config.desk);
    for (uint64_t i = 0; i < head.count; i++) {
        mu_told told;
        memcpy(&told, from + sizeof head + i * sizeof told, sizeof told);
        if (told.device >= mu_desk_devices(network->config.desk) || !memchr(told.class_name, '\0', sizeof told.class_name))
            return mu_error_set(err, MU_E_STATE, "the checkpoint has devices that this federation cannot have");
        network->told[told.device] = told;
        mu_status status = mu_told_apply(network, &told, err);
        if (!status && told.settled)
            status = mu_desk_settle(network->config.desk, told.device, told.settled, err);
        if (status)
            return status;
    }
    return MU_OK;
}

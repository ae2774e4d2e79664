/* The loop over all connections, and what is reported: one JSON line when all devices are in, one at the end.
 *
 *   net_load --port P --tokens FILE [--plain] [--devices N] [--opening N] [--turns N] [--seconds S] [--pass-over-starts]
 *
 * FILE has a line a device: its number and its token in hexadecimal. Times are the generator's own, on the machine that it shares with the coordinator. */
#define _GNU_SOURCE
#include "load.h"

#include "base/clock.h"

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { EVENTS = 512 };
#define LOOK_EVERY_S 0.02

static double processor_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + 1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(load_samples *samples, double share)
{
    if (!samples->count)
        return 0;
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
    return samples->values[(size_t)(share * (double)(samples->count - 1))];
}

static bool read_tokens(load *l, const char *path)
{
    FILE *file = fopen(path, "r");
    unsigned number;
    char hex[80];
    uint32_t count = 0;
    while (file && count < l->device_count && fscanf(file, "%u %79s", &number, hex) == 2) {
        load_device *device = &l->devices[count++];
        device->number = number;
        device->link.fd = -1;
        size_t bytes;
        if (sodium_hex2bin(device->token, sizeof device->token, hex, strlen(hex), NULL, &bytes, NULL) || bytes != sizeof device->token)
            break;
    }
    if (file)
        fclose(file);
    return count == l->device_count;
}

/* Further devices, so many at once; and those that have rested. */
static void look_around(load *l)
{
    while (l->opened < l->device_count && l->coming < l->opening_max) {
        l->coming++;
        load_device_come_in(l, &l->devices[l->opened++]);
    }
    for (uint32_t i = 0; i < l->opened; i++)
        if (l->devices[i].rests_until_s > 0)
            load_device_go_on(l, &l->devices[i]);
}

static void loop_until(load *l, double until_s, bool (*is_enough)(const load *l))
{
    static struct epoll_event events[EVENTS];
    double looked_s = 0;
    while (!is_enough(l) && l->finished < l->device_count) {
        l->now_s = mu_clock_monotonic_s();
        if (l->now_s > until_s)
            return;
        if (l->now_s - looked_s > LOOK_EVERY_S) {
            looked_s = l->now_s;
            look_around(l);
        }
        int count = epoll_wait(l->epoll, events, EVENTS, (int)(1000 * LOOK_EVERY_S));
        for (int i = 0; i < count; i++) {
            l->now_s = mu_clock_monotonic_s();
            load_device_go_on(l, events[i].data.ptr);
        }
    }
}

static bool all_are_in(const load *l) { return l->opened == l->device_count && l->coming == 0; }
static bool never(const load *l) { (void)l; return false; }

static int run(load *l)
{
    double began_s = mu_clock_monotonic_s(), used_s = processor_s();
    loop_until(l, began_s + 600, all_are_in);
    double in_s = mu_clock_monotonic_s();
    printf("{\"in\": %u, \"coming_in_s\": %.3f, \"generator_processor_s\": %.3f, \"refused\": %llu, \"broken\": %llu}\n", l->opened - l->coming, in_s - began_s,
           processor_s() - used_s, (unsigned long long)l->refused, (unsigned long long)l->broken);
    fflush(stdout);
    if (!all_are_in(l))
        return 1;
    l->is_measuring = true;
    l->refused = l->broken = 0;
    used_s = processor_s();
    loop_until(l, in_s + l->seconds, never);
    double measured_s = mu_clock_monotonic_s() - in_s;
    printf("{\"seconds\": %.3f, \"held\": %u, \"updates\": %llu, \"updates_per_s\": %.3f, \"sent\": %.1f, \"up_mb_per_s\": %.1f, \"down_mb_per_s\": %.1f, "
           "\"acknowledged_median_s\": %.4f, \"acknowledged_p99_s\": %.4f, \"durable_median_s\": %.4f, \"durable_p99_s\": %.4f, "
           "\"generator_processor_s\": %.3f, \"refused\": %llu, \"busy\": %llu, \"over\": %llu, \"broken\": %llu, \"finished\": %u}\n",
           measured_s, l->held, (unsigned long long)l->updates, (double)l->updates / measured_s, l->blob_bytes ? (double)l->bytes_up / (double)l->blob_bytes : 0, (double)l->bytes_up / measured_s / 1e6,
           (double)l->bytes_down / measured_s / 1e6, quantile(&l->acknowledged_s, 0.5), quantile(&l->acknowledged_s, 0.99), quantile(&l->durable_s, 0.5),
           quantile(&l->durable_s, 0.99), processor_s() - used_s, (unsigned long long)l->refused, (unsigned long long)l->refusals[503],
           (unsigned long long)l->refusals[410], (unsigned long long)l->broken, l->finished);
    return 0;
}

static int use(void)
{
    fprintf(stderr, "usage: net_load --port P --tokens FILE [--plain] [--devices N] [--opening N] [--turns N] [--seconds S] [--hold S] [--pass-over-starts]\n");
    return 2;
}

static bool read_options(load *l, int count, char **words, const char **tokens, bool *plain)
{
    static const struct option options[] = {
        { "port", 1, NULL, 'p' }, { "tokens", 1, NULL, 't' }, { "plain", 0, NULL, 'x' }, { "devices", 1, NULL, 'n' }, { "opening", 1, NULL, 'o' },
        { "turns", 1, NULL, 'u' }, { "seconds", 1, NULL, 's' }, { "hold", 1, NULL, 'h' }, { "pass-over-starts", 0, NULL, 'f' }, { NULL, 0, NULL, 0 },
    };
    for (int letter; (letter = getopt_long(count, words, "", options, NULL)) != -1;)
        switch (letter) {
        case 'p': l->to.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10)); break;
        case 't': *tokens = optarg; break;
        case 'x': *plain = true; break;
        case 'n': l->device_count = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'o': l->opening_max = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'u': l->turns_max = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 's': l->seconds = strtod(optarg, NULL); break;
        case 'h': l->hold_s = (uint32_t)strtoul(optarg, NULL, 10); break;
        case 'f': l->fetches_starts = false; break;
        default: return false;
        }
    return l->to.sin_port && *tokens && l->device_count && l->opening_max && l->turns_max && optind == count;
}

int main(int count, char **words)
{
    static load l = { .host = "127.0.0.1", .device_count = 100, .opening_max = 64, .turns_max = UINT32_MAX, .hold_s = 25, .fetches_starts = true, .seconds = 20 };
    const char *tokens = NULL;
    bool plain = false;
    l.to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (!read_options(&l, count, words, &tokens, &plain))
        return use();
    l.devices = calloc(l.device_count, sizeof *l.devices);
    l.queue = calloc(l.device_count, sizeof *l.queue);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    bool good = sodium_init() >= 0 && l.devices && l.queue && l.epoll >= 0 && (plain || gnutls_certificate_allocate_credentials(&l.credentials) >= 0);
    if (!good || !read_tokens(&l, tokens)) {
        fprintf(stderr, "net_load: %s: not %u tokens, or no memory\n", tokens, l.device_count);
        return 1;
    }
    return run(&l);
}

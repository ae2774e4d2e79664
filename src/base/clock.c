/* The one place that reads a clock. */
#include "base/clock.h"

#include <time.h>

static double read_s(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double mu_clock_monotonic_s(void) { return read_s(CLOCK_MONOTONIC); }
double mu_clock_cpu_s(void) { return read_s(CLOCK_PROCESS_CPUTIME_ID); }

int64_t mu_clock_utc_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

uint32_t mu_clock_local_minute(void)
{
    time_t now = time(NULL);
    struct tm local;
    tzset();
    localtime_r(&now, &local);
    return (uint32_t)(60 * local.tm_hour + local.tm_min);
}

void mu_clock_sleep_s(double seconds)
{
    struct timespec length = { .tv_sec = (time_t)seconds };
    length.tv_nsec = (long)(1e9 * (seconds - (double)length.tv_sec));
    nanosleep(&length, NULL);
}

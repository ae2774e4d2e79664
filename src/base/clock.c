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

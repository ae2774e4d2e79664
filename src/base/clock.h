/* The one place that reads a clock. Nothing that decides what a federation computes may include this. */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since some moment in the past; never goes back. */
double mu_clock_monotonic_s(void);
/* Seconds of processor time that this process has used, all threads together. */
double mu_clock_cpu_s(void);
/* Microseconds since 1970, UTC, as the machine is set: for what outlives a process. It may jump. */
int64_t mu_clock_utc_us(void);
/* Minutes since midnight, by the machine's own time zone. */
uint32_t mu_clock_local_minute(void);
/* Does nothing for so long; a signal may end it early. */
void mu_clock_sleep_s(double seconds);

#endif

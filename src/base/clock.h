/* The one place that reads a clock. Nothing that decides what a federation computes may include this. */
#ifndef MUSTER_BASE_CLOCK_H
#define MUSTER_BASE_CLOCK_H

/* Seconds since some moment in the past; never goes back. */
double mu_clock_monotonic_s(void);
/* Seconds of processor time that this process has used, all threads together. */
double mu_clock_cpu_s(void);

#endif

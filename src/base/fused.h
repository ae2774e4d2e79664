/* The fused multiply-add of doubles: a * b + c, rounded once.
 *
 * Where the processor has it, and in hosted builds, where the C library's is right, this is fma. A freestanding build for a processor
 * without doubles does it in integers: the C libraries of microcontrollers are known to round twice (newlib's fma is a * b + c), and
 * then a device would not compute what everybody else does. Single precision goes through fmaf, which a Cortex-M4F has in hardware. */
#ifndef MUSTER_BASE_FUSED_H
#define MUSTER_BASE_FUSED_H

#include <math.h>

double mu_fma_in_integers(double a, double b, double c);

#if defined(MUSTER_FREESTANDING) && !defined(__FP_FAST_FMA) && !defined(__aarch64__)
static inline double mu_fma(double a, double b, double c)
{
    return mu_fma_in_integers(a, b, c);
}
#else
static inline double mu_fma(double a, double b, double c)
{
    return fma(a, b, c);
}
#endif

#endif

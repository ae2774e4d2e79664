/* Elementary functions that give the same bits on every processor. The C library's may differ by an ulp from one
 * machine to the next, which would make two runs of one seed differ. All are built from IEEE operations and fused
 * multiply-adds in one stated order.
 *
 * Largest errors seen over the whole range, in units of the last place (src/base/math_test.c holds them to it):
 * mu_expf 1.1 (results below 2^-126 are 0), mu_logf 0.51, mu_tanhf 1.4, mu_exp 1.1, mu_log 0.9.
 */
#ifndef MUSTER_MATH_H
#define MUSTER_MATH_H

#include "muster/status.h"

MU_API float  mu_expf(float x);
MU_API float  mu_logf(float x);
MU_API float  mu_tanhf(float x);
MU_API double mu_exp(double x);
MU_API double mu_log(double x);
MU_API double mu_pow(double x, double y); /* x > 0: mu_exp(y * mu_log(x)) */
MU_API void   mu_sincos(double x, double *sine, double *cosine); /* |x| < 1e5; absolute error below 1e-15 */

#endif

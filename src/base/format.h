/* What writes the error sentences where there is no stdio: vsnprintf for the conversions that our sentences use. */
#ifndef MUSTER_BASE_FORMAT_H
#define MUSTER_BASE_FORMAT_H

#include "muster/status.h"

#include <stdarg.h>

/* %d %i %u %x with none, l, ll or z in front; %c; %s and %g, both with a precision (that of %g at most 17); %%. Text, cut and length are
 * vsnprintf's. At anything else the rest of the format is copied as it stands. */
int mu_format(char *text, size_t capacity_bytes, const char *format, va_list arguments) MU_PRINTF(3, 0);

#endif

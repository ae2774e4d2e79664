/* Numbers as text: exactly for files, short for people. Every file of a run is written through these, so that equal runs are equal bytes. */
#ifndef MUSTER_REPORT_NUMBER_H
#define MUSTER_REPORT_NUMBER_H

#include "muster/device.h"

#define MU_NUMBER_BYTES 48 /* room for any of them, with the zero */

/* ---- for files: reading them back gives the same number ---- */

/* %g with the fewest of 15, 16 and 17 digits that read back; %g drops zeros at the end, so 0.1 is "0.1". "" where it is not finite. */
void mu_number_real(double value, char text[MU_NUMBER_BYTES]);
/* The same for a float: 6 to 9 digits. */
void mu_number_float(float value, char text[MU_NUMBER_BYTES]);
/* Seconds, exact to the microsecond, without zeros at the end: "93784.25". */
void mu_number_time_s(mu_time_us time, char text[MU_NUMBER_BYTES]);

/* ---- for people ---- */

/* "0:45", "02:03:04", "1d 02:03:04"; rounded down to seconds. "-" where it is not finite. */
void mu_show_duration(double seconds, char text[MU_NUMBER_BYTES]);
/* The same, with hundredths below a minute: "2.04 s". */
void mu_show_span(double seconds, char text[MU_NUMBER_BYTES]);
/* Three digits and an SI prefix: "1.23 MB", "45.6 kJ", "7 B". `unit` follows the prefix. "-" where it is not finite. */
void mu_show_scaled(double value, const char *unit, char text[MU_NUMBER_BYTES]);
/* A fraction with `digits` after the point, or "-" where it is not finite. */
void mu_show_fixed(double value, int digits, char text[MU_NUMBER_BYTES]);

#endif

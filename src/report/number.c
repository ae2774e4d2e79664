/* Numbers as text. */
#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_number_real(double value, char text[MU_NUMBER_BYTES])
{
    text[0] = '\0';
    if (!isfinite(value))
        return;
    /* a number that 15 digits or fewer can say is said by 15 without its zeros at the end, so fewer need not be tried */
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, MU_NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return;
    }
}

void mu_number_float(float value, char text[MU_NUMBER_BYTES])
{
    text[0] = '\0';
    if (!isfinite(value))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, MU_NUMBER_BYTES, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            return;
    }
}

void mu_number_time_s(mu_time_us time, char text[MU_NUMBER_BYTES])
{
    const char *sign = time < 0 ? "-" : "";
    uint64_t size = time < 0 ? 0 - (uint64_t)time : (uint64_t)time;
    unsigned long long seconds = size / 1000000, micros = size % 1000000;
    if (micros == 0) {
        snprintf(text, MU_NUMBER_BYTES, "%s%llu", sign, seconds);
        return;
    }
    size_t length = (size_t)snprintf(text, MU_NUMBER_BYTES, "%s%llu.%06llu", sign, seconds, micros);
    while (text[length - 1] == '0')
        text[--length] = '\0';
}

void mu_show_duration(double seconds, char text[MU_NUMBER_BYTES])
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e15) {
        snprintf(text, MU_NUMBER_BYTES, "-");
        return;
    }
    unsigned long long whole = (unsigned long long)seconds;
    unsigned long long days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
    if (days)
        snprintf(text, MU_NUMBER_BYTES, "%llud %02llu:%02llu:%02llu", days, hours, minutes, whole % 60);
    else if (hours)
        snprintf(text, MU_NUMBER_BYTES, "%02llu:%02llu:%02llu", hours, minutes, whole % 60);
    else
        snprintf(text, MU_NUMBER_BYTES, "%llu:%02llu", minutes, whole % 60);
}

void mu_show_span(double seconds, char text[MU_NUMBER_BYTES])
{
    if (seconds >= 0 && seconds < 59.995)
        snprintf(text, MU_NUMBER_BYTES, "%.2f s", seconds);
    else
        mu_show_duration(seconds, text);
}

void mu_show_scaled(double value, const char *unit, char text[MU_NUMBER_BYTES])
{
    static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E" };
    if (!isfinite(value)) {
        snprintf(text, MU_NUMBER_BYTES, "-");
        return;
    }
    size_t step = 0;
    /* 999.5 would be shown as 1e+03 */
    while (fabs(value) >= 999.5 && step + 1 < MU_COUNT(prefixes)) {
        value /= 1000;
        step++;
    }
    const char *space = unit[0] || step ? " " : "";
    if (fabs(value) >= 99.95 || (step == 0 && value == floor(value)))
        snprintf(text, MU_NUMBER_BYTES, "%.0f%s%s%s", value, space, prefixes[step], unit);
    else
        snprintf(text, MU_NUMBER_BYTES, "%.*f%s%s%s", fabs(value) >= 9.995 ? 1 : 2, value, space, prefixes[step], unit);
}

void mu_show_fixed(double value, int digits, char text[MU_NUMBER_BYTES])
{
    if (isfinite(value))
        snprintf(text, MU_NUMBER_BYTES, "%.*f", digits, value);
    else
        snprintf(text, MU_NUMBER_BYTES, "-");
}

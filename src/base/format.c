/* A bounded vsnprintf without a C library. */
#include "base/format.h"

#include <string.h>

typedef struct output {
    char  *text;
    size_t capacity_bytes, length; /* length: also of what did not fit */
} output;

static void put(output *out, char c)
{
    if (out->length + 1 < out->capacity_bytes)
        out->text[out->length] = c;
    out->length++;
}

static void put_text(output *out, const char *text, size_t most)
{
    for (size_t i = 0; i < most && text[i]; i++)
        put(out, text[i]);
}

static void put_unsigned(output *out, unsigned long long value, unsigned base)
{
    char     digits[20];
    unsigned count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while (value /= base);
    while (count)
        put(out, digits[--count]);
}

static void put_signed(output *out, long long value)
{
    if (value < 0)
        put(out, '-');
    put_unsigned(out, value < 0 ? 0ull - (unsigned long long)value : (unsigned long long)value, 10);
}

/* ---- %g ---- */

enum { WORD_DIGITS = 9, WORD_LIMIT = 1000000000, WORDS_MAX = 88, PRECISION_MAX = 17 }; /* 2^53 * 5^1074 has 767 digits */

/* A whole number, nine digits a word, the lowest first. */
typedef struct decimal {
    uint32_t words[WORDS_MAX], count;
} decimal;

static void multiply(decimal *number, uint32_t by)
{
    uint64_t carry = 0;
    for (uint32_t i = 0; i < number->count; i++) {
        carry += (uint64_t)number->words[i] * by;
        number->words[i] = (uint32_t)(carry % WORD_LIMIT);
        carry /= WORD_LIMIT;
    }
    if (carry)
        number->words[number->count++] = (uint32_t)carry;
}

static unsigned digit_at(const decimal *number, uint32_t place)
{
    uint32_t word = number->words[place / WORD_DIGITS];
    for (place %= WORD_DIGITS; place > 0; place--)
        word /= 10;
    return word % 10;
}

/* A finite x > 0 is digits * 10^exponent, exactly: m * 2^-k = m * 5^k * 10^-k. */
static decimal exact_decimal(double x, int *exponent)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int      field = (int)(bits >> 52), power = (field ? field : 1) - 1075;
    uint64_t m = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)(field > 0) << 52;
    for (; (m & 1) == 0; power++)
        m >>= 1;
    decimal number = { .words = { (uint32_t)(m % WORD_LIMIT), (uint32_t)(m / WORD_LIMIT) }, .count = m < WORD_LIMIT ? 1 : 2 };
    *exponent = power < 0 ? power : 0;
    for (; power > 0; power--)
        multiply(&number, 2);
    for (; power < 0; power++)
        multiply(&number, 5);
    return number;
}

/* The first `precision` digits, rounded to the nearest, ties to even; returns the power of ten of the first. */
static int significant_digits(double x, unsigned precision, char *digits)
{
    int      exponent;
    decimal  number = exact_decimal(x, &exponent);
    uint32_t count = number.count * WORD_DIGITS;
    while (digit_at(&number, count - 1) == 0)
        count--;
    for (uint32_t i = 0; i < precision; i++)
        digits[i] = (char)('0' + (i < count ? digit_at(&number, count - 1 - i) : 0));
    exponent += (int)count - 1;
    if (count <= precision)
        return exponent;
    unsigned next = digit_at(&number, count - 1 - precision);
    bool     more = false;
    for (uint32_t place = 0; place + 1 + precision < count; place++)
        more |= digit_at(&number, place) != 0;
    if (next < 5 || (next == 5 && !more && (digits[precision - 1] - '0') % 2 == 0))
        return exponent;
    uint32_t last = precision;
    while (last > 0 && digits[last - 1] == '9')
        digits[--last] = '0';
    if (last > 0)
        digits[last - 1]++;
    else {
        digits[0] = '1';
        exponent++;
    }
    return exponent;
}

static void put_real(output *out, double x, unsigned precision)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (bits >> 63) {
        put(out, '-');
        x = -x;
    }
    if (x != x || x - x != 0.0) {
        put_text(out, x != x ? "nan" : "inf", 3);
        return;
    }
    precision = precision == 0 ? 1 : precision > PRECISION_MAX ? PRECISION_MAX : precision;
    char digits[PRECISION_MAX] = { '0' };
    int  exponent = x == 0.0 ? 0 : significant_digits(x, precision, digits), count = x == 0.0 ? 1 : (int)precision;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    bool scientific = exponent < -4 || exponent >= (int)precision;
    int  before = scientific ? 1 : exponent + 1; /* digits before the point */
    if (before <= 0)
        put_text(out, "0.000", (size_t)(2 - before));
    for (int i = 0; i < count || i < before; i++) {
        if (i > 0 && i == before)
            put(out, '.');
        put(out, i < count ? digits[i] : '0');
    }
    if (!scientific)
        return;
    put(out, 'e');
    put(out, exponent < 0 ? '-' : '+');
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (size < 10)
        put(out, '0');
    put_unsigned(out, size, 10);
}

/* ---- the format ---- */

typedef enum integer_width { WIDTH_NONE, WIDTH_LONG, WIDTH_LONG_LONG, WIDTH_SIZE } integer_width;

static unsigned long long next_unsigned(va_list *arguments, integer_width width)
{
    switch (width) {
    case WIDTH_NONE: break;
    case WIDTH_LONG: return va_arg(*arguments, unsigned long);
    case WIDTH_LONG_LONG: return va_arg(*arguments, unsigned long long);
    case WIDTH_SIZE: return va_arg(*arguments, size_t);
    }
    return va_arg(*arguments, unsigned);
}

static long long next_signed(va_list *arguments, integer_width width)
{
    switch (width) {
    case WIDTH_NONE: break;
    case WIDTH_LONG: return va_arg(*arguments, long);
    case WIDTH_LONG_LONG: return va_arg(*arguments, long long);
    case WIDTH_SIZE: return va_arg(*arguments, ptrdiff_t);
    }
    return va_arg(*arguments, int);
}

/* The precision after a '.', or `without`. */
static size_t read_precision(const char **at, va_list *arguments, size_t without)
{
    if (**at != '.')
        return without;
    ++*at;
    if (**at == '*') {
        ++*at;
        int given = va_arg(*arguments, int);
        return given < 0 ? without : (size_t)given;
    }
    size_t precision = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        precision = precision < 10000 ? 10 * precision + (size_t)(**at - '0') : precision;
    return precision;
}

static integer_width read_width(const char **at)
{
    if (**at == 'z') {
        ++*at;
        return WIDTH_SIZE;
    }
    if (**at != 'l')
        return WIDTH_NONE;
    ++*at;
    if (**at != 'l')
        return WIDTH_LONG;
    ++*at;
    return WIDTH_LONG_LONG;
}

/* `at` stands behind the '%'; returns what comes after the conversion, or NULL for one that is not known here. */
static const char *convert(output *out, const char *at, va_list *arguments)
{
    size_t precision = read_precision(&at, arguments, SIZE_MAX);
    integer_width width = read_width(&at);
    switch (*at) {
    case '%': put(out, '%'); break;
    case 'c': put(out, (char)va_arg(*arguments, int)); break;
    case 's': put_text(out, va_arg(*arguments, const char *), precision); break;
    case 'd':
    case 'i': put_signed(out, next_signed(arguments, width)); break;
    case 'u': put_unsigned(out, next_unsigned(arguments, width), 10); break;
    case 'x': put_unsigned(out, next_unsigned(arguments, width), 16); break;
    case 'g': put_real(out, va_arg(*arguments, double), precision < SIZE_MAX ? (unsigned)precision : 6); break;
    default: return NULL;
    }
    return at + 1;
}

int mu_format(char *text, size_t capacity_bytes, const char *format, va_list arguments)
{
    output  out = { .text = text, .capacity_bytes = capacity_bytes };
    va_list rest; /* a va_list may be an array, whose address a callee cannot take */
    va_copy(rest, arguments);
    for (const char *at = format; *at;) {
        const char *after = *at == '%' ? convert(&out, at + 1, &rest) : NULL;
        if (*at == '%' && !after) {
            put_text(&out, at, SIZE_MAX);
            break;
        }
        if (*at != '%')
            put(&out, *at);
        at = after ? after : at + 1;
    }
    va_end(rest);
    if (capacity_bytes)
        text[out.length < capacity_bytes ? out.length : capacity_bytes - 1] = '\0';
    return (int)out.length;
}

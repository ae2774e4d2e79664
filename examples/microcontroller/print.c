/* Numbers in decimal and hexadecimal, without stdio. */
#include "print.h"

#include "board.h"

#include <string.h>

void print_text(const char *text)
{
    board_print(text);
}

static void print_in_base(uint64_t number, unsigned base, unsigned least_digits)
{
    char     text[24];
    unsigned at = sizeof text - 1;
    text[at] = '\0';
    for (unsigned digits = 0; number || digits < least_digits; digits++, number /= base)
        text[--at] = "0123456789abcdef"[number % base];
    board_print(text + at);
}

void print_number(uint64_t number)
{
    print_in_base(number, 10, 1);
}

void print_bits(uint64_t bits)
{
    print_in_base(bits, 16, 16);
}

void print_real(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    unsigned field = bits >> 52 & 0x7FF, digits = 13;
    uint64_t fraction = bits & 0xFFFFFFFFFFFFFu;
    if (bits >> 63)
        print_text("-");
    if (field == 0x7FF) {
        print_text(fraction ? "nan" : "inf");
        return;
    }
    for (; digits > 0 && fraction % 16 == 0; digits--)
        fraction /= 16;
    print_text(field ? "0x1" : "0x0");
    if (digits)
        print_text(".");
    print_in_base(fraction, 16, digits);
    int exponent = field ? (int)field - 1023 : bits << 1 ? -1022 : 0;
    print_text(exponent < 0 ? "p-" : "p+");
    print_number((uint64_t)(exponent < 0 ? -exponent : exponent));
}

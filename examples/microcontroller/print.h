/* Words and numbers, one behind the other, by board_print. */
#ifndef PRINT_H
#define PRINT_H

#include <stdint.h>

void print_text(const char *text);
void print_number(uint64_t number);
void print_bits(uint64_t bits);  /* 16 hexadecimal digits */
void print_real(double value);   /* as C's %a writes it, so that not one bit is lost: 0x1.8p+0 */

#endif

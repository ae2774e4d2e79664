/* What the example wants of the board that it runs on. One file implements it for each: board_mps2.c for the emulated microcontroller,
 * board_linux.c for a computer. To take the example to a board of your own, write another one and a linker script. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>

/* Text for whoever watches: a serial line, a debugger, a terminal. */
void board_print(const char *text);

/* The end: 0 when all went well. */
_Noreturn void board_stop(int status);

/* The most bytes that the stack has held so far; 0 where nobody knows. */
size_t board_stack_bytes(void);

#endif

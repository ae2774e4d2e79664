/* A computer in place of the board. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>

void board_print(const char *text)
{
    fputs(text, stdout);
}

_Noreturn void board_stop(int status)
{
    exit(status);
}

size_t board_stack_bytes(void)
{
    return 0;
}

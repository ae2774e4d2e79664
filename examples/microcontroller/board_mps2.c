/* ARM's MPS2 board with a Cortex-M4F (AN386), which qemu-system-arm emulates as mps2-an386: from reset to main, and text by semihosting,
 * which a debugger understands as well as qemu does. */
#include "board.h"

#include <stdint.h>
#include <string.h>

/* From mps2.ld. */
extern uint32_t stack_bottom[], stack_top[], data_start[], data_end[], data_in_flash[], bss_start[], bss_end[];

enum { SYS_WRITE0 = 0x04, SYS_EXIT = 0x18, STOPPED_AT_ITS_END = 0x20026, STOPPED_BY_AN_ERROR = 0x20023 };
#define STACK_UNUSED 0x5AFE5AFEu

static void semihosting(uint32_t operation, uintptr_t argument)
{
    register uint32_t  r0 __asm__("r0") = operation;
    register uintptr_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text)
{
    semihosting(SYS_WRITE0, (uintptr_t)text);
}

_Noreturn void board_stop(int status)
{
    semihosting(SYS_EXIT, status == 0 ? STOPPED_AT_ITS_END : STOPPED_BY_AN_ERROR);
    for (;;) {
    }
}

size_t board_stack_bytes(void)
{
    const uint32_t *lowest = stack_bottom;
    while (lowest < stack_top && *lowest == STACK_UNUSED)
        lowest++;
    return (size_t)(stack_top - lowest) * sizeof *lowest;
}

int main(int argc, char **argv);
_Noreturn void reset(void);

/* The processor begins here with a stack and nothing else. */
_Noreturn void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the floating-point unit on, before any code that uses it */
    __asm__ volatile("dsb\n isb" ::: "memory");
    memcpy(data_start, data_in_flash, (size_t)((char *)data_end - (char *)data_start));
    memset(bss_start, 0, (size_t)((char *)bss_end - (char *)bss_start));
    uint32_t *here;
    __asm__("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = stack_bottom; word < here; word++)
        *word = STACK_UNUSED;
    board_stop(main(0, (char *[]){ 0 }));
}

static _Noreturn void fault(void)
{
    board_print("the processor has met a fault\n");
    board_stop(3);
}

/* What the processor reads at address 0: the first stack pointer, then where to go at reset, NMI and the four faults. */
typedef struct vectors {
    uint32_t *stack;
    void (*handlers[6])(void);
} vectors;
__attribute__((section(".vectors"), used)) static const vectors table = { stack_top, { reset, fault, fault, fault, fault, fault } };

/* Ctrl-C and SIGTERM: the first asks the work to stop where it can go on later, the second ends the program at once. */
#ifndef MUSTER_CLI_INTERRUPT_H
#define MUSTER_CLI_INTERRUPT_H

#include <stdatomic.h>
#include <stdbool.h>

void cli_interrupt_catch(void);
bool cli_interrupt_asked(void);
const atomic_bool *cli_interrupt_flag(void); /* the same, for those who look by themselves */

#endif

/* Signals that end the program, caught. */
#include "cli/interrupt.h"

#include "cli/exit_code.h"

#include <signal.h>
#include <unistd.h>

static atomic_bool asked; /* lock-free, which is what a signal handler may touch */

/* Only what POSIX allows in a signal handler. */
static void on_signal(int number)
{
    static const char words[] = "\nmuster: stopping at what is finished; once more stops at once\n";
    (void)number;
    if (asked)
        _exit(CLI_EXIT_INTERRUPTED);
    asked = true;
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0)
        return; /* nobody is there to read it */
}

void cli_interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, 0);
    sigaction(SIGTERM, &action, 0);
}

bool cli_interrupt_asked(void)
{
    return asked;
}

const atomic_bool *cli_interrupt_flag(void)
{
    return &asked;
}

/* The exit codes, and which status ends in which. */
#include "cli/exit_code.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_WRONG_INPUT = 2, EXIT_FILE = 3, EXIT_MEMORY = 4, EXIT_NETWORK = 5 };

static const cli_exit_code codes[] = {
    { EXIT_FINE, "fine", "everything that was asked for was done" },
    { EXIT_FAILED, "failed", "the work itself failed: nothing in the federation can go on, or this build or machine cannot do it" },
    { EXIT_WRONG_INPUT, "wrong input", "wrong usage, a wrong configuration, or a file or folder that is not what it should be" },
    { EXIT_FILE, "file", "a file could not be read or written, or is not what its checksum says" },
    { EXIT_MEMORY, "memory", "not enough memory" },
    { EXIT_NETWORK, "network", "the other side could not be reached" },
    { CLI_EXIT_INTERRUPTED, "interrupted", "stopped by Ctrl-C or SIGTERM; a run goes on with --resume" },
};

static const int code_of_status[] = {
    [MU_OK] = EXIT_FINE,
    [MU_E_CONFIG] = EXIT_WRONG_INPUT,
    [MU_E_RANGE] = EXIT_WRONG_INPUT,
    [MU_E_SHAPE] = EXIT_WRONG_INPUT,
    [MU_E_PARSE] = EXIT_WRONG_INPUT,
    [MU_E_LIMIT] = EXIT_WRONG_INPUT,
    [MU_E_MEMORY] = EXIT_MEMORY,
    [MU_E_IO] = EXIT_FILE,
    [MU_E_NETWORK] = EXIT_NETWORK,
    [MU_E_CHECKSUM] = EXIT_FILE,
    [MU_E_STATE] = EXIT_FAILED,
    [MU_E_UNSUPPORTED] = EXIT_FAILED,
    [MU_E_INTERRUPTED] = CLI_EXIT_INTERRUPTED,
};
_Static_assert(MU_COUNT(code_of_status) == MU_STATUS_COUNT, "every status has its exit code");

const cli_exit_code *cli_exit_codes(size_t *count)
{
    *count = MU_COUNT(codes);
    return codes;
}

int cli_exit_code_of(mu_status status)
{
    return code_of_status[status];
}

mu_status cli_as_input(mu_status status)
{
    return status == MU_E_STATE ? MU_E_CONFIG : status;
}

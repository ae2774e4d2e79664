/* A coordinator's status, from any bytes: no crash; what is printed has no control characters, and what is refused prints nothing. */
#include "cli/status_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

static void try_format(cli_format format, const uint8_t *data, size_t size_bytes)
{
    char *text = NULL;
    size_t printed_bytes;
    mu_error err;
    FILE *out = open_memstream(&text, &printed_bytes);
    MU_ASSERT(out);
    mu_status status = cli_status_print(out, format, (const char *)data, size_bytes, &err);
    fclose(out);
    MU_ASSERT(status == MU_OK || printed_bytes == 0);
    for (size_t i = 0; i < printed_bytes && format == CLI_FORMAT_TEXT; i++)
        MU_ASSERT(text[i] == '\n' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    try_format(CLI_FORMAT_TEXT, data, size_bytes);
    try_format(CLI_FORMAT_JSON, data, size_bytes);
    return 0;
}

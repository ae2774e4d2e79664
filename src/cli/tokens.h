/* Tokens for devices, as the commands with which they join. */
#ifndef MUSTER_CLI_TOKENS_H
#define MUSTER_CLI_TOKENS_H

#include "muster/status.h"

#include <stdio.h>

#define CLI_TOKEN_VALID_S (30.0 * 24 * 3600)

typedef struct cli_token_sheet {
    FILE       *out;
    bool        json;        /* {"device": 0, "token": "..."} a line, in place of the command */
    const char *url;         /* NULL: not known here, so a word stands in its place */
    const char *fingerprint; /* NULL: no TLS, or not known */
} cli_token_sheet;

/* Make `count` tokens for the federation in that folder, and print each. */
mu_status cli_make_tokens(const char *folder, uint32_t count, double valid_s, const cli_token_sheet *sheet, mu_error *err);

#endif

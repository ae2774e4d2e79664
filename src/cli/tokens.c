/* Tokens, printed. */
#include "cli/tokens.h"

#include "muster/serve.h"

static mu_status print_token(void *self, uint32_t device, const char *token_hex, mu_error *err)
{
    (void)err;
    const cli_token_sheet *sheet = self;
    if (sheet->json) {
        fprintf(sheet->out, "{\"device\":%u,\"token\":\"%s\"}\n", device, token_hex);
        return MU_OK;
    }
    fprintf(sheet->out, "device %u: muster join %s%s%s --token %s --data DATA.yaml\n", device, sheet->url ? sheet->url : "URL",
            sheet->fingerprint ? " --fingerprint " : "", sheet->fingerprint ? sheet->fingerprint : "", token_hex);
    fflush(sheet->out);
    return MU_OK;
}

mu_status cli_make_tokens(const char *folder, uint32_t count, double valid_s, const cli_token_sheet *sheet, mu_error *err)
{
    return mu_serve_make_tokens(folder, count, valid_s, print_token, (void *)(uintptr_t)sheet, err);
}

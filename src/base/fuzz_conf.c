/* Any bytes as a configuration: what is read, written and read again is the same tree; and one --set more does not break it. */
#include "muster/conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const mu_conf_node *a, const mu_conf_node *b)
{
    MU_ASSERT(mu_conf_kind_of(a) == mu_conf_kind_of(b) && mu_conf_count(a) == mu_conf_count(b));
    if (mu_conf_text(a))
        MU_ASSERT(strcmp(mu_conf_text(a), mu_conf_text(b)) == 0);
    for (size_t i = 0; i < mu_conf_count(a); i++) {
        if (mu_conf_kind_of(a) == MU_CONF_MAP) {
            MU_ASSERT(strcmp(mu_conf_key(a, i), mu_conf_key(b, i)) == 0);
            MU_ASSERT(mu_conf_get(a, mu_conf_key(a, i)) == mu_conf_item(a, i));
        }
        check_same(mu_conf_item(a, i), mu_conf_item(b, i));
    }
}

static void check_round_trip(mu_conf *conf)
{
    mu_conf *again;
    mu_error err;
    char *text = mu_conf_write(mu_conf_root(conf));
    MU_ASSERT(text);
    MU_ASSERT(mu_conf_parse("again", text, strlen(text), &again, &err) == MU_OK);
    check_same(mu_conf_root(conf), mu_conf_root(again));
    mu_conf_destroy(again);
    free(text);
}

/* The input's first line once more, as what follows --set. */
static void set_first_line(mu_conf *conf, const uint8_t *data, size_t size)
{
    char line[256];
    size_t length = 0;
    for (; length < size && length + 1 < sizeof line && data[length] != '\n' && data[length] != '\0'; length++)
        line[length] = (char)data[length];
    line[length] = '\0';
    if (mu_conf_set(conf, line, NULL) == MU_OK)
        check_round_trip(conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_conf *conf;
    if (mu_conf_parse("fuzz", (const char *)data, size, &conf, NULL) == MU_OK) {
        check_round_trip(conf);
        set_first_line(conf, data, size);
        mu_conf_destroy(conf);
    }
    if (mu_conf_parse("fuzz", "a: {b: 1}\n", 10, &conf, NULL) == MU_OK) {
        set_first_line(conf, data, size);
        mu_conf_destroy(conf);
    }
    return 0;
}

/* A coordinator's status for people: what it says, what is missing, what would play with a terminal, and what is none. */
#include "cli/status_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* malloc'ed; NULL: it was refused, and nothing was written. */
static char *printed(const char *status_json, cli_format format)
{
    char *text = NULL;
    size_t size_bytes;
    mu_error err = { 0 };
    FILE *out = open_memstream(&text, &size_bytes);
    mu_status status = cli_status_print(out, format, status_json, strlen(status_json), &err);
    fclose(out);
    if (!status)
        return text;
    assert_int_equal(status, MU_E_PARSE);
    assert_int_equal(size_bytes, 0);
    free(text);
    return NULL;
}

static void assert_prints(const char *status_json, const char *expected)
{
    char *text = printed(status_json, CLI_FORMAT_TEXT);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void it_says_how_it_stands(void **state)
{
    (void)state;
    assert_prints("{\"federation\":\"first\",\"recipe\":\"fedavg\",\"state\":\"running\",\"why\":null,\"round\":12,\"rounds\":5000,\"accuracy\":0.83125,"
                  "\"best_accuracy\":0.84,\"loss\":1.5,\"uptime_s\":3725,\"devices\":{\"present\":8,\"numbers\":10,\"working\":3},"
                  "\"tasks\":{\"sent\":1234,\"open\":3},\"updates\":{\"merged\":96,\"lost\":2,\"late\":0,\"refused\":1,\"discarded\":4},"
                  "\"network\":{\"bytes_down\":1048576,\"bytes_up\":10},"
                  "\"problems\":[{\"what\":\"lost\",\"device\":7,\"round\":12,\"reason\":\"gone\"},{\"what\":\"refused\",\"device\":1,\"round\":11,\"reason\":\"x\"},"
                  "{\"what\":\"lost\",\"device\":2,\"round\":1,\"reason\":\"y\"},{\"what\":\"lost\",\"device\":3,\"round\":1,\"reason\":\"not shown\"}]}",
                  "first: running, round 12 of 5,000, recipe fedavg\n"
                  "accuracy  0.8313, best 0.8400; loss 1.5000\n"
                  "devices   8 of 10 there, 3 working\n"
                  "tasks     1,234 sent, 3 open\n"
                  "updates   96 merged, 2 lost, 0 late, 1 refused, 4 discarded\n"
                  "traffic   1.0 MiB to devices, 10 B from devices\n"
                  "up        1 h 02 min\n"
                  "lately    lost, device 7, round 12: gone\n"
                  "          refused, device 1, round 11: x\n"
                  "          lost, device 2, round 1: y\n");
}

static const char without_figures[] = ", round - of -, recipe -\n"
                                      "accuracy  -, best -; loss -\n"
                                      "devices   - of - there, - working\n"
                                      "tasks     - sent, - open\n"
                                      "updates   - merged, - lost, - late, - refused, - discarded\n"
                                      "traffic   - to devices, - from devices\n"
                                      "up        -\n";

static void what_is_missing_or_strange_is_a_dash(void **state)
{
    (void)state;
    char expected[1024];
    snprintf(expected, sizeof expected, "a: failed (the disk is full)%s", without_figures);
    assert_prints("{\"federation\":\"a\",\"state\":\"failed\",\"why\":\"the disk is full\"}", expected);
    snprintf(expected, sizeof expected, "a: b%s", without_figures);
    assert_prints("{\"federation\":\"a\",\"state\":\"b\",\"round\":-1,\"rounds\":1e300,\"recipe\":7,\"accuracy\":\"high\",\"uptime_s\":-5,\"devices\":[],\"problems\":{}}",
                  expected);
    /* what a device chose could clear the screen */
    snprintf(expected, sizeof expected, "a  [2J: b c%s", without_figures);
    assert_prints("{\"federation\":\"a\\r\\u001b[2J\",\"state\":\"b\\u007fc\"}", expected);
}

static void what_is_no_status_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = { "", "{", "[]", "null", "\"federation\"", "{\"federation\":\"a\"}", "{\"federation\":1,\"state\":\"running\"}", "<html>" };
    for (size_t i = 0; i < MU_COUNT(others); i++) {
        assert_null(printed(others[i], CLI_FORMAT_TEXT));
        assert_null(printed(others[i], CLI_FORMAT_JSON));
    }
}

static void json_comes_as_it_is(void **state)
{
    (void)state;
    char *text = printed("{ \"federation\": \"a b\",\n \"state\": \"x\", \"new\": [1, 2] }\n", CLI_FORMAT_JSON);
    assert_string_equal(text, "{\"federation\":\"a b\",\"state\":\"x\",\"new\":[1,2]}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_how_it_stands),
        cmocka_unit_test(what_is_missing_or_strange_is_a_dash),
        cmocka_unit_test(what_is_no_status_is_refused),
        cmocka_unit_test(json_comes_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

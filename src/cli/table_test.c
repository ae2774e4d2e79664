/* The three forms of a table, and the texts in its cells. */
#include "cli/table.h"
#include "cli/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>

#include <cmocka.h>

static const cli_column columns[] = {
    { "name", "name", false }, { "size_bytes", "size", true }, { "rate", "rate", true }, { "good", "good", false },
    { "hidden", NULL, false }, { "help", "what it is", false },
};

static cli_table *sample(void)
{
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    cli_table_text(table, "caf\xc3\xa9"); /* four characters, five bytes */
    cli_table_count(table, 18446744073709551615u, "16 EiB");
    cli_table_real(table, 0.1, "0.1");
    cli_table_bool(table, true, "yes");
    cli_table_text(table, "a,b");
    cli_table_words(table, "said \"so\"\n", "seen");
    cli_table_text(table, "longer");
    cli_table_count(table, 0, "0 B");
    cli_table_real(table, (double)NAN, "-");
    cli_table_bool(table, false, "no");
    cli_table_text(table, "");
    cli_table_text(table, "\\\x01");
    return table;
}

static void expect_form(cli_format format, const char *expected)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    cli_table *table = sample();
    assert_non_null(memory);
    assert_int_equal(cli_table_rows(table), 2);
    cli_table_print(table, format, memory);
    fclose(memory);
    assert_string_equal(text, expected);
    free(text);
    cli_table_destroy(table);
}

static void test_text(void **state)
{
    (void)state;
    expect_form(CLI_FORMAT_TEXT, "name      size  rate  good  what it is\n"
                                 "caf\xc3\xa9    16 EiB   0.1  yes   seen\n"
                                 "longer     0 B     -  no    \\\x01\n");
}

static void test_json(void **state)
{
    (void)state;
    expect_form(CLI_FORMAT_JSON,
                "[{\"name\":\"caf\xc3\xa9\",\"size_bytes\":18446744073709551615,\"rate\":0.1,\"good\":true,\"hidden\":\"a,b\","
                "\"help\":\"said \\\"so\\\"\\n\"},"
                "{\"name\":\"longer\",\"size_bytes\":0,\"rate\":null,\"good\":false,\"hidden\":\"\",\"help\":\"\\\\\\u0001\"}]");
}

static void test_csv(void **state)
{
    (void)state;
    expect_form(CLI_FORMAT_CSV, "name,size_bytes,rate,good,hidden,help\n"
                                "caf\xc3\xa9,18446744073709551615,0.1,true,\"a,b\",\"said \"\"so\"\"\n\"\n"
                                "longer,0,,false,,\\\x01\n");
}

static void test_empty(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    cli_table *table = cli_table_create(columns, MU_COUNT(columns));
    assert_non_null(memory);
    cli_table_print(table, CLI_FORMAT_JSON, memory);
    fclose(memory);
    assert_string_equal(text, "[]");
    free(text);
    cli_table_destroy(table);
    cli_table_destroy(NULL);
}

static void test_numbers(void **state)
{
    (void)state;
    char text[CLI_NUMBER_BYTES];
    assert_string_equal(cli_format_bytes(0, text), "0 B");
    assert_string_equal(cli_format_bytes(1023, text), "1023 B");
    assert_string_equal(cli_format_bytes(1024, text), "1.0 KiB");
    assert_string_equal(cli_format_bytes(UINT64_MAX, text), "16.0 EiB");
    assert_string_equal(cli_format_count(0, text), "0");
    assert_string_equal(cli_format_count(999, text), "999");
    assert_string_equal(cli_format_count(1663370, text), "1,663,370");
    assert_string_equal(cli_format_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
    assert_string_equal(cli_format_metric(0, text), "0 ");
    assert_string_equal(cli_format_metric(999.6, text), "1 k");
    assert_string_equal(cli_format_metric(21e6, text), "21 M");
    assert_string_equal(cli_format_seconds(0.000310, text), "310 us");
    assert_string_equal(cli_format_seconds(0.0124, text), "12.4 ms");
    assert_string_equal(cli_format_seconds(59.94, text), "59.9 s");
    assert_string_equal(cli_format_seconds(250, text), "4 min 10 s");
    assert_string_equal(cli_format_seconds(3720, text), "1 h 02 min");
    assert_string_equal(cli_format_seconds((double)INFINITY, text), "never");
    assert_string_equal(cli_format_exact(1.0 / 3.0, text), "0.3333333333333333");
    assert_string_equal(cli_format_exact(20, text), "20");
}

static void test_compact(void **state)
{
    (void)state;
    static const char json[] = "{\n  \"a b\": [1, 2],\n  \"c\\\" d\": \"\\\\\", \"e\" :null }\n";
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    cli_print_json_compact(memory, json, sizeof json - 1);
    fclose(memory);
    assert_string_equal(text, "{\"a b\":[1,2],\"c\\\" d\":\"\\\\\",\"e\":null}");
    free(text);
}

static void test_wrapping(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    cli_print_wrapped(memory, 0, 2, 10, "one two three four\n\nfive sixsixsixsix");
    cli_print_entry(memory, 4, "name", "help");
    cli_print_entry(memory, 4, "longer", "help");
    fclose(memory);
    assert_string_equal(text, "one two\n  three\n  four\n\n  five\n  sixsixsixsix\n  name  help\n  longer\n        help\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),  cmocka_unit_test(test_json),    cmocka_unit_test(test_csv),
        cmocka_unit_test(test_empty), cmocka_unit_test(test_numbers), cmocka_unit_test(test_wrapping),
        cmocka_unit_test(test_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

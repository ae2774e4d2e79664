/* CSV: what counts as a row and a field, and what is refused where. */
#include "base/csv.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The rows as one text: fields in brackets, rows ended by ';', then ! and the status of a failure. */
static void read_all(const void *data, size_t size, char separator, char *out, size_t capacity, mu_error *err)
{
    mu_csv csv;
    bool more;
    mu_status status;
    mu_csv_init(&csv, "t.csv", data, size, separator);
    *out = '\0';
    while (!(status = mu_csv_next(&csv, &more, err)) && more) {
        for (size_t i = 0; i < csv.count; i++) {
            assert_int_equal(strlen(csv.fields[i].text), csv.fields[i].length);
            assert_true(strlen(out) + csv.fields[i].length + 16 < capacity);
            strcat(strcat(strcat(out, csv.fields[i].quoted ? "{" : "["), csv.fields[i].text), csv.fields[i].quoted ? "}" : "]");
        }
        strcat(out, ";");
    }
    assert_int_equal(csv.count, 0);
    if (status)
        strcat(strcat(out, "!"), mu_status_name(status));
    mu_csv_release(&csv);
    mu_csv_release(&csv);
}

static void test_rows_and_fields(void **state)
{
    (void)state;
    static const struct { const char *text, *rows; } cases[] = {
        { "", "" },
        { "a", "[a];" },
        { "a\n", "[a];" },
        { "a,b\nc,d\n", "[a][b];[c][d];" },
        { "a,b\r\nc,d\r\n", "[a][b];[c][d];" },
        { "a,,c\n,\n", "[a][][c];[][];" },
        { "a,\n", "[a][];" },
        { "a,", "[a][];" },
        { ",", "[][];" },
        { "\n\na\n\r\n\nb\n\n", "[a];[b];" }, /* empty lines are passed over */
        { " a , b \n", "[ a ][ b ];" },       /* spaces belong to the field */
        { "\"a\"", "{a};" },
        { "\"\"\n", "{};" }, /* an empty field in quotes is a row */
        { "\"a,b\",c\n", "{a,b}[c];" },
        { "\"a\nb\",c\n", "{a\nb}[c];" },
        { "\"say \"\"hi\"\"\"\n", "{say \"hi\"};" },
        { "5\" disk,x\n", "[5\" disk][x];" }, /* a quote further on is a letter */
        { "a\rb\n", "[a\rb];" },
        { "a\r", "[a\r];" },
        { "\"a\"\r\nb", "{a};[b];" },
        { "\xEF\xBB\xBF" "a,b\n", "[a][b];" },
        { "\xEF\xBB\xBF", "" },
        { "a,b\n\"c", "[a][b];!parse" },
        { "\"a\"b\n", "!parse" },
        { "\"a\" ,b\n", "!parse" },
    };
    char out[256];
    mu_error err;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        read_all(cases[i].text, strlen(cases[i].text), ',', out, sizeof out, &err);
        assert_string_equal(out, cases[i].rows);
    }
    read_all("a\tb,c\td\n", 8, '\t', out, sizeof out, &err);
    assert_string_equal(out, "[a][b,c][d];");
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    static const struct { const char *text; size_t size; const char *sentence; } cases[] = {
        { "a,b\nc,\"d", 8, "t.csv:2:3: the quote that begins here is not closed" },
        { "a,b\nc,\"d\nef\ng", 13, "t.csv:2:3: the quote that begins here is not closed" },
        { "a\n\n\"b\"c\n", 8, "t.csv:3:4: expected a separator or the line's end behind the closing quote" },
        { "\"a\nb\"c\n", 7, "t.csv:2:3: expected a separator" },
        { "a\nb\0c\n", 6, "t.csv:2:2: a zero byte" },
        { "a,\"b\0\"\n", 7, "t.csv:1:5: a zero byte" },
    };
    char out[256];
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_error err = { 0 };
        read_all(cases[i].text, cases[i].size, ',', out, sizeof out, &err);
        assert_int_equal(err.status, MU_E_PARSE);
        if (strncmp(err.message, cases[i].sentence, strlen(cases[i].sentence)) != 0)
            fail_msg("expected '%s', got '%s'", cases[i].sentence, err.message);
    }
}

static void test_nothing_after_a_failure(void **state)
{
    (void)state;
    mu_csv csv;
    bool more = true;
    mu_csv_init(&csv, "t.csv", "\"a\"b\nc\n", 8, ',');
    assert_int_equal(mu_csv_next(&csv, &more, NULL), MU_E_PARSE);
    assert_false(more);
    assert_int_equal(mu_csv_next(&csv, &more, NULL), MU_OK);
    assert_false(more);
    mu_csv_release(&csv);
}

static void test_places(void **state)
{
    (void)state;
    mu_csv csv;
    bool more;
    mu_error err;
    const char *text = "id,name\n\n7,\"two\nlines\",x\n";
    mu_csv_init(&csv, "t.csv", text, strlen(text), ',');
    assert_int_equal(mu_csv_next(&csv, &more, NULL), MU_OK);
    assert_int_equal(mu_csv_find(&csv, "name"), 1);
    assert_true(mu_csv_find(&csv, "nam") == SIZE_MAX);
    assert_int_equal(mu_csv_next(&csv, &more, NULL), MU_OK);
    assert_int_equal(csv.line, 3);
    assert_int_equal(csv.fields[1].line, 3);
    assert_int_equal(csv.fields[1].column, 3);
    assert_int_equal(csv.fields[2].line, 4);
    assert_int_equal(csv.fields[2].column, 8);
    assert_int_equal(mu_csv_error(&csv, 2, &err, MU_E_RANGE, "'%s' is too much", "x"), MU_E_RANGE);
    assert_string_equal(err.message, "t.csv:4:8: 'x' is too much");
    mu_csv_error(&csv, SIZE_MAX, &err, MU_E_RANGE, "too long");
    assert_string_equal(err.message, "t.csv:3: too long");
    mu_csv_release(&csv);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct { const char *text; bool good; double value; } cases[] = {
        { "5", true, 5 }, { "-2.5e3", true, -2500 }, { " 7 ", true, 7 }, { "+.5", true, 0.5 }, { "007", true, 7 }, { "\"8\"", true, 8 },
        { "x", false, 0 }, { "5x", false, 0 }, { "0x10", false, 0 }, { "nan", false, 0 }, { "inf", false, 0 }, { "1e999", false, 0 },
        { "\"\"", false, 0 }, { "-", false, 0 }, { "1 2", false, 0 }, { "1e", false, 0 }, { "1,5", true, 1 },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_csv csv;
        bool more;
        mu_error err;
        double value = -77;
        mu_csv_init(&csv, "t.csv", cases[i].text, strlen(cases[i].text), ',');
        assert_int_equal(mu_csv_next(&csv, &more, NULL), MU_OK);
        assert_int_equal(mu_csv_real(&csv, 0, &value, &err), cases[i].good ? MU_OK : MU_E_PARSE);
        assert_true(value == (cases[i].good ? cases[i].value : -77));
        assert_int_equal(mu_csv_real(&csv, 5, &value, &err), MU_E_PARSE);
        assert_non_null(strstr(err.message, "t.csv:1: expected a number in field 6, the row has"));
        mu_csv_release(&csv);
    }
}

static void test_limits(void **state)
{
    (void)state;
    char *text = malloc(MU_LIMIT_CSV_COLUMNS);
    mu_csv csv;
    bool more;
    mu_error err;
    memset(text, ',', MU_LIMIT_CSV_COLUMNS); /* one field more than commas */
    mu_csv_init(&csv, "t.csv", text, MU_LIMIT_CSV_COLUMNS - 1, ',');
    assert_int_equal(mu_csv_next(&csv, &more, &err), MU_OK);
    assert_int_equal(csv.count, MU_LIMIT_CSV_COLUMNS);
    mu_csv_release(&csv);
    mu_csv_init(&csv, "t.csv", text, MU_LIMIT_CSV_COLUMNS, ',');
    assert_int_equal(mu_csv_next(&csv, &more, &err), MU_E_LIMIT);
    assert_string_equal(err.message, "t.csv:1:65537: more than 65536 fields in a row");
    mu_csv_release(&csv);
    free(text);
    /* a file without line ends, quoted or not */
    char *endless = malloc(MU_LIMIT_LINE_BYTES + 2);
    for (int quoted = 0; quoted < 2; quoted++) {
        memset(endless, 'x', MU_LIMIT_LINE_BYTES + 2);
        if (quoted)
            endless[0] = '"';
        mu_csv_init(&csv, "t.csv", endless, MU_LIMIT_LINE_BYTES + 2, ',');
        assert_int_equal(mu_csv_next(&csv, &more, &err), MU_E_LIMIT);
        assert_string_equal(err.message, "t.csv:1: a row of more than 64 MiB");
        mu_csv_release(&csv);
    }
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_and_fields),     cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_nothing_after_a_failure), cmocka_unit_test(test_places),
        cmocka_unit_test(test_numbers),             cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

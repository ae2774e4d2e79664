/* Option rows: every kind there and back, ranges, defaults, and what is said about what is wrong. */
#include "muster/option.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct config {
    bool        flag;
    uint32_t    count;
    uint64_t    seed, bytes;
    double      real, limit;
    int         choice;
    const char *text;
    mu_reals    reals;
} config;

static const char *const words[] = { "red", "green", "blue", NULL };
static const mu_option rows[] = {
    { "flag", MU_OPTION_BOOL, offsetof(config, flag), 0, 0, "no", NULL, NULL, "a flag" },
    { "count", MU_OPTION_COUNT, offsetof(config, count), 1, 1000, "10", NULL, "examples", "a count" },
    { "seed", MU_OPTION_SEED, offsetof(config, seed), 0, 0, "0", NULL, NULL, "a seed" },
    { "bytes", MU_OPTION_BYTES, offsetof(config, bytes), 0, 1e15, "1MiB", NULL, "bytes", "a size" },
    { "real", MU_OPTION_REAL, offsetof(config, real), -1, 1, "0.1", NULL, NULL, "a real" },
    { "limit", MU_OPTION_REAL, offsetof(config, limit), 0, INFINITY, "inf", NULL, "s", "a limit" },
    { "choice", MU_OPTION_CHOICE, offsetof(config, choice), 0, 0, "green", words, NULL, "a choice" },
    { "text", MU_OPTION_TEXT, offsetof(config, text), 0, 0, "some text", NULL, NULL, "a text" },
    { "reals", MU_OPTION_REALS, offsetof(config, reals), 0, 1, "0.25, 0.5, 1", NULL, NULL, "reals" },
};
enum { ROWS = MU_COUNT(rows) };

static mu_conf *parse(const char *text)
{
    mu_conf *conf = NULL;
    mu_error err;
    if (mu_conf_parse("t.yaml", text, strlen(text), &conf, &err))
        fail_msg("%s", err.message);
    return conf;
}

static void check_defaults(const config *c)
{
    assert_true(!c->flag && c->count == 10 && c->seed == 0 && c->bytes == 1048576 && c->real == 0.1 && c->limit == INFINITY);
    assert_int_equal(c->choice, 1);
    assert_string_equal(c->text, "some text");
    assert_true(c->reals.count == 3 && c->reals.values[0] == 0.25 && c->reals.values[1] == 0.5 && c->reals.values[2] == 1.0);
}

static void test_defaults(void **state)
{
    (void)state;
    config c;
    mu_error err;
    memset(&c, 0xAA, sizeof c);
    assert_int_equal(mu_options_read(rows, ROWS, NULL, NULL, "train", &c, &err), MU_OK);
    check_defaults(&c);
    mu_conf *conf = parse("");
    memset(&c, 0xAA, sizeof c);
    assert_int_equal(mu_options_read(rows, ROWS, mu_conf_root(conf), NULL, "train", &c, &err), MU_OK);
    check_defaults(&c);
    mu_conf_destroy(conf);
}

static void test_values(void **state)
{
    (void)state;
    mu_conf *conf = parse("flag: on\ncount: 1e2\nseed: 18446744073709551615\nbytes: 1.5 GiB\nreal: -1\nlimit: 2.5e3\n"
                          "choice: blue\ntext: 'x: y'\nreals: [0, 1, .5]\nmine: 7\n");
    static const char *const also[] = { "mine", "other", NULL };
    config c;
    mu_error err;
    assert_int_equal(mu_options_read(rows, ROWS, mu_conf_root(conf), also, "train", &c, &err), MU_OK);
    assert_true(c.flag && c.count == 100 && c.seed == UINT64_MAX && c.bytes == 1610612736u && c.real == -1.0 && c.limit == 2500.0);
    assert_int_equal(c.choice, 2);
    assert_string_equal(c.text, "x: y");
    assert_true(c.reals.count == 3 && c.reals.values[0] == 0.0 && c.reals.values[2] == 0.5);
    mu_conf_destroy(conf);
}

/* One row alone. */
static mu_status read_one(const char *name, const char *value, config *c, mu_error *err)
{
    char text[512];
    strcat(strcat(strcpy(text, name), ": "), value);
    mu_conf *conf = parse(text);
    memset(c, 0, sizeof *c);
    mu_status status = mu_options_read(rows, ROWS, mu_conf_root(conf), NULL, "train", c, err);
    mu_conf_destroy(conf);
    return status;
}

static void test_sizes_and_words(void **state)
{
    (void)state;
    static const struct { const char *text; uint64_t bytes; } sizes[] = {
        { "0", 0 }, { "4096", 4096 }, { "7B", 7 }, { "256KiB", 262144 }, { "1.5GiB", 1610612736 }, { "2MB", 2000000 },
        { "3 kB", 3000 }, { "3KB", 3000 }, { "0.5TiB", 549755813888 }, { "1TB", 1000000000000 }, { "1e3", 1000 },
    };
    static const struct { const char *text; bool value; } flags[] = {
        { "true", true }, { "yes", true }, { "on", true }, { "false", false }, { "no", false }, { "off", false },
    };
    config c;
    mu_error err;
    for (size_t i = 0; i < MU_COUNT(sizes); i++) {
        assert_int_equal(read_one("bytes", sizes[i].text, &c, &err), MU_OK);
        assert_true(c.bytes == sizes[i].bytes);
    }
    for (size_t i = 0; i < MU_COUNT(flags); i++) {
        assert_int_equal(read_one("flag", flags[i].text, &c, &err), MU_OK);
        assert_int_equal(c.flag, flags[i].value);
    }
    assert_int_equal(read_one("limit", ".inf", &c, &err), MU_OK);
    assert_true(c.limit == INFINITY);
    assert_int_equal(read_one("reals", "0.5", &c, &err), MU_OK); /* one number is a list of one */
    assert_true(c.reals.count == 1 && c.reals.values[0] == 0.5);
    assert_int_equal(read_one("reals", "[]", &c, &err), MU_OK);
    assert_int_equal(c.reals.count, 0);
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    static const struct { const char *name, *value; mu_status status; const char *sentence; } cases[] = {
        { "flag", "maybe", MU_E_CONFIG, "t.yaml:1:7: train: 'flag' is 'maybe', expected true or false" },
        { "flag", "[on]", MU_E_CONFIG, "t.yaml:1:7: train: 'flag' is a list, expected a single value" },
        { "count", "0", MU_E_RANGE, "t.yaml:1:8: train: 'count' is 0, expected a whole number, 1 to 1000 in examples" },
        { "count", "1001", MU_E_RANGE, "t.yaml:1:8: train: 'count' is 1001, expected a whole number, 1 to 1000" },
        { "count", "2.5", MU_E_CONFIG, "t.yaml:1:8: train: 'count' is '2.5', expected a whole number" },
        { "count", "many", MU_E_CONFIG, "t.yaml:1:8: train: 'count' is 'many', expected a number" },
        { "count", "inf", MU_E_RANGE, "t.yaml:1:8: train: 'count' is inf" },
        { "count", "''", MU_E_CONFIG, "t.yaml:1:8: train: 'count' is '', expected a number" },
        { "seed", "-1", MU_E_CONFIG, "t.yaml:1:7: train: 'seed' is '-1', expected a whole number below 2^64" },
        { "seed", "18446744073709551616", MU_E_CONFIG, "t.yaml:1:7: train: 'seed' is '18446744073709551616'" },
        { "bytes", "12 parsecs", MU_E_CONFIG, "t.yaml:1:8: train: 'bytes' is '12 parsecs', expected a size such as 4096, 256KiB" },
        { "bytes", "0x10", MU_E_CONFIG, "t.yaml:1:8: train: 'bytes' is '0x10'" },
        { "bytes", "-5", MU_E_CONFIG, "t.yaml:1:8: train: 'bytes' is '-5'" },
        { "bytes", ".", MU_E_CONFIG, "t.yaml:1:8: train: 'bytes' is '.'" },
        { "bytes", "2000TB", MU_E_RANGE, "t.yaml:1:8: train: 'bytes' is 2e+15, expected a size, at least 0" },
        { "real", "1.01", MU_E_RANGE, "t.yaml:1:7: train: 'real' is 1.01, expected -1 to 1" },
        { "real", "nan", MU_E_CONFIG, "t.yaml:1:7: train: 'real' is 'nan', expected a number" },
        { "real", "0x1p-1", MU_E_CONFIG, "t.yaml:1:7: train: 'real' is '0x1p-1'" },
        { "real", "1e999", MU_E_CONFIG, "t.yaml:1:7: train: 'real' is '1e999'" },
        { "limit", "-1", MU_E_RANGE, "t.yaml:1:8: train: 'limit' is -1, expected at least 0 in s" },
        { "choice", "grene", MU_E_CONFIG,
          "t.yaml:1:9: train: 'choice' is 'grene', expected one of: red, green, blue; did you mean 'green'?" },
        { "choice", "xylophone", MU_E_CONFIG, "t.yaml:1:9: train: 'choice' is 'xylophone', expected one of: red, green, blue" },
        { "text", "{a: b}", MU_E_CONFIG, "t.yaml:1:7: train: 'text' is a map, expected a single value" },
        { "reals", "[0.5, 2]", MU_E_RANGE, "t.yaml:1:14: train: 'reals' is 2, expected 0 to 1" },
        { "reals", "[0.5, x]", MU_E_CONFIG, "t.yaml:1:14: train: 'reals' holds something that is not a number" },
        { "reals", "{a: 1}", MU_E_CONFIG, "t.yaml:1:8: train: 'reals' is a map, expected a list of numbers" },
        { "cuont", "5", MU_E_CONFIG, "t.yaml:1:1: train has no 'cuont'; did you mean 'count'?" },
    };
    config c;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_error err = { 0 };
        assert_int_equal(read_one(cases[i].name, cases[i].value, &c, &err), cases[i].status);
        if (strncmp(err.message, cases[i].sentence, strlen(cases[i].sentence)) != 0)
            fail_msg("expected '%s', got '%s'", cases[i].sentence, err.message);
    }
    mu_error err;
    static const mu_option needed = { "rounds", MU_OPTION_COUNT, offsetof(config, count), 1, 10, NULL, NULL, NULL, "how many rounds" };
    mu_conf *conf = parse("a: 1\n");
    assert_int_equal(mu_options_read(&needed, 1, NULL, NULL, "train", &c, &err), MU_E_CONFIG);
    assert_string_equal(err.message, "train: 'rounds' is missing (how many rounds)");
    assert_int_equal(mu_option_read(&needed, mu_conf_get(mu_conf_root(conf), "a"), "train", &c, &err), MU_OK);
    assert_int_equal(c.count, 1);
    assert_int_equal(mu_options_read(rows, ROWS, mu_conf_get(mu_conf_root(conf), "a"), NULL, "train", &c, &err), MU_E_CONFIG);
    assert_string_equal(err.message, "t.yaml:1:4: train: expected 'name: value' lines");
    mu_conf_destroy(conf);
}

static void test_set_names_itself(void **state)
{
    (void)state;
    mu_conf *conf = parse("train: {count: 5}\n");
    config c;
    mu_error err;
    assert_int_equal(mu_conf_set(conf, "train.count=5000", &err), MU_OK);
    assert_int_equal(mu_options_read(rows, ROWS, mu_conf_get(mu_conf_root(conf), "train"), NULL, "train", &c, &err), MU_E_RANGE);
    assert_string_equal(err.message, "--set train.count=5000: train: 'count' is 5000, expected a whole number, 1 to 1000 in examples");
    mu_conf_destroy(conf);
}

static void test_write_and_read_again(void **state)
{
    (void)state;
    char *longer = malloc(6000); /* longer than any buffer on the way */
    memset(longer, 'x', 5999);
    longer[5999] = '\0';
    const config cases[] = {
        { .flag = true, .count = 1000, .seed = UINT64_MAX, .bytes = (1ull << 50) - 1 - (1ull << 47), .real = 0.1, .limit = 1.0 / 3.0,
          .choice = 2, .text = "", .reals = { 3, { 0.1, 1.0 / 7.0, 5e-324 } } },
        { .flag = false, .count = 1, .seed = 1, .bytes = 0, .real = -0.7000000000000001, .limit = INFINITY, .choice = 0,
          .text = "yes: 'and' \"no\"\n# all of it ", .reals = { 0 } },
        { .count = 7, .limit = 1e300, .text = longer, .reals = { 1, { 1.0 } } },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_conf *conf = parse("old: kept\ntext: replaced\n"), *again;
        mu_error err;
        assert_int_equal(mu_options_write(rows, ROWS, &cases[i], conf, mu_conf_root(conf), &err), MU_OK);
        mu_conf_remove(mu_conf_root(conf), "old");
        char *text = mu_conf_write(mu_conf_root(conf));
        again = parse(text);
        config c;
        assert_int_equal(mu_options_read(rows, ROWS, mu_conf_root(again), NULL, "train", &c, &err), MU_OK);
        assert_true(c.flag == cases[i].flag && c.count == cases[i].count && c.seed == cases[i].seed && c.bytes == cases[i].bytes);
        assert_true(c.real == cases[i].real && c.limit == cases[i].limit && c.choice == cases[i].choice);
        assert_string_equal(c.text, cases[i].text);
        assert_int_equal(c.reals.count, cases[i].reals.count);
        assert_memory_equal(c.reals.values, cases[i].reals.values, c.reals.count * sizeof(double));
        free(text);
        mu_conf_destroy(conf);
        mu_conf_destroy(again);
    }
    free(longer);
}

static void test_format_and_describe(void **state)
{
    (void)state;
    static const char *const formatted[ROWS] = { "false", "10", "0", "1048576", "0.1", "inf", "green", "some text", "0.25, 0.5, 1" };
    static const char *const ranges[ROWS] = {
        "true or false", "a whole number, 1 to 1000", "a whole number below 2^64", "a size, at least 0",
        "-1 to 1",       "at least 0",                "one of: red, green, blue",  "text", "0 to 1",
    };
    config c;
    char text[128];
    assert_int_equal(mu_options_read(rows, ROWS, NULL, NULL, "train", &c, NULL), MU_OK);
    for (size_t i = 0; i < ROWS; i++) {
        mu_option_format(&rows[i], &c, text, sizeof text);
        assert_string_equal(text, formatted[i]);
        mu_option_describe_range(&rows[i], text, sizeof text);
        assert_string_equal(text, ranges[i]);
        mu_option_format(&rows[i], &c, text, 4); /* too little room is no accident */
        assert_true(strlen(text) < 4);
    }
}

static void test_nearest_name(void **state)
{
    (void)state;
    static const char *const names[] = { "phone-low", "phone-high", "laptop", "rounds", "cohort", "learning_rate", NULL };
    static const struct { const char *word, *nearest; } cases[] = {
        { "phone-hihg", "phone-high" }, /* neighbours swapped: one mistake */
        { "lap-top", "laptop" }, { "round", "rounds" }, { "cohrt", "cohort" }, { "learn", "learning_rate" }, /* a beginning */
        { "laptop", "laptop" }, { "xyz", NULL }, { "zzzzzzzzzz", NULL }, { "", NULL },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        const char *nearest = mu_nearest_name(cases[i].word, names);
        if (!cases[i].nearest)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
    char longer[200]; /* longer than is ever compared */
    memset(longer, 'p', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(mu_nearest_name(longer, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_sizes_and_words),
        cmocka_unit_test(test_what_is_wrong),
        cmocka_unit_test(test_set_names_itself),
        cmocka_unit_test(test_write_and_read_again),
        cmocka_unit_test(test_format_and_describe),
        cmocka_unit_test(test_nearest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

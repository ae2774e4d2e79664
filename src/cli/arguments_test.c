/* Reading words: every kind, both ways to write a flag, and every way to get it wrong. */
#include "cli/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct options {
    const char *config;
    cli_texts   settings;
    uint32_t    workers;
    uint64_t    memory_bytes;
    double      target;
    bool        quiet;
    int         format;
} options;

static const char *const formats[] = { "text", "json", NULL };

static const cli_argument words[] = {
    { .name = "CONFIG", .kind = CLI_TEXT, .offset = offsetof(options, config), .needed = true, .help = "what to run" },
};
static const cli_argument flags[] = {
    { .name = "set", .letter = 's', .kind = CLI_TEXTS, .offset = offsetof(options, settings), .value = "K=V", .help = "change" },
    { .name = "workers", .letter = 'w', .kind = CLI_COUNT, .offset = offsetof(options, workers), .value = "N", .min = 1, .max = 8,
      .help = "threads" },
    { .name = "memory", .kind = CLI_BYTES, .offset = offsetof(options, memory_bytes), .value = "SIZE", .min = 1, .help = "room" },
    { .name = "target", .kind = CLI_REAL, .offset = offsetof(options, target), .value = "X", .min = 0, .max = 1, .help = "goal" },
    { .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .offset = offsetof(options, quiet), .help = "silence" },
    CLI_FORMAT_FLAG(options, format, formats),
};
static const cli_arguments arguments = {
    .words = words, .word_count = MU_COUNT(words), .flags = flags, .flag_count = MU_COUNT(flags), .options_bytes = sizeof(options)
};

enum { MOST = 16 };

/* What came of reading; texts live as long as this. */
typedef struct reading {
    options     options;
    const char *texts[MOST];
    bool        help;
    mu_status   status;
    mu_error    err;
} reading;

#define READ(r, ...)                                                                                                                \
    read_words((r), (const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

static void read_words(reading *r, const char *const *list, size_t count)
{
    memset(r, 0, sizeof *r);
    assert_true(count <= MOST);
    r->status = cli_arguments_read(&arguments, "verb", list, count, r->texts, &r->options, &r->help, &r->err);
}

static void test_every_kind(void **state)
{
    (void)state;
    reading r;
    READ(&r, "a.yaml", "--set", "x=1", "--workers=3", "-q", "--memory", "1.5KiB", "-s", "y=2=3", "--target", "0.25", "--format", "json");
    assert_int_equal(r.status, MU_OK);
    assert_string_equal(r.options.config, "a.yaml");
    assert_int_equal(r.options.settings.count, 2);
    assert_string_equal(r.options.settings.items[0], "x=1");
    assert_string_equal(r.options.settings.items[1], "y=2=3");
    assert_int_equal(r.options.workers, 3);
    assert_int_equal(r.options.memory_bytes, 1536);
    assert_true(r.options.target == 0.25);
    assert_true(r.options.quiet);
    assert_int_equal(r.options.format, 1);
}

static void test_what_is_not_given_is_zero(void **state)
{
    (void)state;
    reading r;
    READ(&r, "a.yaml");
    assert_int_equal(r.status, MU_OK);
    assert_int_equal(r.options.settings.count, 0);
    assert_int_equal(r.options.workers, 0);
    assert_false(r.options.quiet);
    assert_int_equal(r.options.format, 0);
}

static void test_two_dashes_end_the_flags(void **state)
{
    (void)state;
    reading r;
    READ(&r, "--quiet", "--", "--workers");
    assert_int_equal(r.status, MU_OK);
    assert_string_equal(r.options.config, "--workers");
    READ(&r, "-"); /* a dash alone is a word */
    assert_string_equal(r.options.config, "-");
}

static void test_help_goes_before_mistakes(void **state)
{
    (void)state;
    reading r;
    READ(&r, "--nonsense", "-h");
    assert_int_equal(r.status, MU_OK);
    assert_true(r.help);
    READ(&r, "--", "--help"); /* here it is a word */
    assert_false(r.help);
    assert_string_equal(r.options.config, "--help");
}

static void expect_error(const reading *r, const char *message)
{
    assert_true(r->status == MU_E_CONFIG || r->status == MU_E_RANGE);
    assert_string_equal(r->err.message, message);
}

static void test_mistakes(void **state)
{
    (void)state;
    reading r;
    READ(&r, "--quiet");
    expect_error(&r, "verb: CONFIG is missing: what to run");
    READ(&r, "a", "b");
    expect_error(&r, "verb: 'b' is one word too many; see muster verb --help");
    READ(&r, "a", "--worker", "2");
    expect_error(&r, "verb has no --worker; did you mean --workers?");
    READ(&r, "a", "--worker=2");
    expect_error(&r, "verb has no --worker; did you mean --workers?");
    READ(&r, "a", "--zzzzzz");
    expect_error(&r, "verb has no --zzzzzz; see muster verb --help");
    READ(&r, "a", "-wq"); /* letters are not put together */
    expect_error(&r, "verb has no -wq; see muster verb --help");
    READ(&r, "a", "--workers");
    expect_error(&r, "verb: --workers needs a value: threads");
    READ(&r, "a", "--workers", "9");
    expect_error(&r, "verb: '--workers' is 9, expected a whole number, 1 to 8");
    READ(&r, "a", "--workers", "2x");
    expect_error(&r, "verb: '--workers' is '2x', expected a number");
    READ(&r, "a", "--workers=");
    expect_error(&r, "verb: --workers is empty");
    READ(&r, "a", "--quiet=1");
    expect_error(&r, "verb: --quiet takes no value");
    READ(&r, "a", "--format", "jason");
    expect_error(&r, "verb: --format 'jason' is none of: text, json; did you mean 'json'?");
    READ(&r, "");
    expect_error(&r, "verb: CONFIG is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_what_is_not_given_is_zero),
        cmocka_unit_test(test_two_dashes_end_the_flags),
        cmocka_unit_test(test_help_goes_before_mistakes),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

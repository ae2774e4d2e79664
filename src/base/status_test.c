/* The error sentence: whole, cut, and put words in front of. */
#include "muster/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = sizeof(((mu_error *)0)->message) };

/* Every byte belongs to a whole UTF-8 character. */
static bool is_utf8(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int more = *at < 0x80 ? 0 : (*at & 0xE0) == 0xC0 ? 1 : (*at & 0xF0) == 0xE0 ? 2 : (*at & 0xF8) == 0xF0 ? 3 : -1;
        if (more < 0)
            return false;
        for (at++; more > 0; more--, at++)
            if ((*at & 0xC0) != 0x80)
                return false;
    }
    return true;
}

static void test_names(void **state)
{
    (void)state;
    for (int status = 0; status < MU_STATUS_COUNT; status++) {
        assert_non_null(mu_status_name((mu_status)status));
        for (int other = 0; other < status; other++)
            assert_string_not_equal(mu_status_name((mu_status)status), mu_status_name((mu_status)other));
    }
    assert_string_equal(mu_status_name(MU_E_RANGE), "range");
    assert_string_equal(mu_status_name((mu_status)999), "unknown status");
    assert_string_equal(mu_status_name((mu_status)-1), "unknown status");
}

static void test_set(void **state)
{
    (void)state;
    mu_error err;
    assert_int_equal(mu_error_set(&err, MU_E_SHAPE, "dense '%s': %d rows", "fc1", 7), MU_E_SHAPE);
    assert_int_equal(err.status, MU_E_SHAPE);
    assert_string_equal(err.message, "dense 'fc1': 7 rows");
    assert_int_equal(mu_error_set(NULL, MU_E_IO, "nobody listens"), MU_E_IO);
    assert_int_equal(mu_error_prefix(NULL, MU_E_IO, "nobody listens"), MU_E_IO);
}

static void test_prefix(void **state)
{
    (void)state;
    mu_error err;
    mu_error_set(&err, MU_E_PARSE, "expected a number");
    assert_int_equal(mu_error_prefix(&err, MU_E_PARSE, "reading %s: ", "model.yaml"), MU_E_PARSE);
    assert_string_equal(err.message, "reading model.yaml: expected a number");
    assert_int_equal(err.status, MU_E_PARSE);
}

static void test_cut_at_every_length(void **state)
{
    (void)state;
    static const char *const letters[] = { "x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x99\x82" };
    for (size_t l = 0; l < MU_COUNT(letters); l++) {
        size_t letter_bytes = strlen(letters[l]);
        for (size_t shift = 0; shift < 5; shift++)
            for (size_t length = ROOM - 12; length < ROOM + 12; length++) {
                char text[ROOM + 32] = "";
                memset(text, '.', shift);
                size_t used = shift;
                for (; used + letter_bytes <= length; used += letter_bytes)
                    memcpy(text + used, letters[l], letter_bytes);
                text[used] = '\0';
                mu_error err;
                mu_error_set(&err, MU_E_IO, "%s", text);
                assert_true(strlen(err.message) < ROOM);
                assert_true(is_utf8(err.message));
                if (used < ROOM) {
                    assert_string_equal(err.message, text);
                } else {
                    size_t kept = strlen(err.message) - 3;
                    assert_string_equal(err.message + kept, "...");
                    assert_memory_equal(err.message, text, kept);
                    assert_true(kept + 3 + letter_bytes >= ROOM - 1); /* as much as there is room for */
                }
            }
    }
}

static void test_prefix_that_cuts(void **state)
{
    (void)state;
    char text[ROOM];
    memset(text, 'y', sizeof text - 1);
    text[ROOM - 1] = '\0';
    mu_error err;
    mu_error_set(&err, MU_E_IO, "%s", text);
    mu_error_prefix(&err, MU_E_IO, "reading \xC3\xA9: ");
    assert_int_equal(strlen(err.message), ROOM - 1);
    assert_memory_equal(err.message, "reading \xC3\xA9: yyy", 15);
    assert_string_equal(err.message + ROOM - 5, "y...");
    mu_error_prefix(&err, MU_E_IO, "%s", text); /* a prefix as long as there is room */
    assert_string_equal(err.message + ROOM - 5, "y...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_set),
        cmocka_unit_test(test_prefix), cmocka_unit_test(test_cut_at_every_length),
        cmocka_unit_test(test_prefix_that_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

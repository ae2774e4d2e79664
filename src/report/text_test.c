/* The text that grows, and what becomes of foreign words in it. */
#include "report/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(void (*put)(mu_text *, const char *), const char *words, const char *expected)
{
    mu_text text = { 0 };
    put(&text, words);
    assert_string_equal(text.bytes, expected);
    mu_text_release(&text);
}

static void json(void **state)
{
    (void)state;
    expect(mu_text_json, "", "\"\"");
    expect(mu_text_json, "a \"b\" \\ c\n\t\r\x01\x7F", "\"a \\\"b\\\" \\\\ c\\n\\t\\r\\u0001\\u007f\"");
    expect(mu_text_json, "Zürich 東京 🙂", "\"Zürich 東京 🙂\"");
    /* not UTF-8: a lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, and one cut off by the end */
    expect(mu_text_json, "\x80|\xC0\xAF|\xED\xA0\x80|\xF4\x90\x80\x80|\xE6\x9D",
           "\"\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|"
           "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD|\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void html(void **state)
{
    (void)state;
    expect(mu_text_html, "<script>alert('x' & \"y\")</script>\n", "&lt;script&gt;alert(&#39;x&#39; &amp; &quot;y&quot;)&lt;/script&gt;\n");
    expect(mu_text_html, "a\x02" "b", "a\xEF\xBF\xBD" "b");
}

static void csv(void **state)
{
    (void)state;
    expect(mu_text_csv, "phone-low", "phone-low");
    expect(mu_text_csv, "a,b", "\"a,b\"");
    expect(mu_text_csv, "say \"hi\"\n", "\"say \"\"hi\"\"\n\"");
    expect(mu_text_csv, " edge ", "\" edge \"");
}

static void gnuplot(void **state)
{
    (void)state;
    expect(mu_text_gnuplot, "it's `touch x` @y \"z\"\nplot", "'it’s ‘touch x‘ @y \"z\" plot'");
}

static void grows(void **state)
{
    (void)state;
    mu_text text = { 0 };
    for (int i = 0; i < 10000; i++)
        mu_text_format(&text, "%d,", i % 10);
    assert_int_equal(text.size_bytes, 20000);
    mu_text_clear(&text);
    assert_string_equal(text.bytes, "");
    mu_text_real(&text, 0.5, "x");
    mu_text_real(&text, 1.0 / 0.0, "x");
    mu_text_whole(&text, 0);
    mu_text_whole(&text, UINT64_MAX);
    char *taken = mu_text_take(&text);
    assert_string_equal(taken, "0.5x018446744073709551615");
    assert_null(text.bytes);
    free(taken);
    taken = mu_text_take(&text); /* nothing was put: an empty text, not NULL */
    assert_string_equal(taken, "");
    free(taken);
}

static void failure_is_remembered(void **state)
{
    (void)state;
    mu_text text = { 0 };
    mu_text_put(&text, "before");
    mu_text_put_bytes(&text, "", SIZE_MAX / 2);
    assert_true(text.failed);
    mu_text_put(&text, "after");
    assert_null(mu_text_take(&text));
}

static void copies_are_cut_between_characters(void **state)
{
    (void)state;
    char out[8];
    mu_text_copy(out, sizeof out, "abcdefgh");
    assert_string_equal(out, "abcdefg");
    mu_text_copy(out, sizeof out, "abcdef\xC3\xBC");
    assert_string_equal(out, "abcdef");
    mu_text_copy(out, sizeof out, "abcde\xC3\xBC");
    assert_string_equal(out, "abcde\xC3\xBC");
    mu_text_copy(out, sizeof out, "\xFF\xFF\xFF");
    assert_string_equal(out, "\xEF\xBF\xBD\xEF\xBF\xBD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),  cmocka_unit_test(html),
        cmocka_unit_test(csv),   cmocka_unit_test(gnuplot),
        cmocka_unit_test(grows), cmocka_unit_test(failure_is_remembered),
        cmocka_unit_test(copies_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

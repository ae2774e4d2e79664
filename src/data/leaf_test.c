/* LEAF's JSON with numbers and with texts, UTF-8, and windows over a text. */
#include "data/leaf.h"
#include "data/test_support.h"
#include "data/windows.h"

static mu_status read_text(const char *text, mu_leaf *leaf, mu_intern *users, mu_intern *labels, mu_error *err)
{
    return mu_leaf_read("t.json", (const unsigned char *)text, strlen(text), users, labels, leaf, err);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char first[] = "{\"users\": [\"ann\", \"bob\"], \"num_samples\": [2, 1], \"user_data\": {\"bob\": {\"x\": [[5, 6]], \"y\": [1]},"
                                "\"ann\": {\"x\": [[1, 2.5], [3, -4]], \"y\": [7, \"1\"], \"raw\": 3}}}";
    static const char second[] = "{\"users\": [\"ann\"], \"num_samples\": [1], \"user_data\": {\"ann\": {\"x\": [[8, 9]], \"y\": [0]}}}";
    static const float expected[] = { 5, 6, 1, 2.5, 3, -4, 8, 9 };
    mu_leaf leaf = { 0 };
    mu_intern users = { 0 }, labels = { 0 };
    mu_error err;
    assert_ok(read_text(first, &leaf, &users, &labels, &err), &err);
    assert_ok(read_text(second, &leaf, &users, &labels, &err), &err);
    assert_int_equal(leaf.count, 4);
    assert_int_equal(leaf.length, 2);
    assert_memory_equal(leaf.values, expected, sizeof expected);
    assert_int_equal(users.names.count, 2);
    assert_string_equal(users.names.names[leaf.users[0]], "bob");
    assert_string_equal(users.names.names[leaf.users[3]], "ann");
    assert_string_equal(labels.names.names[leaf.labels[1]], "7");
    assert_int_equal(leaf.labels[0], leaf.labels[2]);
    mu_leaf_release(&leaf);
    mu_intern_release(&labels);
    mu_intern_release(&users);
}

static void test_texts(void **state)
{
    (void)state;
    static const char text[] = "{\"users\": [\"KING\"], \"num_samples\": [2], "
                               "\"user_data\": {\"KING\": {\"x\": [\"ab\", \"\xC3\xA9\\n\"], \"y\": [\"c\", \"a\"]}}}";
    mu_leaf leaf = { 0 };
    mu_intern users = { 0 }, labels = { 0 };
    mu_error err;
    assert_ok(read_text(text, &leaf, &users, &labels, &err), &err);
    static const uint32_t expected[] = { 'a', 'b', 0xE9, '\n' };
    assert_true(leaf.is_text);
    assert_int_equal(leaf.length, 2);
    assert_int_equal(leaf.inputs.count, 4);
    assert_memory_equal(leaf.inputs.codes, expected, sizeof expected);
    assert_int_equal(leaf.labels[0], 'c');
    mu_leaf_release(&leaf);
    mu_intern_release(&users);
}

#define USER(x, y) "{\"users\": [\"u\"], \"num_samples\": [2], \"user_data\": {\"u\": {\"x\": " x ", \"y\": " y "}}}"

static void test_bad(void **state)
{
    (void)state;
    static const struct { const char *text, *words; } cases[] = {
        { "", "no JSON" },
        { "{\"users\": [\"u\"], }", "no JSON: something unexpected at byte" },
        { "[]", "expected a map" },
        { "{\"users\": [\"u\"], \"num_samples\": []}", "of the same length" },
        { "{\"users\": [\"u\"], \"num_samples\": [1]}", "expected a map 'user_data'" },
        { "{\"users\": [\"u\", \"u\"], \"num_samples\": [1, 1], \"user_data\": {}}", "'u' is there twice" },
        { "{\"users\": [\"u\"], \"num_samples\": [1], \"user_data\": {}}", "1 users, but data of 0" },
        { "{\"users\": [], \"num_samples\": [], \"user_data\": {\"v\": {}}}", "user_data.'v' is not among the users" },
        { USER("[[1], [2]]", "[1]"), "2 x and 1 y" },
        { USER("[[1]]", "[1]"), "has 1 examples, but num_samples says 2" },
        { USER("[[1], [2, 3]]", "[1, 2]"), "user_data.'u'.x[1]: more values" },
        { USER("[[1, 2], [3]]", "[1, 2]"), "user_data.'u'.x[1]: fewer values" },
        { USER("[[1], [\"a\"]]", "[1, 2]"), "x[1]: holds something that is not a finite number" },
        { USER("[[1], [1e60]]", "[1, 2]"), "x[1]: holds something that is not a finite number" },
        { USER("[[1], \"ab\"]", "[1, 2]"), "x[1]: a text, but" },
        { USER("[\"ab\", [1]]", "[\"c\", \"d\"]"), "x[1]: a list of numbers, but" },
        { USER("[\"ab\", \"abc\"]", "[\"c\", \"d\"]"), "x[1]: not as many characters" },
        { USER("[\"ab\", \"ab\"]", "[\"c\", \"dd\"]"), "y[1]: expected one character" },
        { USER("[\"ab\", \"ab\"]", "[\"c\", 3]"), "y[1]: expected one character" },
        { USER("[[1], [1]]", "[1, -2]"), "y[1]: expected a whole number" },
        { USER("[[1], [1]]", "[1, 2.5]"), "y[1]: expected a whole number" },
        { USER("[[1], [1]]", "[1, null]"), "y[1]: expected a whole number or a text" },
        { USER("[[], [1]]", "[1, 1]"), "x[0]: an example without values" },
        { USER("[\"\xff\", \"a\"]", "[\"a\", \"a\"]"), "byte 0 of the text (0xff) is not UTF-8" },
        { USER("7", "[1]"), "expected lists 'x' and 'y'" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_leaf leaf = { 0 };
        mu_intern users = { 0 }, labels = { 0 };
        mu_error err;
        assert_error(read_text(cases[i].text, &leaf, &users, &labels, &err), MU_E_PARSE, &err, cases[i].words);
        mu_leaf_release(&leaf);
        mu_intern_release(&labels);
        mu_intern_release(&users);
    }
}

static void test_utf8(void **state)
{
    (void)state;
    static const char *const wrong[] = { "\x80", "a\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF8\x88\x80\x80\x80" };
    mu_codes codes = { 0 };
    mu_error err;
    size_t added;
    for (size_t i = 0; i < MU_COUNT(wrong); i++)
        assert_int_equal(mu_codes_add(&codes, "t", wrong[i], strlen(wrong[i]), &added, &err), MU_E_PARSE);
    mu_codes_release(&codes);
    assert_ok(mu_codes_add(&codes, "t", "z\xE2\x82\xAC\xF0\x9F\x98\x80 z", 10, &added, &err), &err);
    assert_int_equal(added, 5);
    assert_int_equal(codes.codes[1], 0x20AC);
    assert_int_equal(codes.codes[2], 0x1F600);
    mu_vocabulary vocabulary = { .count = 0 };
    assert_ok(mu_vocabulary_add(&vocabulary, "t", &codes, &err), &err);
    assert_int_equal(vocabulary.count, 4);
    assert_int_equal(mu_vocabulary_symbol(&vocabulary, ' '), 0);
    assert_int_equal(mu_vocabulary_symbol(&vocabulary, 'z'), 1);
    assert_int_equal(mu_vocabulary_symbol(&vocabulary, 0x1F600), 3);
    mu_names names = { 0 };
    assert_ok(mu_vocabulary_names(&vocabulary, &names, &err), &err);
    assert_string_equal(names.names[0], "space");
    assert_string_equal(names.names[1], "z");
    assert_string_equal(names.names[3], "U+1F600");
    mu_names_release(&names);
    mu_codes_release(&codes);

    uint32_t many[257];
    for (uint32_t i = 0; i < MU_COUNT(many); i++)
        many[i] = 1000 - i;
    vocabulary.count = 0;
    assert_ok(mu_vocabulary_add(&vocabulary, "t", &(mu_codes){ many, 256, 256 }, &err), &err);
    assert_int_equal(mu_vocabulary_symbol(&vocabulary, 1000), 255);
    assert_error(mu_vocabulary_add(&vocabulary, "t", &(mu_codes){ many, 257, 257 }, &err), MU_E_LIMIT, &err, "more than 256 different characters");
}

static void test_windows(void **state)
{
    (void)state;
    for (uint32_t step = 1; step <= 4; step++) {
        uint8_t *symbols = malloc(10);
        assert_non_null(symbols);
        for (uint8_t i = 0; i < 10; i++)
            symbols[i] = (uint8_t)(50 + i);
        mu_corpus corpus = { 0 };
        mu_error err;
        assert_ok(mu_windows_make("t", symbols, 10, 3, step, &corpus.train, &err), &err);
        assert_int_equal(corpus.train.count, 6 / step + 1);
        for (uint32_t i = 0; i < corpus.train.count; i++) {
            assert_int_equal(corpus.train.bytes[i * corpus.train.stride], 50 + i * step);
            assert_int_equal(corpus.train.labels[i], 50 + i * step + 3);
        }
        mu_corpus_release(&corpus);
    }
    mu_corpus corpus = { 0 };
    mu_error err;
    assert_error(mu_windows_make("t", calloc(3, 1), 3, 3, 1, &corpus.train, &err), MU_E_RANGE, &err, "3 characters are too few");
    mu_corpus_release(&corpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_texts), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_utf8),    cmocka_unit_test(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

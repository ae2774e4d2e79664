/* CSV: headers, quotes, labels by name and number, and every way in which a line can be wrong. */
#include "data/csv_table.h"
#include "data/test_support.h"

static const mu_csv_config plain = { .header = true, .label = "label", .id = "" };

static mu_status read_text(const char *text, const mu_csv_config *config, mu_intern *labels, mu_csv_table *table, mu_error *err)
{
    mu_intern ids = { 0 };
    mu_status status = mu_csv_table_read("t.csv", (const unsigned char *)text, strlen(text), config, labels, &ids, table, err);
    mu_intern_release(&ids);
    return status;
}

static void test_quotes(void **state)
{
    (void)state;
    static const char text[] = "\xEF\xBB\xBF" "a,\"the \"\"b\"\"\",label\r\n1, 2.5 ,cat\r\n\r\n-3e2,\"4\",\"dog, \"\"big\"\"\nand old\"\r\n5,6,cat";
    mu_intern labels = { 0 };
    mu_csv_table table;
    mu_error err;
    assert_ok(read_text(text, &plain, &labels, &table, &err), &err);
    static const float expected[] = { 1.0f, 2.5f, -300.0f, 4.0f, 5.0f, 6.0f };
    assert_int_equal(table.rows, 3);
    assert_int_equal(table.columns, 2);
    assert_memory_equal(table.values, expected, sizeof expected);
    assert_int_equal(labels.names.count, 2);
    assert_string_equal(labels.names.names[table.labels[1]], "dog, \"big\"\nand old");
    assert_int_equal(table.labels[0], table.labels[2]);
    mu_csv_table_release(&table);
    mu_intern_release(&labels);
}

static void test_columns(void **state)
{
    (void)state;
    static const struct { const char *label, *id; float first, second; const char *label_text; } cases[] = {
        { "0", "", 2, 3, "1" }, { "-1", "", 1, 2, "3" }, { "1", "0", 3, 13, "2" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_csv_config config = { .delimiter = 1, .header = false, .label = cases[i].label, .id = cases[i].id };
        mu_intern labels = { 0 };
        mu_csv_table table;
        mu_error err;
        assert_ok(read_text("1;2;3\n11;12;13\n", &config, &labels, &table, &err), &err);
        assert_int_equal(table.rows, 2);
        assert_true(table.values[0] == cases[i].first && table.values[1] == cases[i].second);
        assert_string_equal(labels.names.names[0], cases[i].label_text);
        assert_int_equal(table.ids != NULL, cases[i].id[0] != '\0');
        mu_csv_table_release(&table);
        mu_intern_release(&labels);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct { const char *text, *label, *words; } cases[] = {
        { "", "label", "an empty file" },
        { "a,label\n", "label", "no examples" },
        { "label\n1\n", "label", "no column is left" },
        { "a,b\n1,2\n", "label", "there is no column 'label'" },
        { "a,b\n1,2\n", "2", "there is no column '2' for 'label' among the 2" },
        { "a,b\n1,2\n", "-3", "there is no column '-3'" },
        { "a,label\n1,2\n1\n", "label", "t.csv:3: the row has 1 columns, expected 2" },
        { "a,label\n1,2,3\n", "label", "t.csv:2: the row has 3 columns, expected 2" },
        { "a,label\n1,x\nseven,x\n", "label", "t.csv:3:1: expected a number, found 'seven'" },
        { "a,label\n,x\n", "label", "t.csv:2:1: expected a number" },
        { "a,label\nnan,x\n", "label", "expected a number, found 'nan'" },
        { "a,label\n0x10,x\n", "label", "expected a number, found '0x10'" },
        { "a,label\n1e99,x\n", "label", "1e+99 is more than a float can hold" },
        { "a,label\n1,\n", "label", "t.csv:2:3: the label is empty" },
        { "a,label\n\"1,x\n2,y\n", "label", "t.csv:2:1: the quote that begins here is not closed" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_csv_config config = { .header = true, .label = cases[i].label, .id = "" };
        mu_intern labels = { 0 };
        mu_csv_table table;
        mu_error err;
        assert_error(read_text(cases[i].text, &config, &labels, &table, &err), MU_E_PARSE, &err, cases[i].words);
        mu_csv_table_release(&table);
        mu_intern_release(&labels);
    }
}

static void test_labels_of_names(void **state)
{
    (void)state;
    static const char *const words[] = { "pear", "apple", "fig" }, *const numbers[] = { "7", "0", "12" }, *const mixed[] = { "1", "01" };
    mu_error err;
    int32_t map[3];
    uint32_t number = 0;
    mu_names names = { 0 };
    mu_intern intern = { 0 };
    for (size_t i = 0; i < 3; i++)
        assert_ok(mu_intern_add(&intern, words[i], strlen(words[i]), 3, "fruits", &number, &err), &err);
    assert_ok(mu_intern_add(&intern, "apple", 5, 3, "fruits", &number, &err), &err);
    assert_int_equal(number, 1);
    assert_error(mu_intern_add(&intern, "plum", 4, 3, "fruits", &number, &err), MU_E_LIMIT, &err, "more than 3 different fruits");
    assert_ok(mu_intern_to_labels(&intern, 100, map, &names, &err), &err);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "apple");
    assert_int_equal(map[0], 2);
    assert_int_equal(map[1], 0);
    mu_names_release(&names);
    mu_intern_release(&intern);

    for (size_t i = 0; i < 3; i++)
        assert_ok(mu_intern_add(&intern, numbers[i], strlen(numbers[i]), 3, "numbers", &number, &err), &err);
    assert_ok(mu_intern_to_labels(&intern, 100, map, &names, &err), &err);
    assert_int_equal(names.count, 0);
    assert_int_equal(map[0], 7);
    assert_int_equal(map[2], 12);
    mu_intern_release(&intern);

    for (size_t i = 0; i < 2; i++)
        assert_ok(mu_intern_add(&intern, mixed[i], strlen(mixed[i]), 3, "numbers", &number, &err), &err);
    assert_ok(mu_intern_to_labels(&intern, 100, map, &names, &err), &err);
    assert_int_equal(names.count, 2); /* "01" is another name than "1" */
    mu_names_release(&names);
    mu_intern_release(&intern);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_labels_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* DISTREAL's table: what rows cost, their order, and what is said about a file that is none. */
#include "method/test_width.h"

#include "method/distreal_table.h"
#include "method/width_rules.h"

#include <math.h>

/* Of the network 2 -> a -> b -> 3: each weight once on the way forward, and back once for itself and once, but in the first layer, for what is before it. */
static uint64_t macs_of(uint32_t a, uint32_t b)
{
    return 2 * (2 * a) + 3 * (a * b + b * 3);
}

static const mu_distreal_table *uniform_of(const net *n, double most_rate)
{
    static mu_distreal_table table;
    mu_error err = { 0 };
    if (mu_distreal_table_uniform(&table, n->units, most_rate, &err))
        fail_msg("%s", err.message);
    return &table;
}

static void rows_are_counted_and_in_order(void **state)
{
    (void)state;
    net n = small_net();
    const mu_distreal_table *table = uniform_of(&n, 0.9);
    /* rates 0.9 and 0.8 keep 1 and 1 of 5 and 4; 0.7: 2 and 1; 0.6: 2 and 2; 0.5: 3 and 2; 0.4: 3 and 2; 0.3: 4 and 3; 0.2: 4 and 3; 0.1: 5 and 4 */
    static const uint32_t kept[][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 }, { 5, 4 } };
    assert_int_equal(table->row_count, MU_COUNT(kept));
    assert_int_equal(table->group_count, 2);
    for (uint32_t row = 0; row < table->row_count; row++) {
        assert_memory_equal(mu_distreal_table_row(table, row), kept[row], sizeof kept[row]);
        assert_int_equal(table->macs[row], macs_of(kept[row][0], kept[row][1]));
        assert_true(isnan(table->gain[row]) && isnan(table->step_us[row]));
    }
    assert_int_equal(table->macs[5], 2 * 10 + 3 * (20 + 12));
    assert_int_equal(uniform_of(&n, 0.6)->row_count, 4); /* the two cheapest are of higher rates */
    assert_int_equal(uniform_of(&n, 0.05)->row_count, 1);
    net_release(&n);
}

/* An inner layer of a uniform rate takes (K/C)^2 of what the whole takes, the first and the last K/C. */
static void uniform_rates_take_their_share(void **state)
{
    (void)state;
    net n = net_written("layers:\n  - {conv: a, channels: 16, kernel: 3, padding: 1}\n  - relu\n  - {conv: b, channels: 32, kernel: 3, padding: 1}\n"
                        "  - relu\n  - {conv: c, channels: 64, kernel: 3, padding: 1}\n  - relu\n  - global_average_pool\n  - {dense: d}\n",
                        (mu_shape){ 8, 8, 3 }, 10);
    for (uint32_t quarters = 1; quarters <= 4; quarters++) {
        double p = quarters / 4.0;
        uint32_t counts[3];
        uint64_t macs = 0, whole[4], expected = 0;
        mu_width_counts(n.units, p, MU_WIDTH_NEAREST, counts);
        assert_int_equal(mu_distreal_macs(n.units, counts, &macs, NULL), MU_OK);
        static const char *const convs[] = { "a", "b", "c", "d" };
        for (size_t i = 0; i < 4; i++) {
            mu_layer_info info = { 0 };
            for (size_t l = 0; l < mu_model_layer_count(n.model) && (!info.name || strcmp(info.name, convs[i]) != 0); l++)
                mu_model_layer(n.model, l, 1, &info);
            assert_string_equal(info.name, convs[i]);
            whole[i] = info.cost.macs_forward + info.cost.macs_backward;
            expected += (uint64_t)((double)whole[i] * (i == 0 || i == 3 ? p : p * p));
        }
        assert_int_equal(macs, expected);
    }
    net_release(&n);
}

static void a_row_within_a_budget(void **state)
{
    (void)state;
    net n = small_net();
    const mu_distreal_table *table = uniform_of(&n, 0.9);
    assert_int_equal(mu_distreal_table_choose(table, INFINITY), 5);
    assert_int_equal(mu_distreal_table_choose(table, 116), 5);
    assert_int_equal(mu_distreal_table_choose(table, 115.999), 4);
    for (uint32_t row = 0; row < table->row_count; row++) {
        assert_int_equal(mu_distreal_table_choose(table, (double)table->macs[row]), row);
        assert_int_equal(mu_distreal_table_choose(table, (double)table->macs[row] + 0.5), row);
    }
    assert_int_equal(mu_distreal_table_choose(table, 15.9), 0);
    assert_int_equal(mu_distreal_table_choose(table, 0), 0);
    assert_int_equal(mu_distreal_table_choose(table, -INFINITY), 0);
    assert_int_equal(mu_distreal_table_choose(table, (double)NAN), 0);
    net_release(&n);
}

static void of_rows_that_cost_the_same_one_stays(void **state)
{
    (void)state;
    net n = small_net();
    static mu_distreal_table table;
    assert_int_equal(mu_distreal_table_init(&table, n.units, NULL), MU_OK);
    assert_int_equal(table.row_count, 1);
    static const uint32_t counts[] = { 2, 3 }, dearer[] = { 5, 3 };
    static const struct { double gain; float then; } steps[] = { { NAN, NAN }, { -1, -1 }, { NAN, -1 }, { -2, -1 }, { -1, -1 }, { 0.5, 0.5 }, { 0.25, 0.5 } };
    assert_int_equal(mu_distreal_table_add(&table, n.units, dearer, 3, 7, NULL), MU_OK);
    for (size_t i = 0; i < MU_COUNT(steps); i++) {
        assert_int_equal(mu_distreal_table_add(&table, n.units, counts, steps[i].gain, (double)i, NULL), MU_OK);
        assert_int_equal(table.row_count, 3);
        assert_true(isnan(steps[i].then) ? isnan(table.gain[0]) : table.gain[0] == steps[i].then);
        assert_true(table.gain[1] == 3 && table.step_us[1] == 7 && isnan(table.gain[2]));
    }
    assert_true(table.step_us[0] == 5); /* of the step that gained 0.5 */
    net_release(&n);
}

static void a_table_is_full_at_its_bounds(void **state)
{
    (void)state;
    net n = net_written("layers:\n  - {dense: a, units: 100}\n  - {dense: b}\n", (mu_shape){ 1, 1, 2 }, 3);
    static mu_distreal_table table, before;
    mu_error err = { 0 };
    assert_int_equal(mu_distreal_table_init(&table, n.units, NULL), MU_OK);
    for (uint32_t kept = 99; kept > 100 - MU_LIMIT_DISTREAL_ROWS; kept--)
        assert_int_equal(mu_distreal_table_add(&table, n.units, &kept, 0, 0, NULL), MU_OK);
    assert_int_equal(table.row_count, MU_LIMIT_DISTREAL_ROWS);
    before = table;
    assert_int_equal(mu_distreal_table_add(&table, n.units, &(uint32_t){ 1 }, 0, 0, &err), MU_E_LIMIT);
    assert_string_equal(err.message, "the table has 64 rows already, the most that it can have");
    assert_memory_equal(&table, &before, sizeof table);
    assert_int_equal(mu_distreal_table_add(&table, n.units, &(uint32_t){ 90 }, 1, 0, NULL), MU_OK); /* in place of one that costs as much */
    net_release(&n);
}

/* ---- as text ---- */

static void text_is_the_table(void **state)
{
    (void)state;
    net n = small_net();
    static mu_distreal_table table, again;
    static const uint32_t rows[][2] = { { 1, 1 }, { 3, 1 }, { 2, 4 } };
    assert_int_equal(mu_distreal_table_init(&table, n.units, NULL), MU_OK);
    assert_int_equal(mu_distreal_table_add(&table, n.units, rows[0], 0.1, (double)NAN, NULL), MU_OK);
    assert_int_equal(mu_distreal_table_add(&table, n.units, rows[1], (double)NAN, 12.5, NULL), MU_OK);
    assert_int_equal(mu_distreal_table_add(&table, n.units, rows[2], 1.0 / 3, 1e-20, NULL), MU_OK);
    static const char expected[] = "macs,gain,step_us,a,b\n16,0.1,,0.8,0.75\n30,,12.5,0.4,0.75\n68,0.33333334,1e-20,0.6,0\n116,,,0,0\n";
    unsigned char *text = NULL;
    size_t size_bytes = 0;
    assert_int_equal(mu_distreal_table_encode(&table, n.units, &text, &size_bytes, NULL), MU_OK);
    assert_int_equal(size_bytes, sizeof expected - 1);
    assert_memory_equal(text, expected, size_bytes);
    assert_int_equal(mu_distreal_table_decode(&again, n.units, "t.csv", text, size_bytes, NULL), MU_OK);
    assert_memory_equal(&again, &table, sizeof table);
    /* groups may come in any order, and rates as somebody writes them */
    static const char other[] = "macs,gain,step_us,b,a\r\n16,0.1,,0.9,0.82\r\n30,,12.5,.7,4e-1\r\n68,0.33333334,1e-20,0,0.55\r\n116,,,0.1,0.05";
    assert_int_equal(mu_distreal_table_decode(&again, n.units, "t.csv", other, sizeof other - 1, NULL), MU_OK);
    assert_memory_equal(&again, &table, sizeof table);
    free(text);
    net_release(&n);
}

static void what_is_no_table_is_refused(void **state)
{
    (void)state;
    net n = small_net();
    static const struct { const char *text; mu_status status; const char *message; } cases[] = {
        { "", MU_E_PARSE, "t.csv: an empty file; expected the header macs,gain,step_us and a column for each unit group" },
        { "macs,step_us,gain,a,b\n", MU_E_PARSE, "t.csv:1:6: expected the column 'gain': a table begins with macs,gain,step_us" },
        { "macs,gain\n", MU_E_PARSE, "t.csv:1: expected the column 'step_us': a table begins with macs,gain,step_us" },
        { "macs,gain,step_us,a,bb\n", MU_E_CONFIG, "t.csv:1:21: the model has no unit group 'bb'; did you mean 'b'?" },
        { "macs,gain,step_us,a,fc1_weights\n", MU_E_CONFIG, "t.csv:1:21: the model has no unit group 'fc1_weights'" },
        { "macs,gain,step_us,a,b,a\n", MU_E_PARSE, "t.csv:1:23: the group 'a' has a column already" },
        { "macs,gain,step_us,a\n", MU_E_CONFIG, "t.csv:1: there is no column for the model's unit group 'b'" },
        { "macs,gain,step_us,a,b\n", MU_E_PARSE, "t.csv: no rows, only a header" },
        { "macs,gain,step_us,a,b\n116,,,0\n", MU_E_PARSE, "t.csv:2: the row has 4 columns, expected 5" },
        { "macs,gain,step_us,a,b\n116,,,0,1\n", MU_E_PARSE, "t.csv:2:9: expected the part of the group's units that is left out, from 0 to below 1, found 1" },
        { "macs,gain,step_us,a,b\n116,,,-0.1,0\n", MU_E_PARSE, "t.csv:2:7: expected the part of the group's units that is left out, from 0 to below 1, found -0.1" },
        { "macs,gain,step_us,a,b\n116,,,x,0\n", MU_E_PARSE, "t.csv:2:7: expected a number, found 'x'" },
        { "macs,gain,step_us,a,b\n116,1e40,,0,0\n", MU_E_PARSE, "t.csv:2:5: 1e+40 is more than a float can hold" },
        { "macs,gain,step_us,a,b\n16,,,0.8,0.75\n117,,,0,0\n", MU_E_CONFIG,
          "t.csv:3:1: 117 MACs, but with these rates this model has 116: the table was made for another model or input" },
        { "macs,gain,step_us,a,b\n116,,,0,0\n16,,,0.8,0.75\n", MU_E_PARSE, "t.csv:3:1: expected more MACs than the 116 of the row before" },
        { "macs,gain,step_us,a,b\n16,,,0.8,0.75\n68,,,0.6,0\n", MU_E_PARSE,
          "t.csv: the last row leaves out units of 'a': there must be one that keeps everything (rates 0)" },
    };
    static mu_distreal_table table;
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        mu_error err = { 0 };
        assert_int_equal(mu_distreal_table_decode(&table, n.units, "t.csv", cases[i].text, strlen(cases[i].text), &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    net_release(&n);
}

static void a_file_has_its_bounds(void **state)
{
    (void)state;
    net n = net_written("layers:\n  - {dense: a, units: 100}\n  - {dense: b}\n", (mu_shape){ 1, 1, 2 }, 3);
    static char text[4096];
    size_t used = (size_t)snprintf(text, sizeof text, "macs,gain,step_us,a\n");
    for (uint32_t kept = 36; kept <= 100; kept++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%u,,,%g\n", kept * (4 + 9), 1 - kept / 100.0);
    static mu_distreal_table table;
    mu_error err = { 0 };
    assert_int_equal(mu_distreal_table_decode(&table, n.units, "t.csv", text, used, &err), MU_E_LIMIT);
    assert_string_equal(err.message, "t.csv:66: the table has 64 rows already, the most that it can have");
    net_release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_and_in_order),
        cmocka_unit_test(uniform_rates_take_their_share),
        cmocka_unit_test(a_row_within_a_budget),
        cmocka_unit_test(of_rows_that_cost_the_same_one_stays),
        cmocka_unit_test(a_table_is_full_at_its_bounds),
        cmocka_unit_test(text_is_the_table),
        cmocka_unit_test(what_is_no_table_is_refused),
        cmocka_unit_test(a_file_has_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

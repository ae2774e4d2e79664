/* Every built-in class is plausible and every named fleet can be made. */
#include "muster/device.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_every_row_is_plausible(void **state)
{
    (void)state;
    size_t count;
    const mu_profile *rows = mu_profiles(&count);
    assert_true(count >= 12);
    for (size_t i = 0; i < count; i++) {
        const mu_profile *p = &rows[i];
        assert_true(p->name && *p->name && p->help && *p->help && p->source && strlen(p->source) > 40);
        assert_true(strcmp(p->tier, "low") == 0 || strcmp(p->tier, "mid") == 0 || strcmp(p->tier, "high") == 0);
        double fp32 = p->macs_per_s[MU_PRECISION_FP32];
        assert_true(fp32 >= 1e6 && fp32 <= 1e13);
        for (int precision = 0; precision < MU_PRECISION_COUNT; precision++) /* narrower is not slower, nor 10 times faster */
            assert_true(p->macs_per_s[precision] == 0.0 ||
                        (p->macs_per_s[precision] >= fp32 && p->macs_per_s[precision] <= 10.0 * fp32));
        assert_true(p->memory_bytes >= 64 * 1024 && p->memory_bytes <= (uint64_t)1 << 40);
        assert_true(p->download_bit_per_s >= 1e6 && p->download_bit_per_s <= 1e10);
        assert_true(p->upload_bit_per_s >= 1e6 && p->upload_bit_per_s <= p->download_bit_per_s);
        assert_true(p->latency_s > 0.0 && p->latency_s < 1.0);
        assert_true(p->active_w > p->idle_w && p->idle_w > 0.0 && p->radio_w > 0.0 && p->active_w < 1000.0);
        /* no processor of today does more than a few TMAC for a joule, none less than 10 MMAC */
        assert_true(fp32 / p->active_w > 1e7 && fp32 / p->active_w < 1e12);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(p->name, rows[j].name);
    }
}

static void test_find(void **state)
{
    (void)state;
    const mu_profile *found = NULL;
    assert_int_equal(mu_profile_find("pi-4", &found, NULL), MU_OK);
    assert_string_equal(found->name, "pi-4");
    assert_true(found->macs_per_s[MU_PRECISION_FP32] == 5.9e9);
    mu_error err;
    assert_int_equal(mu_profile_find("phone-hihg", &found, &err), MU_E_CONFIG);
    assert_string_equal(err.message, "the catalogue of devices has no 'phone-hihg'; did you mean 'phone-high'?");
    assert_int_equal(mu_profile_find("zzzzzzzzzzzzzzz", &found, &err), MU_E_CONFIG);
    assert_non_null(strstr(err.message, "muster list devices"));
}

static void test_every_named_fleet_can_be_made(void **state)
{
    (void)state;
    size_t count;
    const mu_named_fleet *fleets = mu_named_fleets(&count);
    assert_true(count >= 2);
    for (size_t i = 0; i < count; i++) {
        char text[128] = "fleet: ";
        strcat(text, fleets[i].name);
        mu_conf *conf;
        mu_fleet *fleet;
        mu_error err;
        assert_int_equal(mu_conf_parse("test", text, strlen(text), &conf, NULL), MU_OK);
        if (mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), 200, 1, &fleet, &err))
            fail_msg("%s", err.message);
        assert_int_equal(mu_fleet_device_count(fleet), 200);
        assert_true(strlen(fleets[i].help) > 10);
        mu_fleet_destroy(fleet);
        mu_conf_destroy(conf);
    }
}

/* 62,000 parameters, their gradients and momentum, and activations of a batch: about 2 MB. */
static bool holds_lenet5(const mu_profile *profile)
{
    return mu_price_work(profile, &(mu_work){ .peak_memory_bytes = 4000000 }).fits;
}

static void test_mixed_holds_a_small_cnn_and_things_do_not(void **state)
{
    (void)state;
    static const struct { const char *text; bool all; } cases[] = { { "fleet: mixed", true }, { "fleet: things", false } };
    for (size_t c = 0; c < MU_COUNT(cases); c++) {
        mu_conf *conf;
        mu_fleet *fleet;
        assert_int_equal(mu_conf_parse("test", cases[c].text, strlen(cases[c].text), &conf, NULL), MU_OK);
        assert_int_equal(mu_fleet_create(mu_conf_get(mu_conf_root(conf), "fleet"), 100, 1, &fleet, NULL), MU_OK);
        uint32_t holding = 0;
        for (uint32_t device = 0; device < 100; device++) {
            mu_profile profile = mu_fleet_profile(fleet, device);
            holding += holds_lenet5(&profile);
        }
        assert_int_equal(holding, cases[c].all ? 100 : 60);
        mu_fleet_destroy(fleet);
        mu_conf_destroy(conf);
    }
}

/* "21 M", "1.56 G", "-": a rate as the table in the docs has it. */
static const char *rate(double macs_per_s, char text[32])
{
    static const struct { double unit; const char *name; } units[] = { { 1e12, "T" }, { 1e9, "G" }, { 1e6, "M" } };
    size_t u = 0;
    while (u + 1 < MU_COUNT(units) && macs_per_s < units[u].unit)
        u++;
    snprintf(text, 32, "%.4g %s", macs_per_s / units[u].unit, units[u].name);
    return macs_per_s > 0.0 ? text : "-";
}

static void check_documented(const mu_file *docs, const char *row)
{
    size_t length = strlen(row);
    for (size_t at = 0; at + length <= docs->size_bytes; at++)
        if (memcmp(docs->data + at, row, length) == 0)
            return;
    fail_msg("docs/fleet.md lacks the row\n%s", row);
}

/* The table is there twice, to be looked up without a build: this keeps the two the same. */
static void test_the_docs_have_the_same_table(void **state)
{
    (void)state;
    size_t count;
    const mu_profile *rows = mu_profiles(&count);
    mu_file docs;
    assert_int_equal(mu_file_map(MUSTER_SOURCE_DIR "/docs/fleet.md", &docs, NULL), MU_OK);
    for (size_t i = 0; i < count; i++) {
        const mu_profile *p = &rows[i];
        char row[2048], rates[3][32], memory[32];
        double kib = (double)p->memory_bytes / 1024.0;
        if (kib >= 1048576.0)
            snprintf(memory, sizeof memory, "%g GiB", kib / 1048576.0);
        else if (kib >= 1024.0)
            snprintf(memory, sizeof memory, "%g MiB", kib / 1024.0);
        else
            snprintf(memory, sizeof memory, "%g KiB", kib);
        snprintf(row, sizeof row, "| `%s` | %s | %s | %s | %s | %s | %g / %g | %g | %g / %g / %g |\n", p->name, p->tier,
                 rate(p->macs_per_s[0], rates[0]), rate(p->macs_per_s[1], rates[1]), rate(p->macs_per_s[2], rates[2]), memory,
                 p->download_bit_per_s / 1e6, p->upload_bit_per_s / 1e6, p->latency_s * 1e3, p->active_w, p->idle_w, p->radio_w);
        check_documented(&docs, row);
        snprintf(row, sizeof row, "| `%s` | %s | %s |\n", p->name, p->help, p->source);
        check_documented(&docs, row);
    }
    const mu_named_fleet *fleets = mu_named_fleets(&count);
    for (size_t i = 0; i < count; i++) {
        char row[256];
        snprintf(row, sizeof row, "| `%s` | %s |\n", fleets[i].name, fleets[i].help);
        check_documented(&docs, row);
    }
    mu_file_unmap(&docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_plausible),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_every_named_fleet_can_be_made),
        cmocka_unit_test(test_mixed_holds_a_small_cnn_and_things_do_not),
        cmocka_unit_test(test_the_docs_have_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

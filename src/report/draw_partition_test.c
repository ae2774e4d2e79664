/* Partitions looked at and drawn, against figures worked out by hand. */
#include "report/draw_partition.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Four devices, three classes; device 2 is empty. */
static uint32_t sizes[] = { 0, 4, 8, 20 };
static uint64_t totals[] = { 12, 16, 4 };
static uint32_t counts[] = { 8, 0, 0, /**/ 2, 1, 1, /**/ 0, 0, 0, /**/ 2, 15, 3 };
static char class_names[][32] = { "0", "<one>", "zwei ü" };

static mu_partition_view view_of_test(void)
{
    return (mu_partition_view){ .name = "hand", .devices = 4, .classes = 3, .class_names = class_names, .sizes = sizes, .examples = 32, .empty = 1,
                                .mean_size = 8, .looked_at = 4, .totals = totals, .mean_labels = 7.0 / 3, .mean_distance = 0.25, .shown = 4,
                                .counted = 4, .counts = counts };
}

static void text(void **state)
{
    (void)state;
    mu_partition_view view = view_of_test();
    char *drawn = mu_partition_view_text(&view, 55);
    /* columns 55 leave 16 for bars and 33 for cells, three wide; bins are of 2 sizes: 0-1, 2-3, ... */
    assert_string_equal(drawn, "hand: 32 examples of 3 classes on 4 devices, 1 of them empty\n"
                               "examples on a device: 0 at least, 4 median, 8.0 mean, 20 at most\n"
                               "labels on a device: 2.3 of 3 different ones\n"
                               "distance from all labels together: 0.250 (0 alike, near 1 disjoint)\n"
                               "\n"
                               "labels of the first 4 devices, against the most frequent one of each\n"
                               "  device   examples  0  1  2  \n"
                               "       0          8 │███      │\n"
                               "       1          4 │███▒▒▒▒▒▒│\n"
                               "       2          0 │         │\n"
                               "       3         20 │░░░███░░░│\n"
                               "\n"
                               "    examples on a device      devices\n"
                               "                  0 to 1            1  ████████████████\n"
                               "                  2 to 3            0  \n"
                               "                  4 to 5            1  ████████████████\n"
                               "                  6 to 7            0  \n"
                               "                  8 to 9            1  ████████████████\n"
                               "                10 to 11            0  \n"
                               "                12 to 13            0  \n"
                               "                14 to 15            0  \n"
                               "                16 to 17            0  \n"
                               "                18 to 19            0  \n"
                               "                      20            1  ████████████████\n"
                               "\n"
                               "label                        examples\n"
                               "    0                              12  ████████████\n"
                               "    1 <one>                        16  ████████████████\n"
                               "    2 zwei ü                        4  ████\n");
    free(drawn);
}

static void narrow_and_wide(void **state)
{
    (void)state;
    /* a hundred classes, of which device 0 has class k k times */
    enum { CLASSES = 100 };
    static char names[CLASSES][32];
    static uint32_t row[CLASSES];
    static uint64_t sums[CLASSES];
    uint32_t one_size = 0;
    for (uint32_t k = 0; k < CLASSES; k++) {
        snprintf(names[k], sizeof names[k], "%u", k);
        sums[k] = row[k] = k;
        one_size += k;
    }
    mu_partition_view view = { .name = "wide", .devices = 1, .classes = CLASSES, .class_names = names, .sizes = &one_size, .examples = one_size,
                               .mean_size = one_size, .looked_at = 1, .totals = sums, .mean_labels = 99, .shown = 1, .counted = 1, .counts = row };
    char *drawn = mu_partition_view_text(&view, 80); /* 58 cells fit: two labels a cell, fifty cells */
    assert_non_null(strstr(drawn, "(2 labels a cell)\n"));
    const char *at = strstr(drawn, "       0       4950 │");
    assert_non_null(at);
    size_t cells = 0;
    for (at += strlen("       0       4950 │"); strncmp(at, "│", 3) != 0; at++)
        cells += ((unsigned char)*at & 0xC0) != 0x80;
    assert_int_equal(cells, 50);
    free(drawn);
    drawn = mu_partition_view_text(&view, 1); /* however narrow, it is drawn */
    assert_non_null(drawn);
    free(drawn);
}

static void size_bins(void **state)
{
    (void)state;
    mu_size_bin bins[MU_PARTITION_BINS];
    uint32_t alike[] = { 7, 7, 7 }, most[] = { 0, UINT32_MAX };
    mu_partition_view view = { .devices = 3, .sizes = alike };
    assert_int_equal(mu_partition_view_size_bins(&view, bins), 1);
    assert_true(bins[0].low == 7 && bins[0].high == 7 && bins[0].count == 3);
    view = (mu_partition_view){ .devices = 2, .sizes = most };
    uint32_t count = mu_partition_view_size_bins(&view, bins);
    assert_true(count <= MU_PARTITION_BINS && bins[0].count == 1 && bins[count - 1].count == 1 && bins[count - 1].high == UINT32_MAX);
    view.devices = 0;
    assert_int_equal(mu_partition_view_size_bins(&view, bins), 0);
}

static mu_data *open_data(const char *section)
{
    mu_conf *conf = NULL;
    mu_data *data = NULL;
    mu_error err;
    if (mu_conf_parse("test", section, strlen(section), &conf, &err) || mu_data_open(mu_conf_root(conf), 3, &data, &err))
        fail_msg("%s", err.message);
    mu_conf_destroy(conf);
    return data;
}

static void real_data(void **state)
{
    (void)state;
    mu_data *data = open_data("name: writers\ndevices: 30\nexamples_per_device: 40\nsize_spread: 0\nclass_alpha: 0.2\n");
    mu_partition_view view;
    mu_error err;
    assert_int_equal(mu_partition_look(data, 1000, &view, &err), MU_OK);
    assert_true(view.shown == 30 && view.counted == 30 && view.looked_at == 30 && view.devices == 30 && view.classes == 10);
    assert_true(view.examples == 1200 && view.mean_size == 40 && view.empty == 0 && view.sizes[0] == 40 && view.sizes[29] == 40);
    /* the figures of labels once more, in another way */
    uint64_t all = 0, labels = 0;
    double distance = 0;
    for (uint32_t i = 0; i < 30; i++) {
        uint32_t size = 0;
        for (uint32_t k = 0; k < 10; k++) {
            size += view.counts[i * 10 + k];
            labels += view.counts[i * 10 + k] > 0;
            double here = view.counts[i * 10 + k] / 40.0, everywhere = (double)view.totals[k] / 1200;
            distance += here > everywhere ? here - everywhere : 0; /* only what is more: that is half of all differences */
        }
        assert_int_equal(size, 40);
        all += size;
    }
    assert_int_equal(all, 1200);
    assert_true(view.mean_labels == (double)labels / 30);
    assert_true(view.mean_distance > distance / 30 - 1e-12 && view.mean_distance < distance / 30 + 1e-12);
    char *json = mu_partition_view_json(&view);
    cJSON *root = cJSON_Parse(json);
    assert_non_null(root);
    assert_int_equal(cJSON_GetObjectItem(root, "examples")->valueint, 1200);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "first_devices"), 29);
    assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(first, "label_counts"), 9)->valueint, (int)view.counts[299]);
    cJSON_Delete(root);
    free(json);
    mu_partition_view_release(&view);
    mu_data_close(data);
}

static void many_devices_are_sampled(void **state)
{
    (void)state;
    mu_data *data = open_data("name: writers\ndevices: 25000\nexamples_per_device: 2\nsize_spread: 0\n");
    mu_partition_view view;
    assert_int_equal(mu_partition_look(data, 5, &view, NULL), MU_OK);
    assert_true(view.looked_at == 10000 && view.shown == 5 && view.counted == 100 && view.examples == 50000);
    uint64_t all = 0;
    for (uint32_t k = 0; k < view.classes; k++)
        all += view.totals[k];
    assert_int_equal(all, 20000);
    char *drawn = mu_partition_view_text(&view, 0);
    assert_non_null(strstr(drawn, "examples  on 10000 of the devices\n"));
    free(drawn);
    mu_partition_view_release(&view);
    mu_data_close(data);
}

static void page(void **state)
{
    (void)state;
    mu_partition_view view = view_of_test();
    char path[] = "/tmp/muster-report-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    mu_error err;
    assert_int_equal(mu_partition_view_page(&view, path, &err), MU_OK);
    static char bytes[1 << 18];
    FILE *file = fopen(path, "rb");
    bytes[fread(bytes, 1, sizeof bytes - 1, file)] = '\0';
    fclose(file);
    assert_non_null(strstr(bytes, "<h1>hand on 4 devices</h1>"));
    assert_non_null(strstr(bytes, "    1 &lt;one&gt; "));
    assert_null(strstr(bytes, "<one>"));
    assert_true(strstr(bytes, "<figcaption>Labels of the first 4 devices</figcaption>") || strstr(bytes, "gnuplot is not installed"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),      cmocka_unit_test(narrow_and_wide),          cmocka_unit_test(size_bins),
        cmocka_unit_test(real_data), cmocka_unit_test(many_devices_are_sampled), cmocka_unit_test(page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

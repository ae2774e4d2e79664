/* Data sets from files, opened as a user writes them; and the known ones where $MUSTER_DATA has them. */
#include "data/test_support.h"

#include <unistd.h>

#define IDX_FILES "files: {train_images: pictures.idx.xz, train_labels: labels.idx.zst, test_images: pictures.idx, test_labels: labels.idx}"

/* What a resolved section says, opened again, is the same data: same section, same first and last examples. */
static void assert_resolves(const mu_data *data, uint64_t seed)
{
    mu_conf *conf = NULL, *again = NULL;
    mu_error err;
    assert_ok(mu_conf_parse("resolved", "data: {}", 8, &conf, &err), &err);
    mu_conf_node *map = mu_conf_make_map(conf, mu_conf_root(conf), "data");
    assert_ok(mu_data_resolve(data, conf, map, &err), &err);
    char *first = mu_conf_write(mu_conf_root(conf));
    mu_data *copy = open_good(first, seed);
    assert_ok(mu_conf_parse("resolved", "data: {}", 8, &again, &err), &err);
    map = mu_conf_make_map(again, mu_conf_root(again), "data");
    assert_ok(mu_data_resolve(copy, again, map, &err), &err);
    char *second = mu_conf_write(mu_conf_root(again));
    assert_string_equal(first, second);
    assert_int_equal(mu_data_device_count(copy), mu_data_device_count(data));
    assert_int_equal(mu_data_test_count(copy), mu_data_test_count(data));
    for (uint32_t d = 0; d < mu_data_device_count(data); d++)
        for (uint32_t i = 0; i < mu_data_num_examples(data, d); i++)
            assert_int_equal(mu_data_source_index(copy, d, i), mu_data_source_index(data, d, i));
    mu_data_close(copy);
    mu_conf_destroy(again);
    mu_conf_destroy(conf);
    free(second);
    free(first);
}

static void test_idx(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: mine, format: arrays, path: " FIXTURES ", devices: 2, " IDX_FILES
                              ", normalize: {mean: 0.5, sd: 0.25}}", 1);
    assert_string_equal(mu_data_name(data), "mine");
    assert_int_equal(mu_data_shape(data).height, 4);
    assert_int_equal(mu_data_shape(data).width, 5);
    assert_int_equal(mu_data_shape(data).channels, 1);
    assert_int_equal(mu_data_classes(data), 3);
    assert_int_equal(mu_data_test_count(data), 6);
    for (uint32_t d = 0; d < 2; d++) {
        assert_int_equal(mu_data_num_examples(data, d), 3);
        static const uint32_t order[] = { 2, 0 };
        float x[40];
        int32_t labels[2];
        mu_data_read(data, d, order, 2, x, labels);
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t row = mu_data_source_index(data, d, order[k]);
            assert_int_equal(labels[k], row % 3);
            for (uint32_t i = 0; i < 20; i++)
                assert_true(x[k * 20 + i] == ((float)(20 * row + i) / 255.0f - 0.5f) / 0.25f);
        }
    }
    assert_resolves(data, 1);
    mu_data_close(data);
}

/* Channels first, bytes and floats, one file and two, ids. */
static void test_npz(void **state)
{
    (void)state;
    static const char *const files[] = { "both.npz", "both_deflated.npz" };
    for (size_t n = 0; n < MU_COUNT(files); n++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "data: {name: n, format: npz, path: " FIXTURES ", files: {train: %s}, channels: first, ids: who}", files[n]);
        mu_data *data = open_good(yaml, 1);
        assert_int_equal(mu_data_shape(data).channels, 2);
        assert_int_equal(mu_data_shape(data).height, 3);
        assert_int_equal(mu_data_test_count(data), 2);
        assert_int_equal(mu_data_device_count(data), 3); /* by who */
        assert_int_equal(mu_data_num_examples(data, 0), 2);
        float x[2 * 18];
        int32_t labels[2];
        mu_data_read_test(data, 0, 2, x, labels);
        assert_int_equal(labels[0], 2);
        for (int e = 0; e < 2; e++)
            for (int p = 0; p < 9; p++)
                for (int c = 0; c < 2; c++)
                    assert_true(x[e * 18 + p * 2 + c] == (float)(e * 18 + c * 9 + p + 1) / 255.0f);
        assert_resolves(data, 1);
        mu_data_close(data);
    }
    mu_data *data = open_good("data: {name: n, format: npz, path: " FIXTURES ", files: {train: train.npz, test: test.npz}, devices: 2}", 1);
    assert_int_equal(mu_data_shape(data).height, 2);
    assert_int_equal(mu_data_shape(data).channels, 3);
    float x[18];
    int32_t label;
    mu_data_read_test(data, 1, 1, x, &label);
    assert_true(x[5] == (18.0f + 5.0f) / 4.0f);
    mu_data_close(data);
    assert_open_fails("data: {name: n, format: npz, path: " FIXTURES ", files: {train: train.npz, test: test.npz}, inputs: z}", MU_E_PARSE,
                      "train.npz: has no member 'z.npy'; it has: x.npy, y.npy");
}

static void test_cifar(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: c, format: cifar10, path: " FIXTURES ", devices: 2, "
                              "files: {train: cifar-10-binary.tar.gz, test: cifar-10-binary.tar.gz}, normalize: {mean: [0, 0.5, 0], sd: [1, 1, 2]}}", 1);
    uint64_t counts[10];
    assert_int_equal(mu_data_classes(data), 10);
    assert_int_equal(count_examples(data, counts), 10);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[3], 2);
    float *x = malloc(2 * 3072 * sizeof *x);
    assert_non_null(x);
    int32_t labels[2];
    mu_data_read_test(data, 0, 2, x, labels);
    assert_int_equal(labels[1], 6);
    assert_true(x[3072 + 3 * 100] == (float)(6 + 100) / 255.0f);
    assert_true(x[3072 + 3 * 100 + 1] == (float)(6 + 7 + 100) / 255.0f - 0.5f);
    assert_true(x[3072 + 3 * 100 + 2] == (float)(6 + 14 + 100) / 255.0f / 2.0f);
    free(x);
    mu_data_close(data);
    data = open_good("data: {name: c, format: cifar100, path: " FIXTURES ", devices: 1, test_fraction: 0.5, files: {train: cifar100.bin.xz}}", 1);
    assert_int_equal(mu_data_classes(data), 100);
    assert_int_equal(mu_data_test_count(data), 1);
    mu_data_close(data);
}

/* Files that a test writes itself. */
static char folder[] = "/tmp/muster-data-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    static const struct { const char *name, *text; } files[] = {
        { "train.csv", "who;a;b;kind\nann;1;2;pear\nbob;3;4;fig\nann;5;6;pear\n" },
        { "test.csv", "who;a;b;kind\neve;7;8;apple\n" },
        { "narrow.csv", "who;a;kind\neve;7;apple\n" },
        { "text.txt", "hello world, hello federation" },
        { "users.json", "{\"users\": [\"ann\", \"bob\"], \"num_samples\": [2, 1], \"user_data\": {\"ann\": {\"x\": [\"ab\", \"bc\"], \"y\": [\"c\", \"d\"]},"
                        "\"bob\": {\"x\": [\"da\"], \"y\": [\"a\"]}}}" },
        { "eve.json", "{\"users\": [\"eve\"], \"num_samples\": [1], \"user_data\": {\"eve\": {\"x\": [\"ee\"], \"y\": [\"b\"]}}}" },
    };
    if (!mkdtemp(folder))
        return -1;
    for (size_t i = 0; i < MU_COUNT(files); i++) {
        char *path = mu_path_join(folder, files[i].name);
        mu_status status = path ? mu_file_write(path, files[i].text, strlen(files[i].text), NULL) : MU_E_MEMORY;
        free(path);
        if (status)
            return -1;
    }
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static char yaml_text[1024];

static const char *section(const char *rest)
{
    snprintf(yaml_text, sizeof yaml_text, "data: {name: mine, path: %s, %s}", folder, rest);
    return yaml_text;
}

/* `skip` and `take` of ann's, bob's and ann's: rows of the file, before anything is held out or shared. */
static void test_cut(void)
{
#define CSV "format: csv, label: kind, id: who, delimiter: semicolon, "
    float x[2];
    int32_t label;
    mu_data *data = open_good(section(CSV "skip: 1, take: 1, files: {train: train.csv, test: test.csv}"), 1);
    assert_int_equal(mu_data_device_count(data), 1);
    assert_string_equal(mu_data_device_name(data, 0), "bob");
    assert_int_equal(mu_data_num_examples(data, 0), 1);
    assert_int_equal(mu_data_source_index(data, 0, 0), 1);
    assert_int_equal(mu_data_test_count(data), 1); /* as it was */
    mu_data_read(data, 0, &(uint32_t){ 0 }, 1, x, &label);
    assert_true(x[0] == 3.0f && x[1] == 4.0f);
    assert_resolves(data, 1);
    mu_data_close(data);
    data = open_good(section(CSV "skip: 1, devices: 1, test_fraction: 0.5, partition: iid, files: {train: train.csv}"), 1);
    assert_int_equal(mu_data_test_count(data), 1);
    assert_int_equal(mu_data_num_examples(data, 0), 1);
    float tested[2];
    mu_data_read(data, 0, &(uint32_t){ 0 }, 1, x, &label);
    mu_data_read_test(data, 0, 1, tested, &label);
    assert_true(x[0] + tested[0] == 8.0f && x[0] != tested[0]); /* 3 and 5, whichever is which; the first row's 1 is neither */
    mu_data_close(data);
    data = open_good(section(CSV "take: 2, files: {train: train.csv, test: test.csv}"), 1);
    assert_int_equal(mu_data_device_count(data), 2);
    assert_int_equal(mu_data_num_examples(data, 0) + mu_data_num_examples(data, 1), 2);
    mu_data_close(data);
    assert_open_fails(section(CSV "skip: 3, files: {train: train.csv, test: test.csv}"), MU_E_RANGE, "'skip' 3 and 'take' 0: there are 3 training examples");
    assert_open_fails(section(CSV "skip: 1, take: 3, files: {train: train.csv, test: test.csv}"), MU_E_RANGE, "'skip' 1 and 'take' 3: there are 3");
#undef CSV
}

static void test_csv(void **state)
{
    (void)state;
    mu_data *data = open_good(section("format: csv, label: kind, id: who, delimiter: semicolon, files: {train: train.csv, test: test.csv}"), 1);
    assert_int_equal(mu_data_classes(data), 3);
    assert_string_equal(mu_data_class_name(data, 0), "apple");
    assert_string_equal(mu_data_class_name(data, 2), "pear");
    assert_int_equal(mu_data_device_count(data), 2); /* eve made only a test */
    assert_string_equal(mu_data_device_name(data, 1), "bob");
    float x[2];
    int32_t label;
    mu_data_read(data, 0, &(uint32_t){ 1 }, 1, x, &label);
    assert_true(x[0] == 5.0f && x[1] == 6.0f);
    assert_int_equal(label, 2);
    mu_data_read_test(data, 0, 1, x, &label);
    assert_int_equal(label, 0);
    assert_resolves(data, 1);
    mu_data_close(data);
    data = open_good(section("format: csv, label: kind, id: who, delimiter: semicolon, height: 2, width: 1, test_fraction: 0.34, devices: 1, "
                             "files: {train: train.csv}"), 1);
    assert_int_equal(mu_data_shape(data).height, 2);
    mu_data_close(data);
    test_cut();
    assert_open_fails(section("format: csv, label: kind, id: who, delimiter: semicolon, height: 3, width: 1, files: {train: train.csv}"), MU_E_SHAPE,
                      "2 values in a line are no pictures of 3 x 1");
    assert_open_fails(section("format: csv, label: kind, id: who, delimiter: semicolon, files: {train: train.csv, test: narrow.csv}"), MU_E_SHAPE,
                      "narrow.csv: lines have 1 values");
}

static void test_text(void **state)
{
    (void)state;
    mu_data *data = open_good(section("format: text, window: 4, step: 3, devices: 2, test_fraction: 0.3, files: {train: text.txt}"), 1);
    /* 29 characters, of which 8 are the test: windows at 0, 3, ..., 15 of 21, and at 0, 3 of 8 */
    assert_int_equal(count_examples(data, NULL), 6);
    assert_int_equal(mu_data_test_count(data), 2);
    assert_int_equal(mu_data_shape(data).channels, 4);
    float x[4];
    int32_t label;
    mu_data_read_test(data, 0, 1, x, &label);
    static const char *const expected[] = { "d", "e", "r", "a" };
    for (int i = 0; i < 4; i++)
        assert_string_equal(mu_data_class_name(data, (uint32_t)x[i]), expected[i]);
    assert_string_equal(mu_data_class_name(data, (uint32_t)label), "t");
    assert_resolves(data, 1);
    mu_data_close(data);
    assert_open_fails(section("format: text, window: 30, files: {train: text.txt}"), MU_E_RANGE, "too few for a window of 30");
}

/* A label after every character; the last one is the one of `labels: next`. */
static void test_every_label(void **state)
{
    (void)state;
    mu_data *data = open_good(section("format: text, window: 4, step: 3, labels: every, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    assert_int_equal(mu_data_targets(data), 4);
    assert_int_equal(mu_data_symbols(data), mu_data_classes(data));
    float x[8];
    int32_t labels[8];
    mu_data_read_test(data, 0, 2, x, labels); /* "dera", "atio" */
    for (int i = 0; i < 8; i++) {
        assert_string_equal(mu_data_class_name(data, (uint32_t)x[i]), ((const char *const[]){ "d", "e", "r", "a", "a", "t", "i", "o" })[i]);
        assert_string_equal(mu_data_class_name(data, (uint32_t)labels[i]), ((const char *const[]){ "e", "r", "a", "t", "t", "i", "o", "n" })[i]);
    }
    uint32_t counts[16], all = 0;
    mu_data_label_counts(data, 0, counts);
    for (uint32_t i = 0; i < mu_data_classes(data); i++)
        all += counts[i];
    assert_int_equal(all, mu_data_num_examples(data, 0));
    assert_resolves(data, 1);
    mu_data_close(data);
    data = open_good(section("format: leaf, labels: every, files: {train: users.json, test: eve.json}"), 1);
    assert_int_equal(mu_data_targets(data), 2);
    mu_data_read(data, 0, ((const uint32_t[]){ 1, 0 }), 2, x, labels); /* bc d, ab c */
    assert_memory_equal(labels, ((const int32_t[]){ 2, 3, 1, 2 }), 4 * sizeof *labels);
    mu_data_close(data);
    assert_open_fails(section("format: text, labels: all, window: 4, files: {train: text.txt}"), MU_E_CONFIG, "'labels' is 'all'");
}

static void assert_unfit(const mu_data *data, const char *name, mu_shape input, uint32_t classes, mu_status expected, const char *words)
{
    mu_model *model = NULL;
    mu_error err = { 0 };
    assert_ok(mu_model_create_builtin(name, NULL, input, classes, &model, &err), &err);
    mu_status status = mu_data_check_model(data, model, &err);
    mu_model_destroy(model);
    if (expected == MU_OK)
        assert_ok(status, &err);
    else
        assert_error(status, expected, &err, words);
}

static void test_check_model(void **state)
{
    (void)state;
    mu_data *data = open_good(section("format: text, window: 4, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    mu_shape shape = mu_data_shape(data);
    uint32_t classes = mu_data_classes(data);
    assert_unfit(data, "char-lstm", shape, classes, MU_OK, "");
    assert_unfit(data, "softmax-regression", shape, classes, MU_OK, ""); /* as numbers, if somebody likes */
    assert_unfit(data, "char-lstm", (mu_shape){ 1, 1, 5 }, classes, MU_E_SHAPE, "inputs of 1 x 1 x 5, the examples of data 'mine' are 1 x 1 x 4");
    assert_unfit(data, "softmax-regression", shape, classes + 1, MU_E_SHAPE, "classes, data 'mine' has");
    assert_unfit(data, "char-lstm-every", shape, classes, MU_E_CONFIG,
                 "predicts 4 labels of each example, data 'mine' has 1; texts have one for every character with 'labels: every'");
    mu_data_close(data);
    data = open_good(section("format: text, window: 4, labels: every, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    assert_unfit(data, "char-gru-every", shape, classes, MU_OK, "");
    assert_unfit(data, "char-gru", shape, classes, MU_E_CONFIG, "predicts 1 label of each example, data 'mine' has 4");
    mu_data_close(data);
    data = open_good(section("format: text, window: 4, normalize: {mean: 1, sd: 2}, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    assert_int_equal(mu_data_symbols(data), 0);
    assert_unfit(data, "char-gru", shape, classes, MU_E_CONFIG, "reads symbols, but the values of data 'mine' are quantities, or have become so by 'normalize'");
    mu_data_close(data);
}

static mu_status check_own(const mu_data *data, uint32_t classes)
{
    mu_model *model = NULL;
    mu_error err = { 0 };
    assert_ok(mu_model_create_builtin("softmax-regression", NULL, mu_data_shape(data), classes, &model, &err), &err);
    mu_status status = mu_data_check_own(data, model, &err);
    mu_model_destroy(model);
    return status;
}

/* A device has what it has: but words mean what they mean only when all are there. */
static void test_check_own(void **state)
{
    (void)state;
    mu_data *data = open_good("data: {name: writers, devices: 1, test_examples: 10}", 1);
    assert_int_equal(check_own(data, 10), MU_OK);
    assert_int_equal(check_own(data, 11), MU_OK);
    assert_int_equal(check_own(data, 9), MU_E_SHAPE);
    mu_data_close(data);
    data = open_good(section("format: text, window: 4, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    uint32_t classes = mu_data_classes(data);
    assert_int_equal(check_own(data, classes), MU_OK);
    assert_int_equal(check_own(data, classes + 1), MU_E_SHAPE);
    mu_data_close(data);
}

/* An embedding with fewer rows than there are symbols. */
static void test_too_few_symbols(void **state)
{
    (void)state;
    static const char text[] = "layers:\n  - {embedding: e, channels: 2, symbols: 3}\n  - flatten\n  - {dense: d}\n";
    mu_data *data = open_good(section("format: text, window: 4, devices: 1, test_fraction: 0.3, files: {train: text.txt}"), 1);
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_error err = { 0 };
    assert_ok(mu_conf_parse("net.yaml", text, strlen(text), &conf, &err), &err);
    assert_ok(mu_model_create_layers(mu_conf_root(conf), mu_data_shape(data), mu_data_classes(data), &model, &err), &err);
    assert_error(mu_data_check_model(data, model, &err), MU_E_CONFIG, &err, "different symbols, the embedding of model");
    mu_model_destroy(model);
    mu_conf_destroy(conf);
    mu_data_close(data);
}

static void test_leaf(void **state)
{
    (void)state;
    mu_data *data = open_good(section("format: leaf, files: {train: users.json, test: [eve.json]}"), 1);
    assert_int_equal(mu_data_classes(data), 5);
    assert_int_equal(mu_data_device_count(data), 2);
    assert_string_equal(mu_data_device_name(data, 0), "ann");
    float x[2];
    int32_t label;
    mu_data_read(data, 0, &(uint32_t){ 1 }, 1, x, &label);
    assert_true(x[0] == 1.0f && x[1] == 2.0f);
    assert_int_equal(label, 3);
    mu_data_read_test(data, 0, 1, x, &label);
    assert_true(x[0] == 4.0f);
    assert_int_equal(label, 1);
    assert_resolves(data, 1);
    mu_data_close(data);
    /* held out of both users; the partition is of what is left */
    data = open_good(section("format: leaf, test_fraction: 0.34, partition: {name: natural, min_examples: 0}, files: {train: [users.json, eve.json]}"), 1);
    assert_int_equal(mu_data_device_count(data), 3);
    assert_int_equal(count_examples(data, NULL), 3);
    assert_int_equal(mu_data_test_count(data), 1);
    assert_resolves(data, 1);
    mu_data_close(data);
}

static void test_errors(void **state)
{
    (void)state;
    assert_open_fails("data: {devices: 3}", MU_E_CONFIG, "'name' is missing");
    assert_open_fails("data: [mnist]", MU_E_CONFIG, "test.yaml:1:7: data: expected a name");
    assert_open_fails("{}", MU_E_CONFIG, "expected a name");
    assert_open_fails("data: fashion_mnist", MU_E_CONFIG, "did you mean 'fashion-mnist'?");
    assert_open_fails("data: {name: mnist, format: csv}", MU_E_CONFIG, "test.yaml:1:29: data: 'mnist' is a known set");
    assert_open_fails("data: {name: mine, format: cvs}", MU_E_CONFIG, "did you mean 'csv'?");
    assert_open_fails("data: {name: mine, format: csv}", MU_E_CONFIG, "'files' is missing");
    assert_open_fails("data: {name: mine, format: csv, files: {test: a}}", MU_E_CONFIG, "'train' is missing");
    assert_open_fails("data: {name: mine, format: csv, files: {train: a, tset: b}}", MU_E_CONFIG, "did you mean 'test'?");
    assert_open_fails("data: {name: mine, format: csv, files: {train: []}}", MU_E_CONFIG, "an empty list");
    assert_open_fails("data: {name: mine, format: csv, lable: x, files: {train: a}}", MU_E_CONFIG, "did you mean 'label'?");
    assert_open_fails("data: {name: mine, format: csv, window: 3, files: {train: a}}", MU_E_CONFIG, "'window'");
    assert_open_fails("data: {name: mine, format: csv, path: /no/such/folder, files: {train: a}}", MU_E_IO, "/no/such/folder");
    assert_open_fails("data: {name: mnist, path: " FIXTURES "}", MU_E_IO, "train-images-idx3-ubyte");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES ", " IDX_FILES ", test_fraction: 0.1}", MU_E_CONFIG,
                      "only for data without a test set; this has one of 6");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES ", files: {train_images: pictures.idx, train_labels: vectors_i2.idx}}",
                      MU_E_SHAPE, "has 12 values, expected one for each of the 6 examples");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES ", files: {train_images: pictures.idx, train_labels: make_fixtures.py}}",
                      MU_E_PARSE, "neither an IDX file");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES
                      ", files: {train_images: pictures.idx, train_labels: labels.idx, test_images: vectors_f4.idx, test_labels: labels.idx}}",
                      MU_E_SHAPE, "training examples are 4 x 5 x 1, test examples 1 x 1 x 2");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES ", channels: first, files: {train_images: pictures.idx, train_labels: labels.idx}}",
                      MU_E_CONFIG, "'channels: first' is for arrays of four dimensions");
    assert_open_fails("data: {name: m, format: arrays, path: " FIXTURES ", files: {train_images: pictures.idx, train_labels: labels.idx}, test_fraction: 0.01}",
                      MU_E_RANGE, "leaves nothing for the test");
}

static void test_lists(void **state)
{
    (void)state;
    size_t count;
    const mu_dataset_info *infos = mu_datasets(&count);
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(infos[i].name[0] && infos[i].help[0] && infos[i].source[0]);
        made += infos[i].made;
    }
    assert_int_equal(made, 1);
}

/* ---- the real ones ---- */

static bool is_there(const char *name)
{
    const char *root = getenv("MUSTER_DATA");
    char *path = root ? mu_path_join(root, name) : NULL;
    bool there = path && mu_file_exists(path);
    free(path);
    if (!there)
        print_message("skipped: no %s in $MUSTER_DATA\n", name);
    return there;
}

static void assert_known(const char *yaml, uint64_t examples, uint32_t tests, const uint64_t *counts, uint32_t classes)
{
    mu_data *data = open_good(yaml, 1);
    uint64_t *seen = calloc(mu_data_classes(data), sizeof *seen);
    assert_non_null(seen);
    assert_int_equal(count_examples(data, seen), examples);
    assert_int_equal(mu_data_test_count(data), tests);
    assert_int_equal(mu_data_classes(data), classes);
    if (counts)
        assert_memory_equal(seen, counts, classes * sizeof *counts);
    free(seen);
    mu_data_close(data);
}

static void test_known(void **state)
{
    (void)state;
    static const uint64_t mnist[] = { 5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949 };
    static const uint64_t fashion[] = { 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000 };
    static const uint64_t cifar[] = { 2491, 2518, 2515, 2522, 2490, 2411, 2537, 2530, 2507, 2479 };
    if (is_there("mnist"))
        assert_known("data: {name: mnist, partition: shards}", 60000, 10000, mnist, 10);
    if (is_there("fashion-mnist"))
        assert_known("data: {name: fashion-mnist, partition: {name: dirichlet, alpha: 0.1}}", 60000, 10000, fashion, 10);
    if (is_there("cifar10/train_first25000.bin.xz"))
        assert_known("data: cifar10", 25000, 10000, cifar, 10);
    if (is_there("femnist/x.npy"))
        assert_known("data: {name: femnist, test_fraction: 0.2}", 1409, 352, NULL, 62);
    if (is_there("shakespeare/roles_train.json"))
        assert_known("data: shakespeare", 38554, 9268, NULL, 63);
    if (is_there("shakespeare/input.txt"))
        assert_known("data: {name: tiny-shakespeare, step: 80}", 12548, 1394, NULL, 65);
}

/* A picture's own sum of bytes, and that the default normalisation does what it says. */
static void test_known_values(void **state)
{
    (void)state;
    if (!is_there("fashion-mnist"))
        return;
    mu_data *data = open_good("data: fashion-mnist", 1);
    double sum = 0, squares = 0;
    uint32_t examples = mu_data_num_examples(data, 3);
    for (uint32_t i = 0; i < examples; i++) {
        float x[784];
        int32_t label;
        mu_data_read(data, 3, &i, 1, x, &label);
        for (size_t k = 0; k < 784; k++) {
            sum += x[k];
            squares += x[k] * x[k];
        }
    }
    double count = 784.0 * examples;
    assert_true(sum / count > -0.05 && sum / count < 0.05);
    assert_true(squares / count > 0.9 && squares / count < 1.1);
    assert_string_equal(mu_data_class_name(data, 9), "ankle boot");
    assert_resolves(data, 1);
    mu_data_close(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idx),   cmocka_unit_test(test_npz),    cmocka_unit_test(test_cifar), cmocka_unit_test(test_csv),
        cmocka_unit_test(test_text),  cmocka_unit_test(test_every_label), cmocka_unit_test(test_check_model),
        cmocka_unit_test(test_check_own), cmocka_unit_test(test_too_few_symbols),
        cmocka_unit_test(test_leaf),   cmocka_unit_test(test_errors), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_known), cmocka_unit_test(test_known_values),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

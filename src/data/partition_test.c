/* Every partitioner: each example once, the shape it promises, the same for the same seed. */
#include "data/partition.h"
#include "data/test_support.h"

enum { COUNT = 10000, CLASSES = 10, IDS = 37 };

static int32_t labels[COUNT];
static uint32_t ids[COUNT];

/* Classes of unequal size; ids of unequal size, id 3 with two examples and id 4 with none. */
static mu_partition_input make_input(uint64_t seed, uint32_t devices)
{
    mu_random random = mu_random_stream(7, MU_RANDOM_TEST, 0, 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t roll = mu_random_below(&random, 12);
        labels[i] = (int32_t)(roll < CLASSES ? roll : 0);
        ids[i] = mu_random_below(&random, IDS);
        if (ids[i] == 3 || ids[i] == 4)
            ids[i] = 5;
    }
    ids[17] = ids[1234] = 3;
    return (mu_partition_input){ .seed = seed, .count = COUNT, .classes = CLASSES, .devices = devices, .labels = labels };
}

static mu_status make(const mu_partition_input *input, const char *yaml, mu_partition *out, char **resolved, mu_error *err)
{
    mu_conf *conf = NULL;
    assert_ok(mu_conf_parse("test.yaml", yaml, strlen(yaml), &conf, err), err);
    memset(out, 0, sizeof *out);
    mu_status status = mu_partition_make(input, conf, mu_conf_root(conf), out, err);
    if (resolved)
        *resolved = mu_conf_write(mu_conf_root(conf));
    mu_conf_destroy(conf);
    return status;
}

static mu_partition make_good(const mu_partition_input *input, const char *yaml)
{
    mu_partition partition;
    mu_error err;
    assert_ok(make(input, yaml, &partition, NULL, &err), &err);
    return partition;
}

static uint32_t size_of(const mu_partition *p, uint32_t device)
{
    return p->starts[device + 1] - p->starts[device];
}

static uint32_t classes_of(const mu_partition *p, uint32_t device)
{
    bool seen[CLASSES] = { false };
    uint32_t count = 0;
    for (uint32_t i = p->starts[device]; i < p->starts[device + 1]; i++)
        seen[labels[p->items[i]]] = true;
    for (uint32_t c = 0; c < CLASSES; c++)
        count += seen[c];
    return count;
}

/* Every example is on exactly one device, and a device's examples are in ascending order. */
static void assert_whole(const mu_partition *p)
{
    static bool seen[COUNT];
    memset(seen, 0, sizeof seen);
    assert_int_equal(p->starts[0], 0);
    assert_int_equal(p->starts[p->devices], COUNT);
    for (uint32_t d = 0; d < p->devices; d++)
        for (uint32_t i = p->starts[d]; i < p->starts[d + 1]; i++) {
            assert_false(seen[p->items[i]]);
            seen[p->items[i]] = true;
            assert_true(i == p->starts[d] || p->items[i - 1] < p->items[i]);
        }
}

/* All that need no ids: whole, repeatable, other with another seed, and stable when written out and read again. */
static void test_all(void **state)
{
    (void)state;
    static const char *const names[] = { "iid", "dirichlet", "dirichlet-sizes", "shards", "pathological", "lognormal" };
    assert_int_equal(mu_partitioner_count(), MU_COUNT(names) + 1);
    for (size_t n = 0; n < MU_COUNT(names); n++) {
        char yaml[128], *resolved = NULL, *again = NULL;
        mu_error err;
        mu_partition a, b, c;
        snprintf(yaml, sizeof yaml, "partition: %s\n", names[n]);
        mu_partition_input input = make_input(5, 50);
        assert_ok(make(&input, yaml, &a, &resolved, &err), &err);
        assert_whole(&a);
        assert_ok(make(&input, resolved, &b, &again, &err), &err);
        assert_string_equal(resolved, again);
        assert_memory_equal(a.starts, b.starts, 51 * sizeof *a.starts);
        assert_memory_equal(a.items, b.items, COUNT * sizeof *a.items);
        input.seed = 6;
        assert_ok(make(&input, yaml, &c, NULL, &err), &err);
        assert_memory_not_equal(a.items, c.items, COUNT * sizeof *a.items);
        free(resolved);
        free(again);
        mu_partition_release(&a);
        mu_partition_release(&b);
        mu_partition_release(&c);
    }
}

static void test_iid(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 64);
    mu_partition p = make_good(&input, "{}");
    assert_whole(&p);
    for (uint32_t d = 0; d < 64; d++) {
        assert_in_range(size_of(&p, d), COUNT / 64, COUNT / 64 + 1);
        assert_int_equal(classes_of(&p, d), CLASSES);
    }
    mu_partition_release(&p);
    mu_error err;
    input.devices = COUNT + 1;
    assert_error(make(&input, "{}", &p, NULL, &err), MU_E_CONFIG, &err, "10001 devices with at least 1 examples each");
}

static double mean_classes(const mu_partition *p)
{
    double sum = 0;
    for (uint32_t d = 0; d < p->devices; d++)
        sum += classes_of(p, d);
    return sum / p->devices;
}

static void test_dirichlet(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 50);
    mu_partition uneven = make_good(&input, "partition: {name: dirichlet, alpha: 0.05, min_examples: 0}");
    mu_partition even = make_good(&input, "partition: {name: dirichlet, alpha: 1000, min_examples: 100}");
    assert_whole(&uneven);
    assert_whole(&even);
    assert_true(mean_classes(&uneven) < 4.0);
    assert_true(mean_classes(&even) > 9.9);
    for (uint32_t d = 0; d < 50; d++)
        assert_in_range(size_of(&even, d), 150, 250);
    mu_partition_release(&uneven);
    mu_partition_release(&even);

    mu_partition p = make_good(&input, "partition: {name: dirichlet, alpha: 0.3, min_examples: 40}");
    for (uint32_t d = 0; d < 50; d++)
        assert_true(size_of(&p, d) >= 40);
    mu_partition_release(&p);
    mu_error err;
    assert_error(make(&input, "partition: {name: dirichlet, alpha: 0.01, min_examples: 150}", &p, NULL, &err), MU_E_CONFIG, &err,
                 "in 1000 draws with alpha 0.01");
    assert_error(make(&input, "partition: {name: dirichlet, min_examples: 201}", &p, NULL, &err), MU_E_CONFIG, &err, "more than the 10000");
    assert_error(make(&input, "partition: {name: dirichlet, alpha: 0}", &p, NULL, &err), MU_E_RANGE, &err, "'alpha' is 0");
}

/* The sizes of dirichlet-sizes follow the draw; a minimum is kept on top of it. */
static void test_sizes(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 50);
    static const char *const yaml[] = { "partition: {name: dirichlet-sizes, alpha: 0.2, min_examples: 20}",
                                        "partition: {name: lognormal, sigma: 2, min_examples: 20}" };
    for (size_t n = 0; n < MU_COUNT(yaml); n++) {
        mu_partition p = make_good(&input, yaml[n]);
        uint32_t smallest = COUNT, largest = 0;
        assert_whole(&p);
        for (uint32_t d = 0; d < 50; d++) {
            smallest = size_of(&p, d) < smallest ? size_of(&p, d) : smallest;
            largest = size_of(&p, d) > largest ? size_of(&p, d) : largest;
        }
        assert_in_range(smallest, 20, 30);
        assert_true(largest > 600);
        mu_partition_release(&p);
    }
    mu_partition p = make_good(&input, "partition: {name: lognormal, sigma: 0}");
    for (uint32_t d = 0; d < 50; d++)
        assert_in_range(size_of(&p, d), 199, 201);
    mu_partition_release(&p);
    mu_error err;
    assert_error(make(&input, "partition: {name: lognormal, min_examples: 201}", &p, NULL, &err), MU_E_CONFIG, &err, "take 10050 examples");
}

static void test_shards(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 100);
    mu_partition p = make_good(&input, "partition: {name: shards, per_device: 2}");
    assert_whole(&p);
    for (uint32_t d = 0; d < 100; d++) {
        assert_int_equal(size_of(&p, d), 100);
        assert_in_range(classes_of(&p, d), 1, 4); /* a shard of 50 spans at most two classes */
    }
    assert_true(mean_classes(&p) < 2.2);
    mu_partition_release(&p);
    mu_error err;
    assert_error(make(&input, "partition: {name: shards, per_device: 101}", &p, NULL, &err), MU_E_CONFIG, &err, "10100 shards");
}

static void test_pathological(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 45);
    for (uint32_t k = 1; k <= CLASSES; k += 3) {
        char yaml[128];
        snprintf(yaml, sizeof yaml, "partition: {name: pathological, classes_per_device: %u}", k);
        mu_partition p = make_good(&input, yaml);
        assert_whole(&p);
        for (uint32_t d = 0; d < 45; d++)
            assert_int_equal(classes_of(&p, d), k);
        mu_partition_release(&p);
    }
    mu_error err;
    mu_partition p;
    assert_error(make(&input, "partition: {name: pathological, classes_per_device: 11}", &p, NULL, &err), MU_E_CONFIG, &err, "11 classes each");
    input.devices = 4;
    assert_error(make(&input, "partition: {name: pathological, classes_per_device: 2}", &p, NULL, &err), MU_E_CONFIG, &err, "4 devices");
}

static void test_natural(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 0);
    input.ids = ids;
    input.id_count = IDS;
    mu_partition p = make_good(&input, "{}");
    assert_whole(&p);
    assert_int_equal(p.devices, IDS - 1);
    for (uint32_t d = 0; d < p.devices; d++) {
        assert_int_equal(p.device_ids[d], d < 4 ? d : d + 1);
        for (uint32_t i = p.starts[d]; i < p.starts[d + 1]; i++)
            assert_int_equal(ids[p.items[i]], p.device_ids[d]);
    }
    mu_partition_release(&p);

    p = make_good(&input, "partition: {name: natural, min_examples: 3}");
    assert_int_equal(p.devices, IDS - 2);
    assert_int_equal(p.starts[p.devices], COUNT - 2);
    mu_partition_release(&p);

    input.devices = 7;
    p = make_good(&input, "partition: natural");
    assert_int_equal(p.devices, 7);
    assert_int_equal(p.device_ids[6], 7);
    mu_partition_release(&p);
    mu_error err;
    input.devices = IDS;
    assert_error(make(&input, "partition: natural", &p, NULL, &err), MU_E_CONFIG, &err, "only 36 of the 37 ids");
    input.ids = NULL;
    assert_error(make(&input, "partition: natural", &p, NULL, &err), MU_E_CONFIG, &err, "who made each example");
}

static void test_names(void **state)
{
    (void)state;
    mu_partition_input input = make_input(1, 10);
    mu_partition p;
    mu_error err;
    assert_error(make(&input, "partition: dirichlt", &p, NULL, &err), MU_E_CONFIG, &err, "test.yaml:1:12: partition: there is no 'dirichlt'");
    assert_non_null(strstr(err.message, "did you mean 'dirichlet'?"));
    for (size_t i = 0; i < mu_partitioner_count(); i++)
        assert_non_null(strstr(err.message, mu_partitioner(i)->name));
    assert_null(mu_partitioner(mu_partitioner_count()));
    assert_error(make(&input, "partition: {alpha: 1}", &p, NULL, &err), MU_E_CONFIG, &err, "expected a name, or a map");
    assert_error(make(&input, "partition: {name: shards, alpha: 1}", &p, NULL, &err), MU_E_CONFIG, &err, "'alpha'");
    assert_error(make(&input, "partition: [iid]", &p, NULL, &err), MU_E_CONFIG, &err, "expected a name, or a map");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),    cmocka_unit_test(test_iid),          cmocka_unit_test(test_dirichlet), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_shards), cmocka_unit_test(test_pathological), cmocka_unit_test(test_natural),   cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

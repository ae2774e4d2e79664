/* Networks of published experiments at the widths of their papers: parameters and multiply-accumulates. */
#include "method/test_width.h"

#include "method/width_levels.h"
#include "method/width_rules.h"

#include <math.h>

/* HeteroFL's network for MNIST; the scaler, which the authors have before each norm, has neither weights nor operations in their counts. */
static const char heterofl_mnist[] = "layers:\n"
                                     "  - {conv: c1, channels: 64, kernel: 3, padding: 1}\n"
                                     "  - {batch_norm: n1}\n"
                                     "  - relu\n"
                                     "  - max_pool\n"
                                     "  - {conv: c2, channels: 128, kernel: 3, padding: 1}\n"
                                     "  - {batch_norm: n2}\n"
                                     "  - relu\n"
                                     "  - max_pool\n"
                                     "  - {conv: c3, channels: 256, kernel: 3, padding: 1}\n"
                                     "  - {batch_norm: n3}\n"
                                     "  - relu\n"
                                     "  - max_pool\n"
                                     "  - {conv: c4, channels: 512, kernel: 3, padding: 1}\n"
                                     "  - {batch_norm: n4}\n"
                                     "  - relu\n"
                                     "  - global_average_pool\n"
                                     "  - flatten\n"
                                     "  - {dense: fc}\n";

/* Its network for CIFAR-10: a residual network with the norms first, of 1, 1, 1, 2 blocks. */
static const char heterofl_cifar[] = "layers:\n"
                                     "  - {conv: stem, channels: 64, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {batch_norm: n1a}\n"
                                     "  - {relu: r1a}\n"
                                     "  - {conv: c1a, channels: 64, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {batch_norm: n1b}\n"
                                     "  - relu\n"
                                     "  - {conv: c1b, channels: 64, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {add: [c1b, stem], name: s1}\n"
                                     "  - {batch_norm: n2a}\n"
                                     "  - {relu: r2a}\n"
                                     "  - {conv: c2a, channels: 128, kernel: 3, padding: 1, stride: 2, bias: false}\n"
                                     "  - {batch_norm: n2b}\n"
                                     "  - relu\n"
                                     "  - {conv: c2b, channels: 128, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {conv: t2, channels: 128, kernel: 1, stride: 2, bias: false, input: r2a}\n"
                                     "  - {add: [c2b, t2], name: s2}\n"
                                     "  - {batch_norm: n3a}\n"
                                     "  - {relu: r3a}\n"
                                     "  - {conv: c3a, channels: 256, kernel: 3, padding: 1, stride: 2, bias: false}\n"
                                     "  - {batch_norm: n3b}\n"
                                     "  - relu\n"
                                     "  - {conv: c3b, channels: 256, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {conv: t3, channels: 256, kernel: 1, stride: 2, bias: false, input: r3a}\n"
                                     "  - {add: [c3b, t3], name: s3}\n"
                                     "  - {batch_norm: n4a}\n"
                                     "  - {relu: r4a}\n"
                                     "  - {conv: c4a, channels: 512, kernel: 3, padding: 1, stride: 2, bias: false}\n"
                                     "  - {batch_norm: n4b}\n"
                                     "  - relu\n"
                                     "  - {conv: c4b, channels: 512, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {conv: t4, channels: 512, kernel: 1, stride: 2, bias: false, input: r4a}\n"
                                     "  - {add: [c4b, t4], name: s4}\n"
                                     "  - {batch_norm: n5a}\n"
                                     "  - relu\n"
                                     "  - {conv: c5a, channels: 512, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {batch_norm: n5b}\n"
                                     "  - relu\n"
                                     "  - {conv: c5b, channels: 512, kernel: 3, padding: 1, bias: false}\n"
                                     "  - {add: [c5b, s4], name: s5}\n"
                                     "  - {batch_norm: n6}\n"
                                     "  - relu\n"
                                     "  - global_average_pool\n"
                                     "  - flatten\n"
                                     "  - {dense: fc}\n";

/* FLuID's. */
static const char fluid_cifar[] = "layers:\n"
                                  "  - {conv: c1, channels: 32, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - {conv: c2, channels: 32, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - max_pool\n"
                                  "  - {conv: c3, channels: 64, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - {conv: c4, channels: 64, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - max_pool\n"
                                  "  - {conv: c5, channels: 128, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - {conv: c6, channels: 128, kernel: 3, padding: same}\n"
                                  "  - relu\n"
                                  "  - max_pool\n"
                                  "  - flatten\n"
                                  "  - {dense: f1, units: 512}\n"
                                  "  - relu\n"
                                  "  - {dense: f2, units: 256}\n"
                                  "  - relu\n"
                                  "  - {dense: f3}\n";

static const char fluid_femnist[] = "layers:\n"
                                    "  - {conv: c1, channels: 16, kernel: 5, padding: same}\n"
                                    "  - relu\n"
                                    "  - max_pool\n"
                                    "  - {conv: c2, channels: 64, kernel: 5, padding: same}\n"
                                    "  - relu\n"
                                    "  - max_pool\n"
                                    "  - flatten\n"
                                    "  - {dense: f1, units: 120}\n"
                                    "  - relu\n"
                                    "  - {dense: f2}\n";

typedef struct size {
    uint64_t params;
    uint64_t macs;  /* of convolutions and dense layers, taps in the padding counted as the authors do */
    uint64_t flops; /* the authors' count, which is no count of operations: see below */
} size;

static const mu_tensor *tensor_of(const mu_model *model, const char *layer, const char *what)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", layer, what);
    for (size_t i = 0; i < mu_model_tensor_count(model); i++)
        if (!strcmp(mu_model_tensor(model, i)->name, name))
            return mu_model_tensor(model, i);
    return NULL;
}

/* The authors' counter adds up what a layer does once for each of its parameter tensors, so twice where there is a bias or a norm's shift. A
 * convolution does its multiply-accumulates and adds its bias; a norm does 2 for each value, a dense layer its products alone. */
static size size_of(const mu_model *model)
{
    size s = { .params = mu_model_param_count(model) };
    for (size_t i = 0; i < mu_model_layer_count(model); i++) {
        mu_layer_info layer;
        mu_model_layer(model, i, 1, &layer);
        const mu_tensor *weight = tensor_of(model, layer.name, "weight"), *bias = tensor_of(model, layer.name, "bias");
        uint64_t pixels = (uint64_t)layer.output.height * layer.output.width, done = 0;
        if (!weight)
            continue;
        if (weight->rank > 1) {
            done = pixels * weight->count;
            s.macs += done;
            if (weight->rank == 4 && bias)
                done += pixels * bias->count;
        } else
            done = 2 * pixels * weight->count;
        s.flops += bias ? 2 * done : done;
    }
    return s;
}

/* At each of these widths; takes the network. */
static void sizes_at(net n, const double *widths, size_t count, mu_width_rounding rounding, size *sizes)
{
    mu_arena arena = mu_arena_measuring();
    mu_submodel *submodel = NULL;
    assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
    size_t size_bytes = arena.used_bytes;
    void *memory = mu_arena_block(size_bytes);
    arena = mu_arena_over(memory, size_bytes);
    assert_int_equal(mu_submodel_plan(n.units, &arena, &submodel, NULL), MU_OK);
    uint32_t *counts = zeroed(n.groups, sizeof *counts);
    bool *kept = zeroed(n.count, sizeof *kept);
    for (size_t i = 0; i < count; i++) {
        mu_width_counts(n.units, widths[i], rounding, counts);
        mu_width_ordered(n.units, counts, kept);
        assert_int_equal(mu_submodel_form(submodel, kept, NULL), MU_OK);
        sizes[i] = size_of(mu_submodel_model(submodel));
    }
    free(counts);
    free(kept);
    mu_arena_block_free(memory);
    net_release(&n);
}

static void sizes_of_levels(net n, size sizes[MU_WIDTH_LEVELS])
{
    double widths[MU_WIDTH_LEVELS];
    for (uint32_t level = 0; level < MU_WIDTH_LEVELS; level++)
        widths[level] = mu_level_width(level);
    sizes_at(n, widths, MU_WIDTH_LEVELS, MU_WIDTH_UP, sizes);
}

/* Equal to half of the last digit given. */
static void expect_printed(double value, double printed, double digit, const char *what)
{
    if (fabs(value - printed) > digit / 2)
        fail_msg("%s: %.6g, published: %.6g", what, value, printed);
}

/* ---- HeteroFL ---- */

/* The table for MNIST of Flower's baseline "heterofl", with the means over levels that share a federation. Its row "c-e" has the figures of c
 * and d, to the last digit, and not those of c and e (52.758 thousand, 2.854 million). */
static void heterofl_on_mnist(void **state)
{
    (void)state;
    size sizes[MU_WIDTH_LEVELS];
    sizes_of_levels(net_written(heterofl_mnist, (mu_shape){ 28, 28, 1 }, 10), sizes);
    static const struct { const char *levels; double params_thousand, flops_million; } rows[] = {
        { "a", 1556.874, 80.504 }, { "ae", 781.734, 40.452 },  { "abcde", 415.807, 21.625 }, { "b", 391.37, 20.493 },
        { "be", 198.982, 10.447 }, { "bcde", 130.54, 6.905 },  { "c", 98.922, 5.307 },       { "cd", 62.098, 3.363 },
        { "cde", 43.597, 2.375 },  { "d", 25.274, 1.418 },     { "de", 15.934, 0.909 },      { "e", 6.594, 0.4005 } };
    for (size_t i = 0; i < MU_COUNT(rows); i++) {
        double params = 0, flops = 0, count = (double)strlen(rows[i].levels);
        for (const char *level = rows[i].levels; *level; level++) {
            params += (double)sizes[*level - 'a'].params / 1e3 / count;
            flops += (double)sizes[*level - 'a'].flops / 1e6 / count;
        }
        expect_printed(params, rows[i].params_thousand, 0.001, rows[i].levels);
        expect_printed(flops, rows[i].flops_million, 0.001, rows[i].levels);
    }
    static const size exact[MU_WIDTH_LEVELS] = { { 1556874, 39974912, 80504320 }, { 391370, 10107904, 20493056 }, { 98922, 2584064, 5306752 },
                                                 { 25274, 674560, 1418432 }, { 6594, 182912, 400480 } };
    assert_memory_equal(sizes, exact, sizeof exact);
}

/* The authors' table for CIFAR-10; the parameters are exact. */
static void heterofl_on_cifar(void **state)
{
    (void)state;
    size sizes[MU_WIDTH_LEVELS];
    sizes_of_levels(net_written(heterofl_cifar, (mu_shape){ 32, 32, 3 }, 10), sizes);
    static const struct { uint64_t params; double macs_million, flops_million; } rows[MU_WIDTH_LEVELS] = {
        { 9622090, 328.9, 330.2 }, { 2408746, 82.7, 83.3 }, { 603802, 20.9, 21.2 }, { 151762, 5.3, 5.5 }, { 38350, 1.4, 1.5 } };
    for (uint32_t level = 0; level < MU_WIDTH_LEVELS; level++) {
        assert_int_equal(sizes[level].params, rows[level].params);
        expect_printed((double)sizes[level].macs / 1e6, rows[level].macs_million, 0.1, "multiply-accumulates");
        expect_printed((double)sizes[level].flops / 1e6, rows[level].flops_million, 0.1, "operations");
    }
}

/* ---- FjORD: table 1b, and the exact counts behind it ---- */

static void fjord_on_cifar(void **state)
{
    (void)state;
    enum { WIDTHS = 5 };
    static const double widths[WIDTHS] = { 0.2, 0.4, 0.6, 0.8, 1 }, macs_million[WIDTHS] = { 23, 91, 203, 360, 555 };
    static const uint64_t params[WIDTHS] = { 457578, 1803314, 4049352, 7175586, 11173962 };
    static const uint64_t macs[WIDTHS] = { 23106102, 91085522, 202961160, 360362820, 555422720 };
    size sizes[WIDTHS];
    sizes_at(net_named("resnet18", (mu_shape){ 32, 32, 3 }, 10), widths, WIDTHS, MU_WIDTH_UP, sizes);
    for (size_t i = 0; i < WIDTHS; i++) {
        assert_int_equal(sizes[i].params, params[i]);
        assert_int_equal(sizes[i].macs, macs[i]);
        expect_printed((double)sizes[i].macs / 1e6, macs_million[i], 1, "multiply-accumulates");
    }
}

/* ---- FLuID: its five sizes and the whole ---- */

enum { FLUID_SIZES = 6 };
static const double fluid_sizes[FLUID_SIZES] = { 0.5, 0.65, 0.75, 0.85, 0.95, 1 };

static void expect_fluid(net n, const uint64_t params[FLUID_SIZES], const double shares[FLUID_SIZES], double macs_million, double digit)
{
    size sizes[FLUID_SIZES];
    sizes_at(n, fluid_sizes, FLUID_SIZES, MU_WIDTH_DOWN, sizes);
    expect_printed((double)sizes[FLUID_SIZES - 1].macs / 1e6, macs_million, digit, "multiply-accumulates");
    for (size_t i = 0; i < FLUID_SIZES; i++) {
        assert_int_equal(sizes[i].params, params[i]);
        expect_printed((double)sizes[i].macs / (double)sizes[FLUID_SIZES - 1].macs, shares[i], 0.001, "share of the work");
    }
}

static void fluid_networks(void **state)
{
    (void)state;
    expect_fluid(net_written(fluid_cifar, (mu_shape){ 32, 32, 3 }, 10), (uint64_t[]){ 368666, 617741, 827746, 1053405, 1317204, 1469994 },
                 (double[]){ 0.256, 0.413, 0.567, 0.715, 0.885, 1 }, 39.8, 0.1);
    expect_fluid(net_written(fluid_femnist, (mu_shape){ 28, 28, 1 }, 62), (uint64_t[]){ 104562, 172229, 232172, 294322, 365354, 410022 },
                 (double[]){ 0.264, 0.414, 0.573, 0.695, 0.883, 1 }, 5.71, 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heterofl_on_mnist),
        cmocka_unit_test(heterofl_on_cifar),
        cmocka_unit_test(fjord_on_cifar),
        cmocka_unit_test(fluid_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

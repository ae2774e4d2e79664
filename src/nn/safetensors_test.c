/* Weights as files: there and back, the same bytes each time, and everything that can be wrong with one. */
#include "nn/test_step.h"

#include "nn/safetensors.h"

#include <unistd.h>

static const char net[] = "layers:\n"
                          "  - {conv: c, channels: 4, kernel: 3}\n"
                          "  - {batch_norm: n}\n"
                          "  - flatten\n"
                          "  - {dense: fc}\n";

typedef struct subject {
    mu_model *model;
    float    *weights;
    size_t    bytes;
} subject;

static subject make_subject(void)
{
    subject s = { .model = test_model_of(net, (mu_shape){ 4, 5, 2 }, 3) };
    s.bytes = mu_model_state_count(s.model) * sizeof(float);
    s.weights = malloc(s.bytes);
    assert_non_null(s.weights);
    for (size_t i = 0; i < mu_model_state_count(s.model); i++)
        s.weights[i] = (float)i + 0.5f;
    return s;
}

static void drop_subject(subject *s)
{
    free(s->weights);
    mu_model_destroy(s->model);
}

static void test_there_and_back(void **state)
{
    (void)state;
    subject s = make_subject();
    char path[] = "/tmp/muster-weights-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    mu_error err = { 0 };
    float *loaded = calloc(1, s.bytes);
    assert_non_null(loaded);
    assert_int_equal(mu_model_save(s.model, s.weights, NULL, path, &err), MU_OK);
    assert_int_equal(mu_model_load(s.model, path, loaded, &err), MU_OK);
    assert_memory_equal(loaded, s.weights, s.bytes);
    unlink(path);
    assert_int_equal(mu_model_load(s.model, path, loaded, &err), MU_E_IO);
    assert_int_equal(mu_model_save(s.model, s.weights, NULL, "/tmp/muster-no-such-folder/x", &err), MU_E_IO);
    free(loaded);
    drop_subject(&s);
}

static void test_bytes(void **state)
{
    (void)state;
    subject s = make_subject();
    unsigned char *one, *two;
    size_t one_bytes, two_bytes;
    mu_error err = { 0 };
    const char *const metadata[] = { "recipe", "fedavg", "round", "\"7\"", NULL };
    assert_int_equal(mu_model_encode(s.model, s.weights, metadata, &one, &one_bytes, &err), MU_OK);
    assert_int_equal(mu_model_encode(s.model, s.weights, metadata, &two, &two_bytes, &err), MU_OK);
    assert_int_equal(one_bytes, two_bytes);
    assert_memory_equal(one, two, one_bytes);
    mu_safetensors file;
    assert_int_equal(mu_safetensors_open("one", one, one_bytes, &file, &err), MU_OK);
    assert_string_equal(mu_safetensors_metadata(&file, "format"), "pt");
    assert_string_equal(mu_safetensors_metadata(&file, "recipe"), "fedavg");
    assert_string_equal(mu_safetensors_metadata(&file, "round"), "\"7\"");
    assert_null(mu_safetensors_metadata(&file, "seed"));
    assert_string_equal(mu_safetensors_metadata_key(&file, 2), "round");
    assert_null(mu_safetensors_metadata_key(&file, 3));
    assert_null(mu_safetensors_find(&file, "c.weights"));

    /* PyTorch's order: fc.weight[2][channel 3][row 1][column 0] */
    const mu_safetensor *fc = mu_safetensors_find(&file, "fc.weight");
    assert_non_null(fc);
    assert_string_equal(fc->dtype, "F32");
    assert_int_equal(fc->rank, 2);
    assert_int_equal(fc->shape[0], 3);
    assert_int_equal(fc->shape[1], 24);
    assert_int_equal((size_t)(fc->data - one) % 4, 0);
    float value;
    memcpy(&value, fc->data + 4 * (2 * 24 + 3 * 6 + 1 * 3 + 0), sizeof value);
    const mu_tensor *tensor = mu_model_tensor(s.model, 6);
    assert_string_equal(tensor->name, "fc.weight");
    size_t input = (1 * 3 + 0) * 4 + 3; /* here: row 1, column 0, channel 3 */
    assert_true(value == s.weights[tensor->offset + input * 3 + 2]);

    /* conv: [out 1][in 1][row 2][column 0] */
    memcpy(&value, mu_safetensors_find(&file, "c.weight")->data + 4 * (((1 * 2 + 1) * 3 + 2) * 3 + 0), sizeof value);
    assert_true(value == s.weights[((2 * 3 + 0) * 2 + 1) * 4 + 1]);
    mu_safetensors_release(&file);
    free(one);
    free(two);
    drop_subject(&s);
}

/* ---- what can be wrong ---- */

static size_t make_file(const char *header, size_t data_bytes, unsigned char *out)
{
    size_t length = strlen(header);
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(out + 8, header, length);
    memset(out + 8 + length, 0x11, data_bytes);
    return 8 + length + data_bytes;
}

static void expect_no_file(const unsigned char *bytes, size_t size_bytes, mu_status expected, const char *words)
{
    mu_safetensors file;
    mu_error err = { 0 };
    unsigned char *exact = malloc(size_bytes ? size_bytes : 1); /* so that reading behind it is seen */
    assert_non_null(exact);
    memcpy(exact, bytes, size_bytes);
    mu_status status = mu_safetensors_open("f", exact, size_bytes, &file, &err);
    if (status != expected || !strstr(err.message, words))
        fail_msg("status %s, '%s'; expected '%s'", mu_status_name(status), err.message, words);
    free(exact);
}

static void test_no_container(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t      data_bytes;
        const char *words;
    } rows[] = {
        { "", 0, "not one JSON map" },
        { "[]", 0, "not one JSON map" },
        { "{} {}", 0, "not one JSON map" },
        { "{\"a\":", 0, "not one JSON map" },
        { "{}", 4, "4 bytes of data, but no tensor" },
        { "{\"__metadata__\":[]}", 0, "'__metadata__' is not a map" },
        { "{\"__metadata__\":{\"a\":1}}", 0, "the metadata 'a' is not a text" },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "is there twice" },
        { "{\"a\":7}", 0, "must have dtype, shape and data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"offsets\":[0,4]}}", 4, "'data_offsets' of tensor 'a'" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":0}}", 4, "and nothing else" },
        { "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "no list 'shape'" },
        { "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no text 'dtype'" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "no size" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "no size" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1e99],\"data_offsets\":[0,4]}}", 4, "no size" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "two whole numbers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,-4]}}", 4, "two whole numbers" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4, "lies at bytes 0 to 8 of 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "lies at bytes 4 to 0 of 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "leave a hole" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "4 bytes behind the last tensor" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
          12, "overlap" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
          8, "tensor 'a' is there twice" },
    };
    unsigned char bytes[512];
    for (size_t i = 0; i < MU_COUNT(rows); i++)
        expect_no_file(bytes, make_file(rows[i].header, rows[i].data_bytes, bytes), MU_E_PARSE, rows[i].words);
    expect_no_file(bytes, make_file("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, bytes),
                   MU_E_LIMIT, "more than 8 axes");
    expect_no_file(bytes, 7, MU_E_PARSE, "7 bytes are no safetensors file");
    memset(bytes, 0, 8);
    bytes[0] = 3;
    expect_no_file(bytes, 10, MU_E_PARSE, "a header of 3 bytes in a file of 10");
    memset(bytes, 0xff, 8);
    expect_no_file(bytes, 64, MU_E_LIMIT, "18446744073709551615");
}

/* One text of the encoded header replaced by another of the same length. */
static void expect_changed_refused(subject *s, const char *from, const char *to, mu_status expected, const char *words)
{
    unsigned char *bytes;
    size_t size_bytes;
    mu_error err = { 0 };
    assert_int_equal(mu_model_encode(s->model, s->weights, NULL, &bytes, &size_bytes, &err), MU_OK);
    assert_int_equal(strlen(from), strlen(to));
    size_t at = 8;
    while (memcmp(bytes + at, from, strlen(from)))
        assert_true(++at + strlen(from) < size_bytes);
    memcpy(bytes + at, to, strlen(to));
    float *loaded = malloc(s->bytes), *before = malloc(s->bytes);
    assert_non_null(loaded);
    assert_non_null(before);
    memset(loaded, 0x33, s->bytes);
    memcpy(before, loaded, s->bytes);
    mu_status status = mu_model_decode(s->model, "f", bytes, size_bytes, loaded, &err);
    if (status != expected || !strstr(err.message, words))
        fail_msg("status %s, '%s'; expected '%s'", mu_status_name(status), err.message, words);
    assert_memory_equal(loaded, before, s->bytes); /* nothing changes unless all is well */
    free(loaded);
    free(before);
    free(bytes);
}

static void test_other_model(void **state)
{
    (void)state;
    subject s = make_subject();
    expect_changed_refused(&s, "fc.weight", "fc.wight1", MU_E_SHAPE, "has no tensor 'fc.wight1'");
    expect_changed_refused(&s, "\"n.running_var\":{", "\"n.nunning_var\":{", MU_E_SHAPE, "has no tensor 'n.nunning_var'");
    expect_changed_refused(&s, "\"F32\"", "\"F16\"", MU_E_UNSUPPORTED, "tensor 'c.weight' is F16; only F32 is read");
    expect_changed_refused(&s, "[4,2,3,3]", "[4,3,3,2]", MU_E_SHAPE, "'c.weight' has shape [4, 3, 3, 2], the model's has [4, 2, 3, 3]");
    expect_changed_refused(&s, "[4,2,3,3]", "[72,1   ]", MU_E_SHAPE, "has shape [72, 1]");

    /* a file without one of the tensors: that of a smaller model */
    mu_model *small = test_model_of("layers:\n  - flatten\n  - {dense: fc}\n", (mu_shape){ 1, 1, 24 }, 3);
    unsigned char *bytes;
    size_t size_bytes;
    mu_error err = { 0 };
    assert_int_equal(mu_model_encode(small, s.weights, NULL, &bytes, &size_bytes, &err), MU_OK);
    assert_int_equal(mu_model_decode(s.model, "f", bytes, size_bytes, s.weights, &err), MU_E_SHAPE);
    assert_non_null(strstr(err.message, "no tensor 'c.weight'"));
    free(bytes);
    mu_model_destroy(small);
    drop_subject(&s);
}

/* Every cut and every flipped byte of the header is either refused or harmless; the sanitizers watch. */
static void test_damage(void **state)
{
    (void)state;
    subject s = make_subject();
    unsigned char *bytes;
    size_t size_bytes;
    mu_error err = { 0 };
    assert_int_equal(mu_model_encode(s.model, s.weights, NULL, &bytes, &size_bytes, &err), MU_OK);
    for (size_t size = 0; size < size_bytes; size++)
        assert_int_not_equal(mu_model_decode(s.model, "f", bytes, size, s.weights, &err), MU_OK);
    size_t header_bytes = size_bytes - s.bytes, refused = 0;
    for (size_t i = 0; i < header_bytes; i++) {
        bytes[i] ^= 0x04;
        refused += mu_model_decode(s.model, "f", bytes, size_bytes, s.weights, &err) != MU_OK;
        bytes[i] ^= 0x04;
    }
    assert_true(refused > header_bytes * 3 / 4);
    assert_int_equal(mu_model_decode(s.model, "f", bytes, size_bytes, s.weights, &err), MU_OK);
    free(bytes);
    drop_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_bytes),  cmocka_unit_test(test_no_container),
        cmocka_unit_test(test_other_model),    cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("nn safetensors", tests, NULL, NULL);
}

/* IDX and NPY files as numpy writes them, and files that are not quite that. */
#include "base/limits.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/test_support.h"

#include <math.h>

static void test_idx(void **state)
{
    (void)state;
    mu_file file = fixture("pictures.idx");
    mu_array array;
    mu_error err;
    assert_ok(mu_idx_read("pictures.idx", file.data, file.size_bytes, &array, &err), &err);
    assert_int_equal(array.rank, 3);
    assert_int_equal(array.shape[0], 6);
    assert_int_equal(array.shape[1], 4);
    assert_int_equal(array.shape[2], 5);
    assert_int_equal(array.count, 120);
    for (size_t i = 0; i < array.count; i++)
        assert_true(mu_array_value(&array, i) == (double)i);
    mu_file_unmap(&file);

    float values[12];
    file = fixture("vectors_f4.idx");
    assert_ok(mu_idx_read("f4", file.data, file.size_bytes, &array, &err), &err);
    mu_array_floats(&array, 0, 12, values);
    for (int i = 0; i < 12; i++)
        assert_true(values[i] == (float)i / 4 - 1);
    mu_file_unmap(&file);

    file = fixture("vectors_i2.idx");
    assert_ok(mu_idx_read("i2", file.data, file.size_bytes, &array, &err), &err);
    for (size_t i = 0; i < 12; i++)
        assert_true(mu_array_value(&array, i) == 300.0 * (double)i - 1000.0);
    mu_file_unmap(&file);
}

static void test_bad_idx(void **state)
{
    (void)state;
    mu_file file = fixture("pictures.idx");
    unsigned char copy[137];
    mu_array array;
    mu_error err;
    for (size_t length = 0; length < file.size_bytes; length++)
        assert_int_equal(mu_idx_read("x", file.data, length, &array, &err), MU_E_PARSE);
    assert_error(mu_idx_read("cut.idx", file.data, 100, &array, &err), MU_E_PARSE, &err,
                 "cut.idx: expected 120 bytes from byte 16 on (120 values of uint8), found 84");
    memcpy(copy, file.data, 136);
    assert_error(mu_idx_read("x", copy, 137, &array, &err), MU_E_PARSE, &err, "found 121");
    copy[0] = 1;
    assert_error(mu_idx_read("x", copy, 136, &array, &err), MU_E_PARSE, &err, "begins with bytes 01 00");
    copy[0] = 0;
    copy[2] = 0x0A;
    assert_error(mu_idx_read("x", copy, 136, &array, &err), MU_E_PARSE, &err, "element type, is 0x0a");
    copy[2] = 0x08;
    copy[3] = 9;
    assert_error(mu_idx_read("x", copy, 136, &array, &err), MU_E_PARSE, &err, "number of dimensions, is 9");
    copy[3] = 3;
    memset(copy + 4, 0xff, 12); /* 2^96 values */
    assert_error(mu_idx_read("x", copy, 136, &array, &err), MU_E_LIMIT, &err, "more than");
    mu_file_unmap(&file);
}

static void test_npy(void **state)
{
    (void)state;
    static const char *const names[] = { "i1.npy", "i2.npy", "i4_big.npy", "i8.npy", "f2.npy", "f4.npy", "f8_big.npy", "u1.npy", "b1.npy" };
    for (size_t n = 0; n < MU_COUNT(names); n++) {
        mu_file file = fixture(names[n]);
        mu_array array;
        mu_error err;
        assert_true(mu_is_npy(file.data, file.size_bytes));
        assert_ok(mu_npy_read(names[n], file.data, file.size_bytes, &array, &err), &err);
        assert_int_equal(array.rank, 2);
        assert_int_equal(array.shape[0], 2);
        assert_int_equal(array.shape[1], 3);
        for (int i = 0; i < 6; i++) {
            double expected = names[n][0] == 'b' ? i % 2 : names[n][0] == 'u' ? 3 * i : 3 * i - 5;
            assert_true(mu_array_value(&array, (size_t)i) == expected);
        }
        for (size_t length = 0; length < file.size_bytes; length++)
            assert_int_not_equal(mu_npy_read("x", file.data, length, &array, &err), MU_OK);
        mu_file_unmap(&file);
    }
    static const char *const versions[] = { "version2.npy", "version3.npy" };
    for (size_t n = 0; n < MU_COUNT(versions); n++) {
        mu_file file = fixture(versions[n]);
        mu_array array;
        mu_error err;
        assert_ok(mu_npy_read(versions[n], file.data, file.size_bytes, &array, &err), &err);
        for (size_t i = 0; i < 6; i++)
            assert_true(mu_array_value(&array, i) == (double)i);
        mu_file_unmap(&file);
    }
}

/* An NPY file with the given header and `zeros` zero bytes of content. */
static mu_status read_made(const char *header, size_t zeros, mu_array *array, mu_error *err)
{
    static unsigned char file[4096];
    size_t length = strlen(header);
    memset(file, 0, sizeof file);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, header, length);
    return mu_npy_read("made.npy", file, 10 + length + zeros, array, err);
}

static void test_bad_npy(void **state)
{
    (void)state;
    mu_array array;
    mu_error err;
    mu_file file = fixture("fortran.npy");
    assert_error(mu_npy_read("fortran.npy", file.data, file.size_bytes, &array, &err), MU_E_UNSUPPORTED, &err, "Fortran order");
    mu_file_unmap(&file);
    file = fixture("complex.npy");
    assert_error(mu_npy_read("complex.npy", file.data, file.size_bytes, &array, &err), MU_E_UNSUPPORTED, &err, "'<c8'");
    mu_file_unmap(&file);

    assert_ok(read_made("{\"shape\": (2,), 'descr': '|u1', 'fortran_order': False}", 2, &array, &err), &err);
    assert_int_equal(array.count, 2);
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", 3, &array, &err), MU_E_PARSE, &err, "found 3");
    assert_error(read_made("{'descr': '|u1', 'shape': (2,), }", 2, &array, &err), MU_E_PARSE, &err, "lacks one of");
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", 1, &array, &err), MU_E_SHAPE, &err, "single number");
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }", 1, &array, &err), MU_E_PARSE, &err, "expected a dimension");
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,), }", 1, &array, &err), MU_E_LIMIT, &err,
                 "dimension 1");
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (68719476736,2), }", 1, &array, &err), MU_E_LIMIT, &err, "more than");
    assert_error(read_made("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 1, &array, &err), MU_E_LIMIT, &err, "8 dim");
    assert_error(read_made("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, &array, &err), MU_E_PARSE, &err, "quoted");
    assert_error(read_made("{'other': '|u1'}", 1, &array, &err), MU_E_PARSE, &err, "'other'");
    assert_error(read_made("", 1, &array, &err), MU_E_PARSE, &err, "expected '{'");
}

static void test_labels(void **state)
{
    (void)state;
    static const float values[] = { 0.0f, 3.0f, 2.5f };
    unsigned char bytes[sizeof values];
    memcpy(bytes, values, sizeof values);
    mu_array array = { .name = "labels", .data = bytes, .element = MU_ELEMENT_F4, .rank = 1, .shape = { 2 }, .offset = 80, .count = 2 };
    int32_t labels[3];
    mu_error err;
    assert_ok(mu_array_labels(&array, 4, labels, &err), &err);
    assert_int_equal(labels[1], 3);
    assert_error(mu_array_labels(&array, 3, labels, &err), MU_E_PARSE, &err, "labels: value 1 (byte 84) is 3, expected a whole number from 0 to 2");
    array.count = 3;
    assert_error(mu_array_labels(&array, 4, labels, &err), MU_E_PARSE, &err, "value 2 (byte 88) is 2.5");
}

/* float16 against known bit patterns. */
static void test_half(void **state)
{
    (void)state;
    static const struct { uint16_t bits; double value; } known[] = {
        { 0x3C00, 1.0 }, { 0xC000, -2.0 }, { 0x7BFF, 65504.0 }, { 0x0001, 0x1p-24 }, { 0x0400, 0x1p-14 }, { 0x3555, 0.333251953125 },
        { 0x8000, 0.0 }, { 0x7C00, (double)INFINITY },
    };
    for (size_t i = 0; i < MU_COUNT(known); i++) {
        unsigned char bytes[2] = { (unsigned char)known[i].bits, (unsigned char)(known[i].bits >> 8) };
        mu_array array = { .name = "half", .data = bytes, .element = MU_ELEMENT_F2, .count = 1 };
        assert_true(mu_array_value(&array, 0) == known[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idx),     cmocka_unit_test(test_bad_idx), cmocka_unit_test(test_npy),
        cmocka_unit_test(test_bad_npy), cmocka_unit_test(test_labels),  cmocka_unit_test(test_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

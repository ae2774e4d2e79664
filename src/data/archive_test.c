/* Zip and tar archives, and CIFAR's rows. */
#include "data/cifar.h"
#include "data/tar.h"
#include "data/test_support.h"
#include "data/unpack.h"
#include "data/zip.h"

static void test_zip(void **state)
{
    (void)state;
    static const char *const names[] = { "both.npz", "both_deflated.npz" };
    for (size_t n = 0; n < MU_COUNT(names); n++) {
        mu_file file = fixture(names[n]);
        mu_zip zip;
        mu_zip_content content;
        mu_error err;
        assert_ok(mu_zip_open(names[n], file.data, file.size_bytes, &zip, &err), &err);
        assert_int_equal(zip.count, 5);
        assert_true(mu_zip_has(&zip, "x_test.npy"));
        assert_false(mu_zip_has(&zip, "x_test"));
        assert_ok(mu_zip_read(&zip, "y_train.npy", 1000, &content, &err), &err);
        assert_int_equal(content.owned != NULL, n == 1);
        assert_memory_equal(content.data, "\x93NUMPY", 6);
        assert_int_equal(content.size_bytes, 128 + 4 * 8);
        assert_int_equal(content.data[128 + 16], 2);
        free(content.owned);
        assert_error(mu_zip_read(&zip, "z.npy", 1000, &content, &err), MU_E_PARSE, &err, "it has: x_train.npy, y_train.npy");
        assert_error(mu_zip_read(&zip, "y_train.npy", 100, &content, &err), MU_E_LIMIT, &err, "160 bytes, more than 100");
        for (size_t length = 0; length < file.size_bytes; length++)
            assert_int_equal(mu_zip_open("cut", file.data, length, &zip, &err), MU_E_PARSE);
        mu_file_unmap(&file);
    }
}

/* One bit wrong anywhere is either noticed or changes nothing that is read. */
static void test_damaged_zip(void **state)
{
    (void)state;
    mu_file file = fixture("both_deflated.npz");
    unsigned char *copy = malloc(file.size_bytes);
    assert_non_null(copy);
    unsigned char good[160];
    mu_zip zip;
    mu_zip_content content;
    mu_error err;
    assert_ok(mu_zip_open("x", file.data, file.size_bytes, &zip, &err), &err);
    assert_ok(mu_zip_read(&zip, "y_train.npy", 1000, &content, &err), &err);
    memcpy(good, content.data, sizeof good);
    free(content.owned);
    size_t noticed = 0;
    for (size_t bit = 0; bit < 8 * file.size_bytes; bit++) {
        memcpy(copy, file.data, file.size_bytes);
        copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
        if (mu_zip_open("x", copy, file.size_bytes, &zip, &err) || mu_zip_read(&zip, "y_train.npy", 1000, &content, &err)) {
            noticed++;
            continue;
        }
        assert_int_equal(content.size_bytes, sizeof good);
        assert_memory_equal(content.data, good, sizeof good);
        free(content.owned);
    }
    assert_true(noticed > 500);
    free(copy);
    mu_file_unmap(&file);
}

static void test_tar(void **state)
{
    (void)state;
    mu_bytes bytes;
    mu_error err;
    const unsigned char *member = NULL;
    size_t size = 0;
    assert_ok(mu_bytes_open(FIXTURES "/cifar-10-binary.tar.gz", 1 << 20, &bytes, &err), &err);
    assert_true(mu_is_tar(bytes.data, bytes.size_bytes));
    assert_ok(mu_tar_find("t", bytes.data, bytes.size_bytes, "data_batch_3.bin", &member, &size, &err), &err);
    assert_int_equal(size, 2 * 3073);
    assert_int_equal(member[0], 2);
    assert_int_equal(member[3073], 3);
    assert_int_equal(member[1 + 1024 + 5], 2 + 7 + 5);
    assert_error(mu_tar_find("t", bytes.data, bytes.size_bytes, "data_batch_6.bin", &member, &size, &err), MU_E_PARSE, &err, "no member");
    assert_error(mu_tar_find("t", bytes.data, 2048, "data_batch_1.bin", &member, &size, &err), MU_E_PARSE, &err, "should have 6146 bytes");
    unsigned char *copy = malloc(bytes.size_bytes);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size_bytes);
    copy[3] ^= 1;
    assert_error(mu_tar_find("t", copy, bytes.size_bytes, "data_batch_1.bin", &member, &size, &err), MU_E_PARSE, &err, "byte 0 of the archive");
    free(copy);
    mu_bytes_close(&bytes);
}

static void test_cifar(void **state)
{
    (void)state;
    mu_bytes bytes;
    mu_error err;
    uint32_t rows = 0;
    static unsigned char pixels[2 * MU_CIFAR_VALUES];
    int32_t labels[2];
    assert_ok(mu_bytes_open(FIXTURES "/cifar100.bin.xz", 1 << 20, &bytes, &err), &err);
    assert_ok(mu_cifar_check("c", bytes.data, bytes.size_bytes, 2, 100, &rows, &err), &err);
    assert_int_equal(rows, 2);
    mu_cifar_read(bytes.data, 2, rows, pixels, labels);
    assert_int_equal(labels[0], 42);
    assert_int_equal(labels[1], 99);
    for (int position = 0; position < 1024; position++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(pixels[position * 3 + c], (42 + 7 * c + position) % 256);
    assert_error(mu_cifar_check("c", bytes.data, bytes.size_bytes - 1, 2, 100, &rows, &err), MU_E_PARSE, &err, "expected rows of 3074");
    assert_error(mu_cifar_check("c", bytes.data, bytes.size_bytes, 2, 99, &rows, &err), MU_E_PARSE, &err,
                 "byte 3075, the label of row 1, is 99, expected 0 to 98");
    mu_bytes_close(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_damaged_zip),
        cmocka_unit_test(test_tar),
        cmocka_unit_test(test_cifar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

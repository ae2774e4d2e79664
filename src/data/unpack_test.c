/* .gz, .xz and .zst: whole, twice, cut at every byte, damaged, and larger than allowed. */
#include "data/test_support.h"
#include "data/unpack.h"

static const char *const endings[] = { "gz", "xz", "zst" };

static void test_whole(void **state)
{
    (void)state;
    mu_file plain = fixture("pictures.idx"), once = fixture("labels.idx");
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        char path[512];
        mu_bytes bytes;
        mu_error err;
        snprintf(path, sizeof path, FIXTURES "/pictures.idx.%s", endings[i]);
        assert_ok(mu_bytes_open(path, plain.size_bytes, &bytes, &err), &err);
        assert_int_equal(bytes.size_bytes, plain.size_bytes);
        assert_memory_equal(bytes.data, plain.data, plain.size_bytes);
        mu_bytes_close(&bytes);
        assert_error(mu_bytes_open(path, plain.size_bytes - 1, &bytes, &err), MU_E_LIMIT, &err, "unpacks to more than 135 bytes");

        snprintf(path, sizeof path, FIXTURES "/twice.%s", endings[i]);
        assert_ok(mu_bytes_open(path, 1000, &bytes, &err), &err);
        assert_int_equal(bytes.size_bytes, 2 * once.size_bytes);
        assert_memory_equal(bytes.data + once.size_bytes, once.data, once.size_bytes);
        mu_bytes_close(&bytes);
    }
    mu_file_unmap(&once);
    mu_file_unmap(&plain);
}

static void test_plain(void **state)
{
    (void)state;
    mu_bytes bytes;
    mu_error err;
    assert_ok(mu_bytes_open(FIXTURES "/pictures.idx", 1000, &bytes, &err), &err);
    assert_int_equal(bytes.size_bytes, 136);
    assert_null(bytes.owned);
    mu_bytes_close(&bytes);
    assert_error(mu_bytes_open(FIXTURES "/pictures.idx", 100, &bytes, &err), MU_E_LIMIT, &err, "has 136 bytes, more than the 100");
    assert_error(mu_bytes_open(FIXTURES "/no such file", 100, &bytes, &err), MU_E_IO, &err, "no such file");
}

/* No beginning of a packed file passes for a whole one. */
static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures.idx.%s", endings[i]);
        mu_file file = fixture(name);
        for (size_t length = 0; length < file.size_bytes; length++) {
            unsigned char *out = NULL;
            size_t size;
            mu_error err;
            assert_int_equal(mu_unpack(name, file.data, length, 100000, &out, &size, &err), MU_E_PARSE);
            assert_non_null(strstr(err.message, name));
        }
        mu_file_unmap(&file);
    }
}

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < MU_COUNT(endings); i++) {
        char name[64];
        snprintf(name, sizeof name, "pictures.idx.%s", endings[i]);
        mu_file file = fixture(name);
        unsigned char *copy = malloc(file.size_bytes + 3), *out = NULL;
        assert_non_null(copy);
        memcpy(copy, file.data, file.size_bytes);
        memcpy(copy + file.size_bytes, "abc", 3);
        size_t size;
        mu_error err;
        assert_error(mu_unpack(name, copy, file.size_bytes + 3, 100000, &out, &size, &err), MU_E_PARSE, &err, "not a sound");
        if (i != 2) { /* zstd wrote this one with no sum; gzip and xz have one */
            copy[file.size_bytes / 2] ^= 0x10;
            assert_int_not_equal(mu_unpack(name, copy, file.size_bytes, 100000, &out, &size, &err), MU_OK);
        }
        free(copy);
        mu_file_unmap(&file);
    }
    mu_error err;
    unsigned char *out = NULL;
    size_t size;
    assert_error(mu_unpack("x", (const unsigned char *)"plain", 5, 100, &out, &size, &err), MU_E_PARSE, &err, "neither gzip nor xz nor zstd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

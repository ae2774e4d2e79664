/* Files: mapping, writing whole or not at all, folders. */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/muster-file-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left something */
}

static char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void check_holds(const char *path, const char *text)
{
    mu_file file;
    assert_int_equal(mu_file_map(path, &file, NULL), MU_OK);
    assert_int_equal(file.size_bytes, strlen(text));
    assert_memory_equal(file.data, text, strlen(text));
    mu_file_unmap(&file);
    assert_null(file.data);
}

static void test_write_and_map(void **state)
{
    (void)state;
    const char *path = path_of("a");
    assert_false(mu_file_exists(path));
    assert_int_equal(mu_file_write(path, "hello", 5, NULL), MU_OK);
    assert_true(mu_file_exists(path));
    check_holds(path, "hello");
    assert_int_equal(mu_file_write(path, "hi", 2, NULL), MU_OK); /* the shorter one takes its place whole */
    check_holds(path, "hi");
    assert_int_equal(mu_file_write(path, "", 0, NULL), MU_OK);
    mu_file file;
    assert_int_equal(mu_file_map(path, &file, NULL), MU_OK);
    assert_non_null(file.data);
    assert_int_equal(file.size_bytes, 0);
    mu_file_unmap(&file);
    assert_int_equal(remove(path), 0);
}

static void test_a_reader_keeps_the_old_bytes(void **state)
{
    (void)state;
    const char *path = path_of("b");
    mu_file old;
    assert_int_equal(mu_file_write(path, "old bytes", 9, NULL), MU_OK);
    assert_int_equal(mu_file_map(path, &old, NULL), MU_OK);
    assert_int_equal(mu_file_write(path, "new", 3, NULL), MU_OK);
    assert_memory_equal(old.data, "old bytes", 9);
    mu_file_unmap(&old);
    check_holds(path, "new");
    assert_int_equal(remove(path), 0);
}

static void test_a_failed_write_changes_nothing(void **state)
{
    (void)state;
    mu_error err;
    char path[256], inside[512], expected[600];
    /* nowhere to put it */
    snprintf(path, sizeof path, "%s", path_of("missing/c"));
    assert_int_equal(mu_file_write(path, "x", 1, &err), MU_E_IO);
    snprintf(expected, sizeof expected, "%s: cannot be written: No such file or directory", path);
    assert_string_equal(err.message, expected);
    /* a folder stands where the file should be: the rename fails, and the temporary file goes */
    snprintf(path, sizeof path, "%s", path_of("d"));
    snprintf(inside, sizeof inside, "%s/inside", path);
    assert_int_equal(mu_folder_make(path, NULL), MU_OK);
    assert_int_equal(mu_file_write(inside, "kept", 4, NULL), MU_OK);
    assert_int_equal(mu_file_write(path, "x", 1, &err), MU_E_IO);
    check_holds(inside, "kept");
    assert_false(mu_file_exists(path_of("d.tmp")));
    remove(inside);
    remove(path);
    /* the disk is full: /dev/full says so at once, and the old file stays */
    snprintf(path, sizeof path, "%s", path_of("e"));
    snprintf(inside, sizeof inside, "%s.tmp", path);
    assert_int_equal(mu_file_write(path, "old", 3, NULL), MU_OK);
    assert_int_equal(symlink("/dev/full", inside), 0);
    assert_int_equal(mu_file_write(path, "newer", 5, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "No space left on device"));
    check_holds(path, "old");
    assert_false(mu_file_exists(inside));
    remove(path);
}

static void test_a_left_over_temporary_file_does_not_matter(void **state)
{
    (void)state;
    char path[256], temporary[300];
    snprintf(path, sizeof path, "%s", path_of("f"));
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *crashed = fopen(temporary, "w"); /* what a crash in the middle of writing leaves */
    fputs("half of something much longer", crashed);
    fclose(crashed);
    assert_int_equal(mu_file_write(path, "whole", 5, NULL), MU_OK);
    check_holds(path, "whole");
    assert_false(mu_file_exists(temporary));
    remove(path);
}

static void test_what_cannot_be_mapped(void **state)
{
    (void)state;
    mu_file file;
    mu_error err;
    assert_int_equal(mu_file_map(path_of("missing"), &file, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "/missing: cannot be opened: No such file"));
    assert_int_equal(mu_file_map(folder, &file, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "not a regular file"));
    const char *pipe_name = path_of("pipe"); /* and a pipe that nobody writes to does not hang us */
    assert_int_equal(mkfifo(pipe_name, 0600), 0);
    assert_int_equal(mu_file_map(pipe_name, &file, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "not a regular file"));
    remove(pipe_name);
}

static void test_folders(void **state)
{
    (void)state;
    char path[256];
    mu_error err;
    snprintf(path, sizeof path, "%s", path_of("x//y/z/"));
    assert_int_equal(mu_folder_make(path, &err), MU_OK);
    assert_int_equal(mu_folder_make(path, &err), MU_OK); /* there already */
    assert_int_equal(mu_folder_make("/", &err), MU_OK);
    assert_true(mu_file_exists(path_of("x/y/z")));
    assert_int_equal(mu_file_write(path_of("x/file"), "", 0, NULL), MU_OK);
    snprintf(path, sizeof path, "%s", path_of("x/file/w"));
    assert_int_equal(mu_folder_make(path, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "x/file: the folder cannot be made"));
    remove(path_of("x/file"));
    remove(path_of("x/y/z"));
    remove(path_of("x/y"));
    remove(path_of("x"));
}

static void test_join(void **state)
{
    (void)state;
    static const struct { const char *folder, *name, *path; } cases[] = {
        { "a", "b", "a/b" }, { "/a", "b/c", "/a/b/c" }, { "a", "/b", "/b" }, { "", "b", "b" },
    };
    for (size_t i = 0; i < MU_COUNT(cases); i++) {
        char *path = mu_path_join(cases[i].folder, cases[i].name);
        assert_string_equal(path, cases[i].path);
        free(path);
    }
}

/* What is made piece by piece is there when it is committed, and not before. */
static void test_write_piece_by_piece(void **state)
{
    (void)state;
    const char *path = path_of("pieces");
    mu_file_writer writer;
    assert_int_equal(mu_file_begin(path, &writer, NULL), MU_OK);
    assert_int_equal(mu_file_put(&writer, "hel", 3, NULL), MU_OK);
    assert_false(mu_file_exists(path));
    assert_int_equal(mu_file_put(&writer, "", 0, NULL), MU_OK);
    assert_int_equal(mu_file_put(&writer, "lo", 2, NULL), MU_OK);
    assert_int_equal(mu_file_commit(&writer, NULL), MU_OK);
    check_holds(path, "hello");
    assert_int_equal(mu_file_begin(path, &writer, NULL), MU_OK);
    assert_int_equal(mu_file_put(&writer, "other", 5, NULL), MU_OK);
    mu_file_discard(&writer);
    check_holds(path, "hello");
    assert_int_equal(unlink(path), 0);
    mu_error err;
    assert_int_equal(mu_file_begin(path_of("none/pieces"), &writer, &err), MU_E_IO);
    assert_non_null(strstr(err.message, "none/pieces: cannot be written: No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_map),
        cmocka_unit_test(test_write_piece_by_piece),
        cmocka_unit_test(test_a_reader_keeps_the_old_bytes),
        cmocka_unit_test(test_a_failed_write_changes_nothing),
        cmocka_unit_test(test_a_left_over_temporary_file_does_not_matter),
        cmocka_unit_test(test_what_cannot_be_mapped),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_join),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

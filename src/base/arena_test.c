/* The arena: what is measured is what is used, and more is refused for good. */
#include "muster/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* A walk as the library's are: whatever it asks for, it asks in the same order. */
static bool walk(mu_arena *arena, void *out[4])
{
    out[0] = mu_arena_take(arena, 1, 1);
    out[1] = mu_arena_take(arena, 0, 8);
    out[2] = mu_arena_take(arena, 64, 1);
    out[3] = mu_arena_take(arena, 100, sizeof(float));
    return !arena->overflowed;
}

static void test_measured_is_used(void **state)
{
    (void)state;
    void *out[4];
    mu_arena arena = mu_arena_measuring();
    assert_true(walk(&arena, out));
    assert_int_equal(arena.used_bytes, 64 + 0 + 64 + 448);
    for (int i = 0; i < 4; i++)
        assert_null(out[i]);
    size_t size = arena.used_bytes;
    unsigned char *memory = mu_arena_block(size);
    assert_non_null(memory);
    arena = mu_arena_over(memory, size);
    assert_true(walk(&arena, out));
    assert_int_equal(arena.used_bytes, size);
    assert_ptr_equal(out[0], memory);
    assert_ptr_equal(out[2], memory + 64);
    assert_ptr_equal(out[3], memory + 128);
    for (int i = 0; i < 4; i++)
        assert_int_equal((uintptr_t)out[i] % MU_ARENA_ALIGNMENT_BYTES, 0);
    memset(out[3], 1, 100 * sizeof(float));
    mu_arena_block_free(memory);
}

static void test_one_byte_less_is_refused(void **state)
{
    (void)state;
    void *out[4];
    unsigned char *memory = mu_arena_block(576);
    for (size_t size = 0; size < 576; size += 64) {
        mu_arena arena = mu_arena_over(memory, size);
        assert_false(walk(&arena, out));
        assert_null(out[3]);
        assert_true(arena.used_bytes <= size);
        assert_null(mu_arena_take(&arena, 1, 1)); /* and so is everything after it, even what would fit */
        assert_null(mu_arena_take(&arena, 0, 1));
    }
    mu_arena_block_free(memory);
}

static void test_sizes_that_wrap_are_refused(void **state)
{
    (void)state;
    static const struct { size_t count, bytes; } asked[] = {
        { SIZE_MAX, 2 }, { SIZE_MAX / 2 + 1, 2 }, { SIZE_MAX, 1 }, { SIZE_MAX - 62, 1 }, { (size_t)1 << 32, (size_t)1 << 32 },
    };
    for (size_t i = 0; i < MU_COUNT(asked); i++) {
        mu_arena arena = mu_arena_measuring();
        assert_null(mu_arena_take(&arena, asked[i].count, asked[i].bytes));
        assert_true(arena.overflowed);
        assert_int_equal(arena.used_bytes, 0);
    }
    mu_arena arena = mu_arena_measuring(); /* each of them can be said, their sum cannot */
    mu_arena_take(&arena, SIZE_MAX / 2, 1);
    assert_false(arena.overflowed);
    mu_arena_take(&arena, SIZE_MAX / 2 + 1, 1);
    assert_true(arena.overflowed);
}

static void test_blocks(void **state)
{
    (void)state;
    for (size_t size = 0; size < 200; size += 33) {
        unsigned char *block = mu_arena_block(size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % MU_ARENA_ALIGNMENT_BYTES, 0);
        memset(block, 7, size);
        mu_arena_block_free(block);
    }
    mu_arena_block_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured_is_used),
        cmocka_unit_test(test_one_byte_less_is_refused),
        cmocka_unit_test(test_sizes_that_wrap_are_refused),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

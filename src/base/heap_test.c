/* The block that is handed out like a stack. */
#include "muster/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static _Alignas(MU_ARENA_ALIGNMENT_BYTES) unsigned char memory[1024];

static bool is_zero(const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i])
            return false;
    return true;
}

static void test_take_and_give(void **state)
{
    (void)state;
    memset(memory, 0xff, sizeof memory);
    mu_heap heap = mu_heap_over(memory, sizeof memory);
    unsigned char *first = mu_heap_take(&heap, 1), *second = mu_heap_take(&heap, 100), *third = mu_heap_take(&heap, 64);
    assert_non_null(first);
    assert_ptr_equal(second, first + 128); /* one piece of 64 and the header of the next */
    assert_ptr_equal(third, second + 192);
    assert_true(is_zero(first, 1) && is_zero(second, 100) && is_zero(third, 64));
    assert_int_equal(heap.used_bytes, 128 + 192 + 128);

    mu_heap_give(&heap, second); /* below the third: nothing comes free yet */
    assert_int_equal(heap.used_bytes, 448);
    memset(third, 0xff, 64);
    mu_heap_give(&heap, third);
    assert_int_equal(heap.used_bytes, 128);
    unsigned char *again = mu_heap_take(&heap, 200);
    assert_ptr_equal(again, second);
    assert_true(is_zero(again, 200)); /* over what was written before */
    mu_heap_give(&heap, again);
    mu_heap_give(&heap, first);
    mu_heap_give(&heap, NULL);
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(heap.peak_bytes, 448);
}

static void test_refuses(void **state)
{
    (void)state;
    mu_heap heap = mu_heap_over(memory, 200);
    assert_null(mu_heap_take(&heap, 137));
    assert_null(mu_heap_take(&heap, SIZE_MAX));
    assert_null(mu_heap_take(&heap, SIZE_MAX - 100));
    unsigned char *all = mu_heap_take(&heap, 136); /* to the last byte, although that is no multiple of the alignment */
    assert_non_null(all);
    assert_int_equal(heap.used_bytes, 200);
    assert_null(mu_heap_take(&heap, 0));
    mu_heap_give(&heap, all);
    assert_int_equal(heap.used_bytes, 0);
    heap = mu_heap_over(memory, 0);
    assert_null(mu_heap_take(&heap, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_take_and_give), cmocka_unit_test(test_refuses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

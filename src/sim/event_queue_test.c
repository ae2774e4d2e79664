/* The queue against a plain sort: order by time, ties by insertion. */
#include "sim/event_queue.h"

#include "muster/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void earliest_first_ties_by_insertion(void **unused)
{
    (void)unused;
    mu_event_queue queue = { 0 };
    mu_random random = mu_random_stream(7, MU_RANDOM_TEST, 0, 0);
    enum { COUNT = 5000 };
    for (uint64_t i = 0; i < COUNT; i++)
        assert_int_equal(mu_event_queue_put(&queue, mu_random_below(&random, 100), i, NULL, NULL), MU_OK);
    mu_queued last, entry;
    assert_true(mu_event_queue_take(&queue, &last));
    for (int i = 1; i < COUNT; i++) {
        assert_true(mu_event_queue_peek(&queue) != NULL);
        assert_true(mu_event_queue_take(&queue, &entry));
        assert_true(entry.at > last.at || (entry.at == last.at && entry.label > last.label));
        last = entry;
    }
    assert_false(mu_event_queue_take(&queue, &entry));
    assert_null(mu_event_queue_peek(&queue));
    mu_event_queue_release(&queue);
}

static void putting_and_taking_in_turn(void **unused)
{
    (void)unused;
    mu_event_queue queue = { 0 };
    mu_random random = mu_random_stream(8, MU_RANDOM_TEST, 0, 0);
    mu_time_us now = 0;
    size_t inside = 0;
    for (int i = 0; i < 20000; i++) {
        mu_queued entry;
        if (mu_random_below(&random, 3) || inside == 0) {
            assert_int_equal(mu_event_queue_put(&queue, now + mu_random_below(&random, 50), 0, NULL, NULL), MU_OK);
            inside++;
        } else {
            assert_true(mu_event_queue_take(&queue, &entry));
            assert_true(entry.at >= now);
            now = entry.at;
            inside--;
        }
        assert_int_equal(queue.count, inside);
    }
    mu_event_queue_release(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earliest_first_ties_by_insertion),
        cmocka_unit_test(putting_and_taking_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

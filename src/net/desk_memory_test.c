/* Every allocation of the desk refused, one after the other: what cannot be put is not there, and what is there stays. */
#include "base/refuse_memory.h"

#include "net/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static mu_status put(mu_desk *desk, uint64_t id, mu_error *err)
{
    const mu_desk_task task = { .id = id, .device = 1, .packed = (const unsigned char *)"task", .packed_bytes = 4, .floats_up = 7, .start_digest_hex = "aa",
                                .start_path = "there" };
    return mu_desk_put_task(desk, &task, err);
}

typedef enum step { CREATED, PUT, PUT_AGAIN, SETTLED, STEPS } step;

/* As far as it goes. */
static step go(mu_desk **desk, mu_status *status, mu_error *err)
{
    if ((*status = mu_desk_create(4, desk, err)))
        return CREATED;
    if ((*status = put(*desk, 1, err)))
        return PUT;
    if ((*status = put(*desk, 2, err)))
        return PUT_AGAIN;
    if ((*status = mu_desk_settle(*desk, 1, 9, err)))
        return SETTLED;
    return STEPS;
}

static void check(mu_desk *desk, step reached)
{
    mu_desk_answer answer;
    mu_desk_counts counts = mu_desk_count(desk);
    uint32_t tasks = (reached > PUT) + (reached > PUT_AGAIN);
    assert_int_equal(counts.tasks_open, tasks);
    assert_int_equal(mu_desk_find_task(desk, 2, NULL), reached > PUT_AGAIN ? MU_DESK_TASK_OPEN : MU_DESK_TASK_UNKNOWN);
    char *path;
    assert_int_equal(mu_desk_find_start(desk, "aa", &path), tasks > 0);
    free(path);
    assert_int_equal(mu_desk_poll(desk, 1, NULL, 0, NULL, 0, NULL, &answer), tasks > 0);
    assert_int_equal(answer.task != NULL, tasks > 0);
    assert_int_equal(answer.settled_count, reached > SETTLED);
    free(answer.task);
    if (tasks == 0)
        return;
    /* What cannot be told for want of memory is told the next time. */
    allocations_left = 0;
    assert_true(mu_desk_poll(desk, 1, NULL, 0, NULL, 0, NULL, &answer));
    assert_false(mu_desk_find_start(desk, "aa", &path));
    allocations_left = -1;
    assert_null(answer.task);
    assert_null(path);
    assert_true(mu_desk_poll(desk, 1, NULL, 0, NULL, 0, NULL, &answer));
    assert_memory_equal(answer.task, "task", 4);
    free(answer.task);
}

static void test_every_allocation_refused(void **state)
{
    (void)state;
    size_t refusals[STEPS + 1] = { 0 };
    long   count = 0;
    for (bool done = false; !done; count++) {
        mu_desk  *desk = NULL;
        mu_error  err = { 0 };
        mu_status status;
        refused = false;
        allocations_left = count;
        step reached = go(&desk, &status, &err);
        allocations_left = -1;
        done = !refused;
        assert_int_equal(status, done ? MU_OK : MU_E_MEMORY);
        assert_int_equal(err.status, status);
        refusals[reached]++;
        if (desk)
            check(desk, reached);
        mu_desk_destroy(desk);
    }
    assert_true(refusals[CREATED] == 3 && refusals[PUT] == 2 && refusals[PUT_AGAIN] == 1 && refusals[SETTLED] == 1 && refusals[STEPS] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_allocation_refused) };
    return cmocka_run_group_tests_name("net_desk_memory", tests, NULL, NULL);
}

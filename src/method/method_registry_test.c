/* What every registered method must bring. */
#include "muster/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_method_is_complete(void **unused)
{
    (void)unused;
    size_t count;
    const mu_method *const *methods = mu_methods(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        const mu_method *method = methods[i];
        assert_non_null(method->paper);
        assert_non_null(method->help);
        assert_ptr_equal(mu_method_named(method->name), method); /* so names are unique */
        bool answers = false;
        for (int q = 0; q < MU_QUESTION_COUNT; q++)
            answers |= mu_method_answers(method, (mu_question)q);
        assert_true(answers);
        for (size_t o = 0; o < method->option_count; o++) {
            assert_true(method->options[o].offset < method->state_bytes);
            assert_non_null(method->options[o].help);
        }
    }
}

static void defaults_are_accepted(void **unused)
{
    (void)unused;
    size_t count;
    const mu_method *const *methods = mu_methods(&count);
    for (size_t i = 0; i < count; i++) {
        void *state = calloc(1, methods[i]->state_bytes + 1);
        mu_error err = { 0 };
        if (mu_options_read(methods[i]->options, methods[i]->option_count, NULL, NULL, methods[i]->name, state, &err))
            fail_msg("%s", err.message);
        if (methods[i]->check && methods[i]->check(state, &err))
            fail_msg("%s", err.message);
        free(state);
    }
}

static void fedavg_answers_everything(void **unused)
{
    (void)unused;
    const mu_method *fedavg = mu_method_named("fedavg");
    for (int q = 0; q < MU_QUESTION_COUNT; q++)
        assert_true(mu_method_answers(fedavg, (mu_question)q));
    assert_null(mu_method_named("fedavgg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_complete),
        cmocka_unit_test(defaults_are_accepted),
        cmocka_unit_test(fedavg_answers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

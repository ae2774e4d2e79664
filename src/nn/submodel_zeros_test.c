/* A submodel computes what the whole network computes where the units left out are zero.
 *
 * To the bit, as long as each convolution goes by the same algorithm in both. A submodel may have too few channels for Winograd's
 * (tensor/winograd.h); then two algorithms compute the same sums, and each is right within the rounding that
 * tensor/winograd_error.h states (test_outcome.h). */
#include "nn/test_outcome.h"

static void test_any_width(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(2, MU_RANDOM_TEST, 0, 0), shaking = mu_random_stream(9, MU_RANDOM_TEST, 0, 0);
    int near = 0;
    for (size_t i = 0; i < MODELS_WITHOUT_SUMS_OVER_CHANNELS; i++) {
        subject s = subject_create(make_model(i));
        for (int n = 0; n < 6; n++) {
            form_random(&s, &random, n == 5);
            near += !check_against_zeros(&s, n % 2, &shaking);
        }
        subject_destroy(&s);
    }
    assert_in_range(near, 3, 6); /* of resnet20 alone: the others have no convolution for Winograd's algorithm */
}

/* Both networks have channels enough, and zeros change nothing in Winograd's sums either. */
static void test_by_winograd(void **state)
{
    (void)state;
    mu_random random = mu_random_stream(5, MU_RANDOM_TEST, 0, 0);
    subject s = subject_create(test_model_named("resnet20", (mu_shape){ 8, 8, 3 }, 10));
    for (int n = 0; n < 4; n++) {
        for (size_t g = 0; g < mu_units_group_count(s.units); g++) {
            const mu_unit_group *group = mu_units_group(s.units, g);
            keep_random(&s, &random, group, group->count - mu_random_below(&random, group->count / 4 + 1)); /* 12 to 16 and more */
        }
        form(&s);
        assert_true(check_against_zeros(&s, n % 2, &random));
    }
    subject_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_any_width), cmocka_unit_test(test_by_winograd) };
    return cmocka_run_group_tests_name("submodels against zeros", tests, NULL, NULL);
}

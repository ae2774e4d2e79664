/* The n-th allocation refused, for every n: models, plans and files say MU_E_MEMORY and leave nothing behind. */
#include "nn/test_step.h"

#include "muster/submodel.h"

#include <cjson/cJSON.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void  __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void  __wrap_free(void *memory);

/* The allocations between torture_begin and torture_end: which one fails, and how many are still held. */
static bool torturing;
static size_t calls, refused_call, held;

static bool refuse(void)
{
    return torturing && ++calls == refused_call;
}

static void *note(void *memory)
{
    held += torturing && memory;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : note(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : old ? __real_realloc(old, size) : note(__real_realloc(old, size));
}

void __wrap_free(void *memory)
{
    held -= torturing && memory;
    __real_free(memory);
}

/* Run `attempt` with the first, second, ... allocation refused until none is. `attempt` frees whatever it got. */
static void torture(const char *what, mu_status (*attempt)(void *), void *context)
{
    for (refused_call = 1;; refused_call++) {
        calls = held = 0;
        torturing = true;
        mu_status status = attempt(context);
        torturing = false;
        if (held)
            fail_msg("%s: with allocation %zu refused, %zu are left behind", what, refused_call, held);
        if (calls < refused_call) {
            if (status)
                fail_msg("%s: %s although nothing was refused", what, mu_status_name(status));
            break;
        }
        if (status != MU_E_MEMORY)
            fail_msg("%s: with allocation %zu refused the status is %s", what, refused_call, mu_status_name(status));
    }
    assert_true(refused_call > 1); /* there was something to refuse */
}

/* Models that are not for images. */
static const struct {
    const char *name;
    mu_shape    input;
} other_inputs[] = {
    { "motion-cnn", { 1, 128, 9 } },  { "char-lstm", { 1, 1, 80 } },      { "char-lstm-every", { 1, 1, 80 } },
    { "char-gru", { 1, 1, 80 } },     { "char-gru-every", { 1, 1, 80 } },
};

static mu_status create_builtin(void *name)
{
    mu_model *model = NULL;
    mu_error err;
    mu_shape input = { 32, 32, 3 };
    for (size_t i = 0; i < MU_COUNT(other_inputs); i++)
        if (strcmp(other_inputs[i].name, name) == 0)
            input = other_inputs[i].input;
    mu_status status = mu_model_create_builtin(name, NULL, input, 10, &model, &err);
    mu_model_destroy(model);
    return status;
}

static mu_status create_layers(void *conf)
{
    mu_model *model = NULL;
    mu_error err;
    mu_status status = mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 8, 8, 2 }, 3, &model, &err);
    mu_model_destroy(model);
    return status;
}

static mu_status plan_step(void *model)
{
    mu_step_config config = mu_step_config_default();
    mu_arena arena = mu_arena_measuring();
    mu_step *step;
    mu_error err;
    return mu_step_plan(model, &config, &arena, &step, &err);
}

static mu_status find_units(void *model)
{
    mu_units *units = NULL;
    mu_error err;
    mu_status status = mu_units_create(model, &units, &err);
    mu_units_destroy(units);
    return status;
}

/* To the smallest limit, and to one that nothing fits. */
static mu_status plan_within_limits(void *model)
{
    mu_step_config config = mu_step_config_default();
    mu_step_schedule schedule;
    mu_error err;
    config.batch_size = 4;
    config.memory_limit_bytes = 1;
    mu_status status = mu_step_schedule_find(model, &config, &schedule, NULL, &err);
    if (status != MU_E_MEMORY || schedule.peak_bytes == 0)
        return status;
    config.memory_limit_bytes = schedule.peak_bytes;
    return mu_step_schedule_find(model, &config, &schedule, NULL, &err);
}

typedef struct exchange {
    mu_model *model;
    float    *weights;
} exchange;

static mu_status encode_and_decode(void *context)
{
    exchange *e = context;
    unsigned char *bytes = NULL;
    size_t size_bytes;
    mu_error err;
    mu_status status = mu_model_encode(e->model, e->weights, (const char *const[]){ "a", "b", NULL }, &bytes, &size_bytes, &err);
    if (status)
        return status;
    status = mu_model_decode(e->model, "f", bytes, size_bytes, e->weights, &err);
    free(bytes);
    /* cJSON does not tell a text that is no JSON from one that it has no memory for; the sentence names both. */
    return status == MU_E_PARSE && strstr(err.message, "or there is no memory for it") ? MU_E_MEMORY : status;
}

static void test_models(void **state)
{
    (void)state;
    size_t count;
    const mu_model_builtin *builtins = mu_model_builtins(&count);
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", builtins[i].name);
        torture(name, create_builtin, name);
    }
}

static void test_yaml(void **state)
{
    (void)state;
    static const char text[] = "name: small\n"
                               "layers:\n"
                               "  - {conv: a, channels: 4, padding: same}\n"
                               "  - {conv: b, channels: 4, kernel: 1}\n"
                               "  - {concat: [a, b], name: c}\n"
                               "  - {batch_norm: d}\n"
                               "  - flatten\n"
                               "  - {dense: e}\n";
    mu_conf *conf = NULL;
    assert_int_equal(mu_conf_parse("t", text, strlen(text), &conf, NULL), MU_OK);
    torture("model from YAML", create_layers, conf);
    mu_conf_destroy(conf);
}

static void test_plan_and_file(void **state)
{
    (void)state;
    mu_model *model = test_model_named("resnet20", (mu_shape){ 16, 16, 3 }, 10);
    torture("step plan", plan_step, model);
    torture("step plan within a limit", plan_within_limits, model);
    torture("units", find_units, model);
    mu_model_destroy(model);
    exchange e = { .model = test_model_named("lenet5", (mu_shape){ 28, 28, 1 }, 10) };
    e.weights = calloc(mu_model_state_count(e.model), sizeof(float));
    assert_non_null(e.weights);
    cJSON_InitHooks(&(cJSON_Hooks){ .malloc_fn = malloc, .free_fn = free }); /* cJSON's own are in another library */
    torture("file", encode_and_decode, &e);
    cJSON_InitHooks(NULL);
    free(e.weights);
    mu_model_destroy(e.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_models), cmocka_unit_test(test_yaml),
                                        cmocka_unit_test(test_plan_and_file) };
    return cmocka_run_group_tests_name("nn memory", tests, NULL, NULL);
}

/* Fuzz target: a model file. A model that is accepted must be plannable, or be refused for its size. */
#include "muster/model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mu_conf *conf = NULL;
    mu_model *model = NULL;
    mu_error err;
    if (mu_conf_parse("fuzz", (const char *)data, size, &conf, &err))
        return 0;
    if (mu_model_create_layers(mu_conf_root(conf), (mu_shape){ 8, 6, 3 }, 4, &model, &err) == MU_OK) {
        mu_step_config config = mu_step_config_default();
        mu_arena arena = mu_arena_measuring();
        mu_step *step;
        mu_status status = mu_step_plan(model, &config, &arena, &step, &err);
        mu_cost cost = mu_model_cost(model, 2);
        if ((status && status != MU_E_MEMORY) || cost.param_bytes != 4 * mu_model_state_count(model))
            abort();
    }
    mu_model_destroy(model);
    mu_conf_destroy(conf);
    return 0;
}

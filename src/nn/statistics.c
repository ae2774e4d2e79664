/* Further sets of norm statistics: behind those that the layers declared, in the same order, so that what belongs to set k lies k times
 * the size of a set behind what belongs to set 0. */
#include "base/limits.h"
#include "nn/graph.h"

#include <string.h>

static uint32_t statistic_tensors(const mu_model *model)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < model->param_count; t++)
        count += !model->params[t].tensor.trainable;
    return count;
}

/* "bn1.running_mean" and 2 make "bn1.running_mean@2". */
static char *name_of_set(mu_store *store, const char *name, uint32_t set)
{
    _Static_assert(MU_STATISTIC_SETS_MAX <= 100, "two digits are enough");
    size_t length = strlen(name);
    char *text = mu_store_take(store, length + sizeof "@99", 1);
    if (!text)
        return NULL;
    memcpy(text, name, length);
    text[length++] = '@';
    if (set >= 10)
        text[length++] = (char)('0' + set / 10);
    text[length] = (char)('0' + set % 10);
    return text;
}

static bool repeat_statistics(mu_store *store, const mu_param *params, uint32_t count, uint32_t sets, size_t set_floats, mu_param *next)
{
    for (uint32_t set = 1; set < sets; set++)
        for (uint32_t t = 0; t < count; t++) {
            if (params[t].tensor.trainable)
                continue;
            *next = params[t];
            next->original = t;
            next->set = set;
            next->tensor.offset += set * set_floats;
            next->tensor.name = name_of_set(store, params[t].tensor.name, set);
            if (!next->tensor.name)
                return false;
            next++;
        }
    return true;
}

mu_status mu_model_add_statistics(mu_model *model, uint32_t sets, mu_error *err)
{
    MU_ASSERT(model->statistic_sets == 1);
    if (sets < 1 || sets > MU_STATISTIC_SETS_MAX)
        return mu_error_set(err, MU_E_RANGE, "%u sets of norm statistics, expected 1 to %u", sets, MU_STATISTIC_SETS_MAX);
    const uint32_t count = model->param_count, added = (sets - 1) * statistic_tensors(model);
    const size_t   set_floats = mu_model_set_floats(model);
    if ((uint64_t)(sets - 1) * set_floats + model->state_count > MU_LIMIT_MODEL_PARAMETERS)
        return mu_error_set(err, MU_E_LIMIT, "with %u sets of norm statistics the model '%s' has more than %zu parameters", sets,
                            model->name, MU_LIMIT_MODEL_PARAMETERS);
    mu_param *params = mu_store_take(&model->store, (size_t)count + added, sizeof *params);
    if (!params || !repeat_statistics(&model->store, model->params, count, sets, set_floats, params + count))
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u sets of norm statistics of model '%s'", sets, model->name);
    memcpy(params, model->params, count * sizeof *params);
    model->params = params;
    model->param_count = model->param_capacity = count + added;
    model->state_count += (sets - 1) * set_floats;
    model->statistic_sets = sets;
    return MU_OK;
}

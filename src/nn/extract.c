/* A part of a model as a model of its own. */
#include "nn/submodel.h"

#include <stdlib.h>
#include <string.h>

static bool same_tensor(const mu_tensor *a, const mu_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0 && a->layout == b->layout &&
           a->offset == b->offset && a->trainable == b->trainable && memcmp(&a->flattened, &b->flattened, sizeof a->flattened) == 0;
}

/* The part's own, made from its text, must lie in memory as the part does: but for sets of statistics behind the first, which it has not. */
static mu_status make_own(const mu_model *part, const char *text, mu_model **out, mu_error *err)
{
    mu_conf *conf = NULL;
    mu_status status = mu_conf_parse("part", text, strlen(text), &conf, err);
    if (!status)
        status = mu_model_create_layers(mu_conf_root(conf), part->input, part->classes, out, err);
    mu_conf_destroy(conf);
    bool same = !status && (*out)->param_count <= part->param_count && (*out)->trainable_count == part->trainable_count &&
                (*out)->state_count - (*out)->trainable_count == mu_model_set_floats(part);
    for (uint32_t t = 0; same && t < (*out)->param_count; t++)
        same = same_tensor(&(*out)->params[t].tensor, &part->params[t].tensor);
    if (status || same)
        return status;
    mu_model_destroy(*out);
    return mu_error_set(err, MU_E_UNSUPPORTED, "model '%s' cannot be written down as layers: what is made of them has other tensors", part->name);
}

mu_status mu_submodel_extract(const mu_submodel *submodel, uint32_t statistics, const float *whole, mu_extracted *out, mu_error *err)
{
    const mu_model *part = mu_submodel_model(submodel);
    MU_ASSERT(statistics < part->statistic_sets);
    *out = (mu_extracted){ 0 };
    mu_status status = mu_model_write(part, &out->text, err);
    if (!status)
        status = make_own(part, out->text, &out->model, err);
    if (status) {
        out->model = NULL;
        mu_extracted_release(out);
        return status;
    }
    const size_t set_floats = mu_model_set_floats(part);
    out->state = malloc((part->state_count ? part->state_count : 1) * sizeof *out->state);
    if (!out->state) {
        mu_extracted_release(out);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the weights of a part of '%s'", part->name);
    }
    mu_submodel_gather(submodel, MU_EXTENT_STATE, whole, out->state);
    float *first = out->state + part->trainable_count;
    memmove(first, first + statistics * set_floats, set_floats * sizeof *first);
    return MU_OK;
}

void mu_extracted_release(mu_extracted *extracted)
{
    mu_model_destroy(extracted->model);
    free(extracted->state);
    free(extracted->text);
    *extracted = (mu_extracted){ 0 };
}

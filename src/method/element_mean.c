#include "method/element_mean.h"

#include "nn/units.h"
#include "tensor/kernels.h"

#include <string.h>

enum { SUM, WEIGHTS, COUNTED }; /* sum of weight * change; sum of weights; what of an update counts, for the one and then for the other */

/* ---- what does not count ---- */

/* The layer that gives the logits, if its output's columns are the classes. */
static const mu_node *classifier_of(const mu_model *model)
{
    const mu_node *last = &model->nodes[model->node_count - 1];
    return strcmp(last->layer->kind, "dense") == 0 && last->output.channels == model->classes ? last : NULL;
}

mu_status mu_element_mean_check_classes(const mu_model *model, mu_error *err)
{
    if (classifier_of(model))
        return MU_OK;
    return mu_error_set(err, MU_E_CONFIG, "model '%s' does not end in a dense layer, so it has no rows of weights that are a class's own",
                        model->name);
}

/* Classes are never cut, so the last layer of a part has all columns too. */
static void clear_other_classes(const mu_model *model, const bool *classes, float *vector)
{
    const mu_node *last = classifier_of(model);
    MU_ASSERT(last);
    for (uint32_t t = last->first_tensor; t < last->first_tensor + last->tensor_count; t++) {
        const mu_tensor *tensor = mu_model_tensor(model, t);
        uint32_t width = mu_tensor_side(tensor, MU_SIDE_OUTPUT);
        MU_ASSERT(width == model->classes);
        float *row = vector + tensor->offset;
        for (size_t r = 0; r < tensor->count / width; r++, row += width)
            for (uint32_t c = 0; c < width; c++)
                row[c] = classes[c] ? row[c] : 0.0f;
    }
}

/* `vector` [state_count] of the model, the whole one or a part. */
static void clear_what_does_not_count(const mu_model *model, const mu_update *update, const mu_element_fold *fold, float *vector)
{
    if (fold->own_classes_only && update->classes)
        clear_other_classes(model, update->classes, vector);
    if (fold->first_statistics)
        memset(vector + mu_model_param_count(model), 0, fold->first_statistics * mu_model_set_floats(model) * sizeof *vector);
}

/* ---- the mean ---- */

mu_status mu_element_mean_fold(mu_control *control, const void *state, const mu_update *update, const mu_element_fold *fold, mu_error *err)
{
    float *counted = mu_control_vector(control, state, COUNTED), *weights = mu_control_vector(control, state, WEIGHTS);
    const mu_model *whole = mu_control_model(control), *model = whole;
    const mu_submodel *part = NULL;
    float weight = (float)fold->weight;
    MU_ASSERT(fold->first_statistics < mu_model_statistic_sets(whole));
    if (update->kept) {
        part = mu_control_part(control, update->kept);
        if (!part)
            return mu_error_set(err, MU_E_MEMORY, "no memory to merge a part of the model");
        model = mu_submodel_model(part);
    }
    /* The change is 0 where it was not trained. */
    const float *change = update->delta;
    if (fold->own_classes_only || fold->first_statistics) {
        memcpy(counted, update->delta, update->count * sizeof *counted);
        clear_what_does_not_count(whole, update, fold, counted);
        change = counted;
    }
    mu_kernels()->axpy(update->count, (float)(fold->weight * (1.0 - fold->withheld)), change, mu_control_vector(control, state, SUM));

    size_t count = mu_model_state_count(model);
    for (size_t i = 0; i < count; i++)
        counted[i] = 1.0f;
    clear_what_does_not_count(model, update, fold, counted);
    if (part)
        mu_submodel_add(part, MU_EXTENT_STATE, weight, counted, weights);
    else
        mu_kernels()->axpy(count, weight, counted, weights);
    return MU_OK;
}

void mu_element_mean_finish(mu_control *control, const void *state, float *model)
{
    float *sum = mu_control_vector(control, state, SUM), *weights = mu_control_vector(control, state, WEIGHTS);
    size_t count = mu_model_state_count(mu_control_model(control));
    for (size_t i = 0; i < count; i++)
        if (weights[i] > 0.0f)
            model[i] += sum[i] / weights[i];
    memset(sum, 0, count * sizeof *sum);
    memset(weights, 0, count * sizeof *weights);
}

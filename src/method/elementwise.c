/* Merging parts, element by element (element_mean.h), whatever left the units out. Of a stale change a part is withheld, so that one device that comes late with
 * units which nobody else has does not set them back. */
#include "base/limits.h"
#include "method/element_mean.h"
#include "method/mean.h"
#include "method/staleness.h"

typedef struct elementwise_state {
    int          weight_by; /* options */
    bool         own_classes;
    mu_staleness staleness;
} elementwise_state;

static const mu_option elementwise_options[] = {
    MU_WEIGHT_BY_ROW(elementwise_state, weight_by, "examples"),
    { "own_classes", MU_OPTION_BOOL, offsetof(elementwise_state, own_classes), 0, 0, "false", NULL, NULL,
      "a class's weights in the last layer are the mean over the devices that have it, where `how` says which they have, as heterofl's mask does" },
    MU_STALENESS_ROWS(elementwise_state, staleness),
};

static mu_status elementwise_prepare(void *self, const mu_model *model, const mu_units *units, const char *conf_path, mu_error *err)
{
    (void)units, (void)conf_path;
    return ((const elementwise_state *)self)->own_classes ? mu_element_mean_check_classes(model, err) : MU_OK;
}

static mu_vectors elementwise_vectors(const void *self)
{
    (void)self;
    return (mu_vectors){ .server = MU_ELEMENT_VECTORS };
}

static mu_status elementwise_fold(mu_control *control, void *self, const mu_task *task, const mu_update *update, mu_error *err)
{
    const elementwise_state *state = self;
    const mu_element_fold fold = {
        .weight = mu_weight_of(state->weight_by, update), .own_classes_only = state->own_classes,
        .withheld = mu_staleness_withheld(&state->staleness, control, task),
    };
    return mu_element_mean_fold(control, state, update, &fold, err);
}

static mu_status elementwise_finish(mu_control *control, void *self, float *model, mu_error *err)
{
    (void)err;
    mu_element_mean_finish(control, self, model);
    return MU_OK;
}

const mu_method mu_method_elementwise = {
    .name = "elementwise",
    .paper = "Diao et al. 2021, arXiv:2010.01264",
    .help = "each element of the model is the mean over those whose part has it; elements of no part stay as they are",
    .state_bytes = sizeof(elementwise_state),
    .vectors = elementwise_vectors,
    .prepare = elementwise_prepare,
    .options = elementwise_options,
    .option_count = MU_COUNT(elementwise_options),
    .merge = &(const mu_merge){ .fold = elementwise_fold, .finish = elementwise_finish },
};

/* The mean of parts: each element of the model is the weighted mean over those who trained it, and stays as it is where nobody did. For every method that
 * merges parts; Diao et al. 2021, arXiv:2010.01264 (HeteroFL), section 3; Horvath et al. 2021, arXiv:2102.13451 (FjORD), equation 2.
 *
 * The sums lie in the server vectors 0 .. MU_ELEMENT_VECTORS - 1 of the method's own (mu_vectors.server), so checkpoints have them. */
#ifndef MUSTER_METHOD_ELEMENT_MEAN_H
#define MUSTER_METHOD_ELEMENT_MEAN_H

#include "muster/method.h"

enum { MU_ELEMENT_VECTORS = 3 };

/* What of an update counts. */
typedef struct mu_element_fold {
    double   weight;           /* above 0 */
    double   withheld;         /* in [0, 1]: how much of the change is not taken, because it is stale. Its weight stays, so that a change that nobody else made is
                                * made smaller too */
    bool     own_classes_only; /* of the last layer's rows and biases those of classes that the device has examples of (update->classes; NULL: all) */
    uint32_t first_statistics; /* sets of norm statistics before this one were not trained: they are the wider networks'. Below mu_model_statistic_sets */
} mu_element_fold;

/* Whether own_classes_only can be asked of the model; for `prepare`. MU_E_CONFIG where it does not end in a dense layer, whose columns are the classes'. */
mu_status mu_element_mean_check_classes(const mu_model *model, mu_error *err);

/* `state`: the method's, which names its vectors. MU_E_MEMORY; then nothing was folded. */
mu_status mu_element_mean_fold(mu_control *control, const void *state, const mu_update *update, const mu_element_fold *fold, mu_error *err);
/* The mean into `model` [state_count], which holds the current version; then the sums begin afresh. */
void      mu_element_mean_finish(mu_control *control, const void *state, float *model);

#endif

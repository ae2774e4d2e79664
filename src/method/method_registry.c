/* Every method there is. */
#include "method/method_registry.h"

#include <string.h>

static const mu_method *const methods[] = {
    &mu_method_fedavg,
    &mu_method_elementwise,
    &mu_method_heterofl,
    &mu_method_fedrolex,
    &mu_method_fjord,
    &mu_method_federated_dropout,
    &mu_method_fluid,
    &mu_method_afd,
    &mu_method_distreal,
    &mu_method_small,
    &mu_method_drop_weak,
    &mu_method_fedprox,
    &mu_method_scaffold,
    &mu_method_fednova,
    &mu_method_fedavgm,
    &mu_method_fedadagrad,
    &mu_method_fedadam,
    &mu_method_fedyogi,
    &mu_method_uneven,
    &mu_method_fedbuff,
    &mu_method_fedasync,
    &mu_method_fedat,
    &mu_method_tifl,
    &mu_method_oort,
    &mu_method_refl,
    &mu_method_fedhisyn,
    &mu_method_fedlesscan,
    &mu_method_phases,
    &mu_method_median,
    &mu_method_trimmedmean,
    &mu_method_krum,
    &mu_method_multikrum,
    &mu_method_geomedian,
    &mu_method_byzantine,
};

static const char *const question_names[] = {
    [MU_WHO] = "who", [MU_WHAT] = "what", [MU_HOW] = "how", [MU_WIRE] = "wire", [MU_WHEN] = "when", [MU_MERGE] = "merge",
};
_Static_assert(MU_COUNT(question_names) == MU_QUESTION_COUNT, "every question has its name");

const char *mu_question_name(mu_question question)
{
    return question_names[question];
}

const mu_method *const *mu_methods(size_t *count)
{
    *count = MU_COUNT(methods);
    return methods;
}

const mu_method *mu_method_named(const char *name)
{
    for (size_t i = 0; i < MU_COUNT(methods); i++)
        if (strcmp(methods[i]->name, name) == 0)
            return methods[i];
    return NULL;
}

bool mu_method_answers(const mu_method *method, mu_question question)
{
    const void *const answers[] = {
        [MU_WHO] = method->who, [MU_WHAT] = method->what, [MU_HOW] = method->how,
        [MU_WIRE] = method->wire, [MU_WHEN] = method->when, [MU_MERGE] = method->merge,
    };
    return answers[question] != NULL;
}

/* A run's folder and the federation that is run into it. */
#include "report/run_folder.h"

#include <stdlib.h>

mu_run_subject mu_run_subject_of(const mu_experiment *experiment, const char *resolved)
{
    const mu_federation_config *config = mu_experiment_config(experiment);
    return (mu_run_subject){
        .name = mu_experiment_name(experiment), .recipe = mu_experiment_recipe(experiment), .resolved = resolved,
        .seed = config->seed, .model = mu_experiment_model(experiment),
        .data = mu_experiment_data(experiment), .fleet = mu_experiment_fleet(experiment),
        .has_widths = config->answers[MU_WHAT].method->what->usable && !config->train.dry,
    };
}

static const mu_history *history_of(const void *self, uint32_t device)
{
    return mu_federation_history(self, device);
}

static mu_time_us idle_time_of(const void *self, uint32_t device)
{
    return mu_federation_idle_time(self, device);
}

mu_status mu_run_folder_finish_federation(mu_run_folder *folder, mu_federation *federation, uint32_t workers, size_t measured_peak_memory_bytes,
                                          mu_error *err)
{
    uint32_t *devices, looked_at;
    mu_evaluation *each;
    mu_status status = mu_federation_look_at_devices(federation, &devices, &each, &looked_at, err);
    if (status)
        return status;
    mu_run_result result = {
        .totals = mu_federation_totals(federation), .state = mu_federation_state(federation),
        .history = history_of, .idle_time = idle_time_of, .history_self = federation, .workers = workers,
        .measured_peak_memory_bytes = measured_peak_memory_bytes,
        .evaluated = devices, .evaluations = each, .evaluated_count = looked_at,
    };
    status = mu_run_folder_finish(folder, &result, err);
    free(each);
    free(devices);
    return status;
}

/* Muster inside a program of one's own: load an experiment, run it in virtual time, watch its rounds.
 *
 *   embed EXPERIMENT.yaml [KEY=VALUE ...]     as with `muster run EXPERIMENT.yaml --set KEY=VALUE` */
#include <muster/experiment.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

typedef struct watcher {
    double first_loss, last_loss; /* on the test set */
} watcher;

static mu_status watch_round(void *self, const mu_round_report *report, mu_error *err)
{
    (void)err;
    watcher *watched = self;
    if (!report->evaluated) return MU_OK;
    if (isnan(watched->first_loss)) watched->first_loss = report->loss;
    watched->last_loss = report->loss;
    printf("round %" PRIu32 "/%" PRIu32 "  accuracy %.4f  loss %.4f  after %.1f s of virtual time, %.2f J\n", report->round, report->rounds,
           report->accuracy, report->loss, (double)report->time * 1e-6, report->energy_j);
    return MU_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: embed EXPERIMENT.yaml [KEY=VALUE ...]\n");
        return 2;
    }
    mu_error       err = { 0 };
    mu_experiment *experiment = NULL;
    mu_simulation *simulation = NULL;
    watcher        watched = { NAN, NAN };
    const mu_observer        observer = { .self = &watched, .round = watch_round };
    const mu_simulate_config config = { .workers = 2 }; /* any number gives the same result */

    mu_status status = mu_experiment_load(argv[1], NULL, (const char *const *)(argv + 2), (size_t)argc - 2, &experiment, &err);
    if (!status) status = mu_simulation_create(experiment, &config, &observer, &simulation, &err);
    if (!status) status = mu_simulation_run(simulation, &err);
    if (!status) {
        const mu_totals *totals = mu_federation_totals(mu_simulation_federation(simulation));
        printf("%s: loss %.4f -> %.4f, %" PRIu64 " updates, %" PRIu64 " bytes up\n", mu_experiment_name(experiment), watched.first_loss,
               watched.last_loss, totals->updates_merged, totals->bytes_up);
    }
    if (status) fprintf(stderr, "embed: %s\n", err.message);
    mu_simulation_destroy(simulation);
    mu_experiment_destroy(experiment);
    return status ? 1 : 0;
}

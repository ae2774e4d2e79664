/* An experiment: one YAML file, understood. What `muster run` runs.
 *
 *   recipe: fedavg                 where the rest starts from (recipes/NAME.yaml); default fedavg
 *   name:, seed:, rounds:
 *   model:                         docs/models.md
 *   data:                          docs/data.md
 *   fleet:                         docs/fleet.md
 *   train:                         local training: epochs, batch size, learning rate, optimiser, schedule
 *   who: what: how: wire: when: merge:   {method: NAME, option: value, ...}
 *   evaluate: {every_rounds: 1, tier_examples: 500}
 *   serve:                         a coordinator's own (include/muster/serve.h); passed over elsewhere
 */
#ifndef MUSTER_EXPERIMENT_H
#define MUSTER_EXPERIMENT_H

#include "muster/conf.h"
#include "muster/federation.h"

typedef struct mu_experiment mu_experiment;

/* `settings`: assignments as after --set, laid over the file, in their order. `recipe` (may be NULL) goes before what the file says. */
MU_API mu_status mu_experiment_load(const char *path, const char *recipe, const char *const *settings, size_t setting_count,
                                    mu_experiment **out, mu_error *err);
/* The same with methods of one's own beside those built in (borrowed until the experiment is destroyed; a name that is built in is refused). */
MU_API mu_status mu_experiment_load_with(const char *path, const char *recipe, const char *const *settings, size_t setting_count,
                                         const mu_method *const *methods, size_t method_count, mu_experiment **out, mu_error *err);
MU_API void      mu_experiment_destroy(mu_experiment *experiment); /* NULL is fine */

MU_API const char     *mu_experiment_name(const mu_experiment *experiment); /* `name:`, else the file's name without its ending */
MU_API const char     *mu_experiment_recipe(const mu_experiment *experiment);
/* Options that the file gives for its own recipe's methods and that those of the recipe asked for do not have, "when.cohort, ...": they are
 * passed over. NULL: none. */
MU_API const char     *mu_experiment_note(const mu_experiment *experiment);
MU_API const mu_model *mu_experiment_model(const mu_experiment *experiment);
MU_API const mu_data  *mu_experiment_data(const mu_experiment *experiment);
MU_API const mu_fleet *mu_experiment_fleet(const mu_experiment *experiment);
/* The same two for whoever takes in what devices report of themselves. */
MU_API mu_data  *mu_experiment_told_data(mu_experiment *experiment);
MU_API mu_fleet *mu_experiment_told_fleet(mu_experiment *experiment);
MU_API const mu_federation_config *mu_experiment_config(const mu_experiment *experiment);
MU_API const mu_conf_node *mu_experiment_section(const mu_experiment *experiment, const char *name); /* resolved; NULL: it says nothing of it */
MU_API const char *mu_experiment_path(const mu_experiment *experiment); /* of the file, as the caller gave it */
/* Everything, defaults included, as YAML (malloc'ed, the caller's): loading it again repeats the run. NULL: no memory. */
MU_API char *mu_experiment_resolved(const mu_experiment *experiment);

/* Option rows at the top of an experiment, and of its `evaluate:` section. */
MU_API const mu_option *mu_experiment_options(size_t *count);
MU_API const mu_option *mu_evaluate_options(size_t *count);

/* Recipes that were built in: recipes/NAME.yaml. The key `about:` in each says in a line what it is. */
typedef struct mu_recipe { const char *name, *text; } mu_recipe;
MU_API const mu_recipe *mu_recipes(size_t *count);

/* ---- running it in virtual time ---- */
typedef struct mu_simulate_config {
    uint32_t    workers;         /* threads; 0: one a processor. Results do not depend on it. */
    const char *checkpoint_path; /* NULL: none */
    bool        resume;
} mu_simulate_config;

typedef struct mu_simulation mu_simulation;

MU_API mu_status mu_simulation_create(const mu_experiment *experiment, const mu_simulate_config *config, const mu_observer *observer,
                                      mu_simulation **out, mu_error *err);
MU_API void      mu_simulation_destroy(mu_simulation *simulation);
MU_API mu_status mu_simulation_run(mu_simulation *simulation, mu_error *err);
MU_API mu_federation *mu_simulation_federation(mu_simulation *simulation);
MU_API uint32_t  mu_simulation_workers(const mu_simulation *simulation);
MU_API size_t    mu_simulation_peak_memory_bytes(const mu_simulation *simulation); /* measured: the most one local training has held */

#endif

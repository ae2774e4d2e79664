/* What the parts of `muster bench savings` share. */
#include "cli/bench_savings.h"

#include "muster/arena.h"

#include <stdlib.h>

mu_status cli_bench_whole_create(const cli_bench_case *named, cli_bench_whole *out, mu_error *err)
{
    cli_bench_whole whole = { .named = named };
    mu_status status = mu_model_create_builtin(named->model, NULL, named->input, named->classes, &whole.model, err);
    if (!status)
        status = mu_units_create(whole.model, &whole.units, err);
    if (!status) {
        whole.weights = mu_arena_block(mu_model_state_count(whole.model) * sizeof *whole.weights);
        whole.kept = calloc(mu_units_count(whole.units) + 1, sizeof *whole.kept);
        if (!whole.weights || !whole.kept)
            status = mu_error_set(err, MU_E_MEMORY, "%s: no memory for its weights", named->name);
    }
    if (status) {
        cli_bench_whole_release(&whole);
        return status;
    }
    mu_model_init(whole.model, 1, whole.weights);
    *out = whole;
    return MU_OK;
}

void cli_bench_whole_release(cli_bench_whole *whole)
{
    free(whole->kept);
    mu_arena_block_free(whole->weights);
    mu_units_destroy(whole->units);
    mu_model_destroy(whole->model);
    *whole = (cli_bench_whole){ 0 };
}

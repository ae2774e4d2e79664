/* Snapshots, and trials from them on as many threads as there are. */
#include "search/proxy.h"

#include "base/pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The tasks of a proxy are told apart as those of a federation are, by (ordinal, device): the training that snapshots are taken from is device 0, trials
 * are those behind it. */
#define TRAINING_DEVICE 0u
#define FIRST_TRIAL_DEVICE 1u

typedef struct mu_proxy_worker {
    mu_trainer *trainer;
    float      *state, *delta; /* [state_count] */
} mu_proxy_worker;

typedef struct trial {
    mu_job          job; /* first */
    mu_proxy       *proxy;
    const uint32_t *counts;
    uint32_t        snapshot, round, repeat;
    mu_gain         gain;
    mu_status       status;
    mu_error        error;
} trial;

struct mu_proxy {
    mu_proxy_config  config;
    size_t           state_count;
    float          **snapshots; /* [snapshots][state_count] */
    mu_gain         *worth;     /* [snapshots] */
    mu_proxy_worker *workers;   /* [workers] */
    mu_pool         *pool;
    atomic_bool      stop;
};

/* ---- one training ---- */

/* What `how` works with: the numbers of units, and the rule that draws them. */
typedef struct part_rule {
    const mu_proxy_config *config;
    const uint32_t        *counts;
} part_rule;

static void choose(const void *state, mu_choice *choice)
{
    const part_rule *rule = state;
    memcpy(choice->counts, rule->counts, mu_units_group_count(choice->units) * sizeof *choice->counts);
    if (choice->kept) {
        mu_random random = mu_choice_random(choice);
        rule->config->draw(choice->units, rule->counts, &random, choice->kept);
    }
}

static void manner(const void *state, mu_manner *manner)
{
    (void)state;
    manner->scaled = true;
}

static const mu_how how_parts = { .choose = choose, .manner = manner };

/* `counts` NULL: the whole network. */
typedef struct task {
    const uint32_t *counts;
    uint32_t        steps, ordinal, device;
} task;

/* worker->state becomes what `start` is after the task. */
static mu_status train(mu_proxy *proxy, mu_proxy_worker *worker, const task *what, const float *start, mu_error *err)
{
    const mu_proxy_config *config = &proxy->config;
    part_rule rule = { config, what->counts };
    const mu_local local = { .how = &how_parts, .state = &rule };
    mu_plan plan = { .ordinal = what->ordinal, .learning_rate = config->train->learning_rate, .train = *config->train };
    plan.train.max_steps = plan.train.local_epochs = what->steps; /* a pass has at least one */
    mu_update update;
    mu_status status = mu_trainer_run(worker->trainer, &plan, &config->training, start, config->seed, what->device,
                                      what->counts ? &local : NULL, &proxy->stop, worker->delta, &update, err);
    for (size_t i = 0; i < proxy->state_count && !status; i++)
        worker->state[i] = start[i] + worker->delta[i];
    return status;
}

/* Batch norms have seen parts, whose outputs are scaled and vary more than the whole network's: what they remember is found anew for it, from a few hundred of
 * the training examples. */
static mu_status find_statistics(mu_proxy *proxy, mu_proxy_worker *worker, mu_error *err)
{
    enum { ENOUGH = 256 };
    const mu_examples *examples = &proxy->config.training;
    const size_t params = mu_model_param_count(proxy->config.model);
    if (params == proxy->state_count)
        return MU_OK;
    return mu_trainer_statistics(worker->trainer, NULL, 0, examples, 0, examples->count < ENOUGH ? examples->count : ENOUGH,
                                 proxy->config.train->batch_size, worker->state, worker->state + params, err);
}

/* What worker->state is worth by the validation examples. */
static mu_status judge(mu_proxy *proxy, mu_proxy_worker *worker, mu_gain *worth, mu_error *err)
{
    mu_evaluation evaluation;
    const mu_examples *validation = &proxy->config.validation;
    mu_status status = find_statistics(proxy, worker, err);
    if (!status)
        status = mu_trainer_evaluate(worker->trainer, validation, 0, validation->count, worker->state, &evaluation, err);
    if (status)
        return status;
    *worth = (mu_gain){ evaluation.loss_sum / (double)evaluation.count, (double)evaluation.correct / (double)evaluation.count };
    const double guessing = log(mu_model_classes(proxy->config.model));
    if (!(worth->loss < guessing))
        worth->loss = guessing;
    return MU_OK;
}

mu_status mu_proxy_train(mu_proxy *proxy, const uint32_t *counts, uint32_t steps, mu_error *err)
{
    const task what = { counts, steps, 0, FIRST_TRIAL_DEVICE };
    return train(proxy, &proxy->workers[0], &what, proxy->snapshots[proxy->config.snapshots - 1], err);
}

/* ---- snapshots ---- */

/* After how many mini-batches snapshot `k` is taken. */
static uint32_t snapshot_step(const mu_proxy_config *config, uint32_t k)
{
    if (k == 0)
        return 0;
    const double along = (double)k / (config->snapshots - 1);
    return (uint32_t)(0.4 * along * along * config->training_steps + 0.5);
}

static mu_status take_snapshots(mu_proxy *proxy, mu_error *err)
{
    mu_proxy_worker *worker = &proxy->workers[0];
    mu_status status = MU_OK;
    mu_model_init(proxy->config.model, proxy->config.seed, worker->state);
    for (uint32_t k = 0; k < proxy->config.snapshots && !status; k++) {
        const uint32_t before = k ? snapshot_step(&proxy->config, k - 1) : 0, steps = snapshot_step(&proxy->config, k) - before;
        if (steps)
            status = train(proxy, worker, &(task){ NULL, steps, k, TRAINING_DEVICE }, proxy->snapshots[k - 1], err);
        memcpy(proxy->snapshots[k], worker->state, proxy->state_count * sizeof(float));
        if (!status)
            status = judge(proxy, worker, &proxy->worth[k], err);
        if (!status && proxy->config.watch && proxy->config.watch(proxy->config.self, 0, 0))
            status = mu_error_set(err, MU_E_INTERRUPTED, "the proxy's training was stopped");
    }
    return status;
}

mu_gain mu_proxy_snapshot(const mu_proxy *proxy, uint32_t snapshot)
{
    MU_ASSERT(snapshot < proxy->config.snapshots);
    return proxy->worth[snapshot];
}

/* ---- making ---- */

static mu_status make(mu_proxy *proxy, mu_error *err)
{
    const mu_proxy_config *config = &proxy->config;
    const size_t state_bytes = proxy->state_count * sizeof(float);
    proxy->snapshots = calloc(config->snapshots, sizeof *proxy->snapshots);
    proxy->worth = calloc(config->snapshots, sizeof *proxy->worth);
    proxy->workers = calloc(config->workers, sizeof *proxy->workers);
    bool failed = !proxy->snapshots || !proxy->worth || !proxy->workers;
    for (uint32_t k = 0; k < config->snapshots && !failed; k++)
        failed = !(proxy->snapshots[k] = malloc(state_bytes));
    mu_status status = MU_OK;
    for (uint32_t w = 0; w < config->workers && !failed && !status; w++) {
        mu_proxy_worker *worker = &proxy->workers[w];
        worker->state = malloc(state_bytes);
        worker->delta = malloc(state_bytes);
        failed = !worker->state || !worker->delta;
        status = mu_trainer_create(config->model, config->units, &worker->trainer, err);
    }
    if (failed)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %u snapshots and %u workers of %zu bytes each", config->snapshots, config->workers,
                            state_bytes);
    return status ? status : mu_pool_create(config->workers, &proxy->pool, err);
}

mu_status mu_proxy_create(const mu_proxy_config *config, mu_proxy **out, mu_error *err)
{
    MU_ASSERT(config->snapshots && config->workers && config->steps);
    mu_proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy)
        return mu_error_set(err, MU_E_MEMORY, "no memory for a proxy");
    proxy->config = *config;
    proxy->state_count = mu_model_state_count(config->model);
    atomic_init(&proxy->stop, false);
    mu_status status = make(proxy, err);
    if (!status)
        status = take_snapshots(proxy, err);
    if (status) {
        mu_proxy_destroy(proxy);
        return status;
    }
    *out = proxy;
    return MU_OK;
}

void mu_proxy_destroy(mu_proxy *proxy)
{
    if (!proxy)
        return;
    mu_pool_destroy(proxy->pool);
    for (uint32_t w = 0; w < proxy->config.workers && proxy->workers; w++) {
        mu_trainer_destroy(proxy->workers[w].trainer);
        free(proxy->workers[w].state);
        free(proxy->workers[w].delta);
    }
    for (uint32_t k = 0; k < proxy->config.snapshots && proxy->snapshots; k++)
        free(proxy->snapshots[k]);
    free(proxy->snapshots);
    free(proxy->worth);
    free(proxy->workers);
    free(proxy);
}

/* ---- trials ---- */

static void run_trial(mu_job *job, uint32_t worker_number)
{
    trial *t = (trial *)job;
    mu_proxy *proxy = t->proxy;
    mu_proxy_worker *worker = &proxy->workers[worker_number];
    const task what = { t->counts, proxy->config.steps, t->round, FIRST_TRIAL_DEVICE + t->repeat * proxy->config.snapshots + t->snapshot };
    mu_gain after;
    t->status = train(proxy, worker, &what, proxy->snapshots[t->snapshot], &t->error);
    if (!t->status)
        t->status = judge(proxy, worker, &after, &t->error);
    if (t->status)
        return;
    const mu_gain *before = &proxy->worth[t->snapshot];
    t->gain = (mu_gain){ before->loss - after.loss, after.accuracy - before->accuracy };
}

/* Waits for all; after the first that failed, or when asked to stop, those that do not run yet are taken back. */
static mu_status wait_for(mu_proxy *proxy, trial *trials, uint32_t count, mu_error *err)
{
    mu_status status = MU_OK;
    for (uint32_t i = 0; i < count; i++) {
        if (status && mu_pool_withdraw(proxy->pool, &trials[i].job))
            continue;
        mu_pool_wait(proxy->pool, &trials[i].job);
        if (!status && trials[i].status) {
            status = trials[i].status;
            if (err)
                *err = trials[i].error;
        }
        if (!status && proxy->config.watch && proxy->config.watch(proxy->config.self, i + 1, count))
            status = mu_error_set(err, MU_E_INTERRUPTED, "stopped after %u of %u trials", i + 1, count);
        if (status)
            atomic_store_explicit(&proxy->stop, true, memory_order_relaxed);
    }
    atomic_store_explicit(&proxy->stop, false, memory_order_relaxed);
    return status;
}

/* In the order of the trials, whichever was done first. */
static void add_up(const trial *trials, uint32_t count, uint32_t trials_each, mu_gain *gains)
{
    for (uint32_t i = 0; i < count; i++) {
        mu_gain sum = { 0, 0 };
        for (uint32_t k = 0; k < trials_each; k++) {
            sum.loss += trials[(size_t)i * trials_each + k].gain.loss;
            sum.accuracy += trials[(size_t)i * trials_each + k].gain.accuracy;
        }
        gains[i] = (mu_gain){ sum.loss / trials_each, sum.accuracy / trials_each };
    }
}

mu_status mu_proxy_gains(mu_proxy *proxy, const uint32_t *counts, uint32_t count, uint32_t round, uint32_t repeats, mu_gain *gains, mu_error *err)
{
    const uint64_t each = (uint64_t)repeats * proxy->config.snapshots, all = each * count;
    if (all == 0)
        return MU_OK;
    trial *trials = all < UINT32_MAX ? calloc(all, sizeof *trials) : NULL;
    if (!trials)
        return mu_error_set(err, MU_E_MEMORY, "no memory for %llu trials", (unsigned long long)all);
    const size_t groups = mu_units_group_count(proxy->config.units);
    for (uint32_t i = 0; i < all; i++) { /* run in their order, all of the same expected cost: so who waits for one after the other is soon told */
        const uint32_t *of = counts + i / each * groups, number = (uint32_t)(i % each);
        trials[i] = (trial){ .job = { .run = run_trial }, .proxy = proxy, .counts = of,
                             .snapshot = number % proxy->config.snapshots, .repeat = number / proxy->config.snapshots, .round = round };
        mu_pool_submit(proxy->pool, &trials[i].job);
    }
    mu_status status = wait_for(proxy, trials, (uint32_t)all, err);
    if (!status)
        add_up(trials, count, (uint32_t)each, gains);
    free(trials);
    return status;
}

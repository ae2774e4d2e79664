/* The networks that are measured, and their steps. */
#include "cli/bench_net.h"

#include <sys/mman.h>

static const cli_bench_case cases[] = {
    { "fedavg-cnn-b32", "fedavg-cnn", { 28, 28, 1 }, 10, 32 },
    { "cifar-cnn-b10", "cifar-cnn", { 32, 32, 3 }, 10, 10 },
    { "cifar-cnn-b32", "cifar-cnn", { 32, 32, 3 }, 10, 32 },
    { "resnet20-b32", "resnet20", { 32, 32, 3 }, 10, 32 },
    { "resnet18-b32", "resnet18", { 32, 32, 3 }, 10, 32 },
    { "char-lstm-b10", "char-lstm-every", { 1, 1, 80 }, 80, 10 },
    { "mlp-b16", "mlp", { 1, 1, 64 }, 10, 16 },
    { "mobilenetv2-32-b32", "mobilenetv2", { 32, 32, 3 }, 10, 32 },
    { "mobilenetv2-96-b8", "mobilenetv2", { 96, 96, 3 }, 10, 8 },
    { "ds-cnn-b32", "ds-cnn", { 49, 10, 1 }, 12, 32 },
    { "femnist-cnn-b20", "femnist-cnn", { 28, 28, 1 }, 62, 20 },
    { "pfl-cnn-b10", "pfl-cnn", { 32, 32, 3 }, 10, 10 },
};

const cli_bench_case *cli_bench_cases(size_t *count)
{
    *count = MU_COUNT(cases);
    return cases;
}

const char *const *cli_bench_case_names(void)
{
    static const char *names[MU_COUNT(cases) + 1];
    for (size_t i = 0; i < MU_COUNT(cases); i++)
        names[i] = cases[i].name;
    return names;
}

mu_step_config cli_bench_step_config(uint32_t batch)
{
    mu_step_config config = mu_step_config_default();
    config.batch_size = batch;
    return config;
}

void cli_bench_net_fill(cli_bench_net *net)
{
    mu_model_init(net->model, 1, mu_step_state(net->step));
    cli_bench_net_fill_batch(net);
}

void cli_bench_net_fill_batch(cli_bench_net *net)
{
    const uint32_t symbols = mu_model_symbols(net->model);
    const mu_shape shape = mu_model_input(net->model);
    const size_t inputs = (size_t)net->batch * shape.height * shape.width * shape.channels;
    const size_t labels = (size_t)net->batch * mu_model_targets(net->model);
    mu_random random = mu_random_stream(1, MU_RANDOM_TEST, 0, 0);
    for (size_t i = 0; i < inputs; i++)
        mu_step_input(net->step)[i] = symbols ? (float)mu_random_below(&random, symbols) : (float)mu_random_normal(&random);
    for (size_t i = 0; i < labels; i++)
        mu_step_labels(net->step)[i] = (int32_t)mu_random_below(&random, mu_model_classes(net->model));
}

mu_status cli_bench_net_create(const mu_model *model, const mu_step_config *config, cli_bench_net *out, mu_error *err)
{
    cli_bench_net net = { .model = model, .batch = config->batch_size, .dropout = mu_random_stream(1, MU_RANDOM_DROPOUT, 0, 0) };
    mu_arena arena = mu_arena_measuring();
    mu_status status = mu_step_plan(model, config, &arena, &net.step, err);
    if (status)
        return status;
    net.planned_bytes = arena.used_bytes;
    net.memory = mmap(NULL, net.planned_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (net.memory == MAP_FAILED)
        return mu_error_set(err, MU_E_MEMORY, "%s: no memory for a step of %zu bytes", mu_model_name(model), net.planned_bytes);
    arena = mu_arena_over(net.memory, net.planned_bytes);
    status = mu_step_plan(model, config, &arena, &net.step, err);
    if (status) {
        munmap(net.memory, net.planned_bytes);
        return status;
    }
    *out = net;
    return MU_OK;
}

void cli_bench_net_release(cli_bench_net *net)
{
    if (net->memory)
        munmap(net->memory, net->planned_bytes);
    *net = (cli_bench_net){ 0 };
}

void cli_bench_net_step(void *self)
{
    cli_bench_net *net = self;
    net->result = mu_step_gradient(net->step, net->batch, &net->dropout);
    mu_step_update(net->step, 0.01);
}

double cli_bench_net_loss(const cli_bench_net *net)
{
    return net->result.loss_sum / ((double)net->batch * mu_model_targets(net->model));
}

uint64_t cli_bench_macs(const mu_model *model, uint32_t batch)
{
    mu_cost cost = mu_model_cost(model, batch);
    return cost.macs_forward + cost.macs_backward;
}

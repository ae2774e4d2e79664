/* The coordinator's look at a model: the test set, in pieces of the size that the simulator takes, so that both come to the same sums; and tiers, on devices. */
#include "net/network_internal.h"

enum { PIECE = 500 };

static void read_test(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels)
{
    mu_data_read_test(self, indices[0], count, x, labels); /* a trainer asks for neighbours */
}

mu_status mu_network_evaluate(void *self, const float *state, const mu_usable *parts, uint32_t part_count, uint32_t tier_examples,
                              mu_evaluation *tests, mu_evaluation *tiers, mu_error *err)
{
    mu_network *network = self;
    const mu_federation_config *federation = network->config.federation;
    mu_status status = network->evaluator ? MU_OK : mu_trainer_create(network->model, federation->units, &network->evaluator, err);
    const uint32_t count = mu_data_test_count(federation->data);
    const mu_examples examples = { .self = federation->data, .count = count, .read = read_test };
    for (uint32_t i = 0; i < part_count && !status; i++) {
        tests[i] = (mu_evaluation){ 0 };
        for (uint32_t first = 0; first < count && !status; first += PIECE) {
            mu_evaluation piece = { 0 };
            status = mu_trainer_evaluate_part(network->evaluator, parts[i].kept, parts[i].statistics, NULL, &examples, first,
                                              count - first < PIECE ? count - first : PIECE, state, &piece, err);
            tests[i].loss_sum += piece.loss_sum;
            tests[i].correct += piece.correct;
            tests[i].count += piece.count;
        }
    }
    return status || !tiers ? status : mu_network_evaluate_tiers(network, state, &parts[0], tier_examples, tiers, err);
}

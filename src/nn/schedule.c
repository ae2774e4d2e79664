/* Learning-rate schedules. */
#include "muster/schedule.h"

#include "base/limits.h"
#include "muster/math.h"

static const char *const kinds[] = { "constant", "step", "exponential", "cosine", NULL };
_Static_assert(MU_COUNT(kinds) == MU_SCHEDULE_COSINE + 2, "every schedule has its word");

static const mu_option options[] = {
    { "kind", MU_OPTION_CHOICE, offsetof(mu_schedule, kind), 0, 0, "constant", kinds, NULL,
      "how the learning rate changes over the rounds" },
    { "warmup_rounds", MU_OPTION_COUNT, offsetof(mu_schedule, warmup_rounds), 0, MU_LIMIT_ROUNDS, "0", NULL, "rounds",
      "the rate grows in equal steps over these first rounds" },
    { "step_rounds", MU_OPTION_COUNT, offsetof(mu_schedule, step_rounds), 1, MU_LIMIT_ROUNDS, "30", NULL, "rounds",
      "step: rounds from one decay to the next" },
    { "decay", MU_OPTION_REAL, offsetof(mu_schedule, decay), 1e-6, 1, "0.1", NULL, NULL,
      "step: factor after every step_rounds; exponential: factor after every round" },
    { "final_fraction", MU_OPTION_REAL, offsetof(mu_schedule, final_fraction), 0, 1, "0", NULL, NULL,
      "cosine: the part of the rate that is left in the end" },
};

mu_schedule mu_schedule_default(void)
{
    return (mu_schedule){ .kind = MU_SCHEDULE_CONSTANT, .step_rounds = 30, .decay = 0.1 };
}

const mu_option *mu_schedule_options(size_t *count)
{
    *count = MU_COUNT(options);
    return options;
}

static double cosine(double fraction, double final_fraction)
{
    double sine, cosine_of_angle;
    mu_sincos(3.141592653589793 * fraction, &sine, &cosine_of_angle);
    return final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + cosine_of_angle);
}

double mu_schedule_factor(const mu_schedule *schedule, uint32_t round, uint32_t rounds)
{
    if (rounds && round >= rounds)
        round = rounds - 1;
    if (round < schedule->warmup_rounds)
        return (round + 1.0) / schedule->warmup_rounds;
    uint32_t t = round - schedule->warmup_rounds;
    uint32_t length = rounds > schedule->warmup_rounds ? rounds - schedule->warmup_rounds : 1;
    switch ((mu_schedule_kind)schedule->kind) {
    case MU_SCHEDULE_CONSTANT: break;
    case MU_SCHEDULE_STEP: return mu_pow(schedule->decay, t / schedule->step_rounds);
    case MU_SCHEDULE_EXPONENTIAL: return mu_pow(schedule->decay, t);
    case MU_SCHEDULE_COSINE: return cosine((double)t / length, schedule->final_fraction);
    }
    return 1.0;
}

/* Where a task stands. One walk over what there is to keep counts its bytes, puts them and takes them, so that the three agree; weights and moments
 * go from where they lie and to where they lie, without a copy. What was taken is believed once the checksum at its end was right: until then
 * only vectors were written that a task which begins afresh fills anew. */
#include "train/place.h"

typedef struct place {
    uint64_t  magic, task;
    uint64_t  updates;        /* of the optimiser ... */
    double    power1, power2; /* ... and the rest of its progress */
    uint64_t  done_macs;      /* where parts are chosen */
    double    loss_sum, squared_loss_sum; /* of the pass that the task is in */
    uint64_t  correct, seen;
    mu_random dropout;
    uint32_t  step;
} place;
_Static_assert(sizeof(place) == 10 * sizeof(uint64_t) + sizeof(mu_random) + sizeof(uint32_t), "no byte of it is unknown");

/* Another one whenever what is kept, or its order, is another. */
static const uint64_t magic = 0x6d757374706c6331u;

/* ---- checksum: FNV-1a of 64 bits, in which no change of a single byte goes unseen ---- */

static const uint64_t empty_sum = 14695981039346656037ull;

static uint64_t sum_on(uint64_t sum, const void *data, size_t size_bytes)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size_bytes; i++)
        sum = (sum ^ bytes[i]) * 1099511628211ull;
    return sum;
}

uint64_t mu_place_task(const mu_training *t)
{
    const mu_plan *plan = t->plan;
    const mu_train_config *train = &plan->train;
    const mu_model *model = t->trainer->trained;
    const uint64_t counts[] = {
        t->view.seed, t->view.device, plan->version, plan->ordinal, plan->phase, t->examples->count, train->local_epochs, train->max_steps,
        train->batch_size, (uint64_t)train->optimizer, train->nesterov, mu_model_state_count(model), mu_model_param_count(model),
        mu_training_chooses(t), t->manner.scaled, t->manner.masked, t->manner.teaches,
    };
    const double reals[] = {
        plan->learning_rate, plan->step_time_s, train->momentum, train->dampening, train->weight_decay, train->beta1, train->beta2,
        train->epsilon, t->manner.label_weight, t->manner.teacher_weight, t->manner.temperature,
    };
    uint64_t sum = sum_on(empty_sum, counts, sizeof counts);
    sum = sum_on(sum, reals, sizeof reals);
    if (plan->kept)
        sum = sum_on(sum, plan->kept, mu_units_count(t->trainer->units) * sizeof *plan->kept);
    return sum_on(sum, t->view.round_start, mu_model_state_count(model) * sizeof(float));
}

/* ---- the walk ---- */

typedef enum direction { COUNT, PUT, TAKE } direction;

typedef struct walk {
    direction        direction;
    const mu_keeper *keeper;
    size_t           size_bytes;
    uint64_t         sum;
    mu_status        status; /* after the first one that failed nothing more is done */
    mu_error        *err;
} walk;

static void pass_piece(walk *w, void *bytes, size_t size_bytes)
{
    if (w->status || size_bytes == 0)
        return;
    w->size_bytes += size_bytes;
    if (w->direction == COUNT)
        return;
    if (w->direction == PUT)
        w->status = w->keeper->put(w->keeper->self, bytes, size_bytes, w->err);
    else if (!w->keeper->take(w->keeper->self, bytes, size_bytes))
        w->status = MU_E_CHECKSUM;
    if (!w->status)
        w->sum = sum_on(w->sum, bytes, size_bytes);
}

/* Whose optimiser remembers; NULL: mu_choosing's own vectors and progress. */
static mu_step *lasting_step(const mu_training *t)
{
    return mu_training_chooses(t) ? t->trainer->choosing.teacher : t->trainer->step;
}

static void pass_all(walk *w, mu_training *t, place *p)
{
    const mu_model *model = t->trainer->trained;
    mu_step *step = lasting_step(t);
    pass_piece(w, p, sizeof *p);
    if (w->direction == TAKE && (p->magic != magic || p->task != t->task))
        w->status = MU_E_CHECKSUM;
    pass_piece(w, t->view.params, mu_model_state_count(model) * sizeof(float));
    for (uint32_t i = 0; i < 2; i++) {
        float *moment = step ? mu_step_moment(step, i) : t->trainer->choosing.moments[i];
        pass_piece(w, moment, moment ? mu_model_param_count(model) * sizeof *moment : 0);
    }
    if (t->manner.masked)
        pass_piece(w, t->local->classes, mu_model_classes(t->trainer->model) * sizeof *t->local->classes);
    const uint64_t right = w->sum;
    uint64_t sum = right;
    pass_piece(w, &sum, sizeof sum);
    if (w->direction == TAKE && sum != right)
        w->status = MU_E_CHECKSUM;
}

/* ---- keeping and taking ---- */

mu_status mu_place_keep(mu_training *t, mu_error *err)
{
    const mu_keeper *keeper = t->local->keeper;
    mu_step *step = lasting_step(t);
    const mu_step_progress progress = step ? mu_step_get_progress(step) : t->trainer->choosing.progress;
    MU_ASSERT(t->view.step > 0 && (!t->manner.masked || t->classes));
    place now = {
        .magic = magic, .task = t->task, .updates = progress.updates, .power1 = progress.power1, .power2 = progress.power2,
        .done_macs = mu_training_chooses(t) ? t->trainer->choosing.done_macs : 0, .loss_sum = t->pass.sums.loss_sum,
        .squared_loss_sum = t->pass.sums.squared_loss_sum, .correct = t->pass.sums.correct, .seen = t->pass.seen, .dropout = t->dropout,
        .step = t->view.step,
    };
    walk count = { .direction = COUNT }, put = { .direction = PUT, .keeper = keeper, .sum = empty_sum, .err = err };
    pass_all(&count, t, &now);
    mu_status status = keeper->begin(keeper->self, count.size_bytes, err);
    if (status)
        return status;
    pass_all(&put, t, &now);
    return put.status ? put.status : keeper->end(keeper->self, err);
}

bool mu_place_take(mu_training *t)
{
    mu_step *step = lasting_step(t);
    place then = { 0 };
    walk take = { .direction = TAKE, .keeper = t->local->keeper, .sum = empty_sum };
    pass_all(&take, t, &then);
    if (take.status || then.step == 0 || then.step > mu_plan_steps(t->plan, t->examples->count) ||
        then.dropout.unused > MU_COUNT(then.dropout.block))
        return false;
    const mu_step_progress progress = { .updates = then.updates, .power1 = then.power1, .power2 = then.power2 };
    if (step)
        mu_step_set_progress(step, progress);
    else
        t->trainer->choosing.progress = progress;
    if (mu_training_chooses(t))
        t->trainer->choosing.done_macs = then.done_macs;
    if (t->manner.masked)
        t->classes = t->local->classes;
    t->pass = (mu_tally){ .sums = { .loss_sum = then.loss_sum, .squared_loss_sum = then.squared_loss_sum, .correct = then.correct },
                          .seen = then.seen };
    t->dropout = then.dropout;
    t->view.step = then.step;
    return true;
}

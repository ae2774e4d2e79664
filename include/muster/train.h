/* Plan, update, and the local trainer: what a device is asked to do, what came back, and the code that does it. The same code trains in the
 * simulator, on a phone and on a microcontroller; it reads no clock, opens no file and allocates only before its first step, or when a part
 * is to be trained that takes more than those before it. */
#ifndef MUSTER_TRAIN_H
#define MUSTER_TRAIN_H

#include "muster/model.h"
#include "muster/option.h"
#include "muster/schedule.h"
#include "muster/status.h"
#include "muster/submodel.h"

#include <stdatomic.h>

/* The `train:` section: local training as every method starts from it. */
typedef struct mu_train_config {
    uint32_t    local_epochs;  /* passes over the device's own data in one task */
    uint32_t    max_steps;     /* stop after this many mini-batches; 0: no limit */
    uint32_t    batch_size;
    double      learning_rate; /* of the first round; the schedule scales it */
    mu_schedule schedule;
    int         optimizer;     /* a mu_optimizer; its state starts afresh in every task */
    double      momentum, dampening, weight_decay, beta1, beta2, epsilon;
    bool        nesterov;
    bool        dry;           /* `train: none`: nothing is trained, the schedule and its prices alone */
    bool        fit_memory;    /* a device that cannot hold the step as it is keeps within its memory (mu_plan.memory_limit_bytes) */
} mu_train_config;

MU_API const mu_option *mu_train_options(size_t *count); /* rows without the schedule, which is the map `schedule:` in it */
MU_API mu_status mu_train_config_read(const mu_conf_node *section, mu_train_config *out, mu_error *err);
MU_API mu_status mu_train_config_write(const mu_train_config *config, mu_conf *conf, mu_conf_node *map, mu_error *err);

/* What a device is to do, as data: it can be printed, priced, saved and sent. */
typedef struct mu_plan {
    uint32_t        version; /* of the model it starts from */
    uint32_t        ordinal; /* how many tasks this device was given before: names its random streams */
    uint32_t        phase;   /* of the run, from 0, where `when` has phases */
    double          learning_rate;
    uint64_t        memory_limit_bytes; /* what the trainer may hold (mu_plan_peak_memory); 0: no limit. It costs time and changes no bit
                                         * of the update: docs/memory.md */
    const bool     *kept;    /* [mu_units_count] the part of the model that is trained, sent and sent back; NULL: all of it. As long as the task */
    double          step_time_s; /* what a mini-batch may take, by the device's own clock: a `how` that chooses parts keeps to it; 0: as long as it
                                  * takes */
    mu_train_config train;   /* local_epochs 0, which only a plan may say: the model is carried and not trained */
} mu_plan;

/* Vectors of the model's length [state_count] that may cross with a task beside the weights, in one direction. */
#define MU_VECTORS_MAX 4

/* What came back. */
typedef struct mu_update {
    const float *delta; /* [state_count]: weights after minus weights before; statistics of norms too. 0 where it was not trained */
    const bool  *kept;  /* the part that was trained: the plan's */
    const bool  *classes; /* [classes] those that the device has examples of, where its `how` masks (mu_manner): mu_local.classes; NULL: not known */
    const float *start; /* [state_count]: the weights before */
    const float *sent[MU_VECTORS_MAX]; /* [state_count] each: what `how` sends beside the change */
    size_t       count;
    uint32_t     num_examples; /* the device's own: the weight of FedAvg */
    uint32_t     steps;        /* mini-batches really trained */
    double       squared_norm; /* of delta, in double; not finite when one of its elements is not. Computed where delta was just written, by
                                * the trainer or by whoever decodes an update from outside (never the sender's word), so that a merge
                                * need not read it twice to check it */
    double       train_loss, train_accuracy; /* means over the predictions of the last pass, before each step; NAN when nothing was trained */
    double       train_squared_loss; /* mean of the squares of those losses */
} mu_update;

/* A device's own examples. `read` may be called from any thread; it fills x [count][h][w][c] and labels [count][targets of the model]. */
typedef struct mu_examples {
    const void *self;
    uint32_t    count;
    void (*read)(const void *self, const uint32_t *indices, uint32_t count, float *x, int32_t *labels);
} mu_examples;

/* What a method may look at and change in a training step. */
typedef struct mu_step_view {
    const mu_model *model;       /* of the part that is trained, and so is all below */
    const mu_plan  *plan;
    uint64_t        seed, device; /* with plan->ordinal they name the random streams of this task */
    const float    *round_start; /* [count] weights that the task began with; NULL where a mini-batch's part is seen (mu_how.choose) */
    float          *params;      /* [count] trainable weights */
    float          *gradient;    /* [count]; NULL outside of a step */
    size_t          count;
    uint32_t        step;        /* 0-based, within the task; after the last one, how many there were */
    const float *const *received; /* [vectors received][count at least]: what came with the model */
    const float *const *own;      /* what this device keeps from task to task; zeroed before its first */
    float *const       *sent;     /* to be filled in by `end`: what goes back with the change */
} mu_step_view;

/* What one mini-batch trains: a part of the model, or of the part that the plan has. */
typedef struct mu_choice {
    const mu_units *units;    /* of the whole model */
    const mu_plan  *plan;     /* plan->kept: the most that may be kept */
    uint64_t        seed, device; /* for mu_choice_random; devices are numbered below 2^32 */
    uint32_t        step;     /* 0-based, within the task */
    double          afford_macs; /* multiply-accumulates, forward and backward, that the device can spend on one example of it, within plan->step_time_s;
                                  * INFINITY: any number */
    uint32_t       *counts;   /* [group_count] to be filled in: how many units of each group, 1 to as many as the plan has */
    bool           *kept;     /* [unit_count] to be filled in: which, among those that the plan has; NULL: only the numbers are asked for */
    uint32_t        statistics; /* to be filled in where the model has several sets of norm statistics: which; arrives 0 */
    uint32_t        plan_statistics; /* likewise, of all that the plan has, which a mini-batch trains too where its manner is to teach; arrives 0 */
} mu_choice;

static inline mu_random mu_choice_random(const mu_choice *choice)
{
    return mu_random_stream(choice->seed, MU_RANDOM_CHOICE, choice->plan->ordinal, (uint64_t)choice->step << 32 | (uint32_t)choice->device);
}

/* How the mini-batches of a `how` are trained beside what an optimiser says. All zero: as everywhere. But for `teaches` it holds whether or not parts are
 * chosen. */
typedef struct mu_manner {
    bool   scaled;  /* outputs of hidden layers are multiplied by all units of the model / those kept, in training (mu_submodel_factors) */
    bool   masked;  /* classes that the device has no example of are left out of the loss (mu_step_manner.held), and the update says which it has */
    bool   teaches; /* with `choose`: all that the plan has is trained on every mini-batch too, by the labels, and teaches the part that was chosen;
                     * both gradients, added up, make one step of the optimiser. Where the choice is all of it, there is nobody to teach. A set of norm
                     * statistics that both work with is updated by the one, then by the other; losses are those of all that the plan has */
    double label_weight, teacher_weight, temperature; /* of the part that is taught: mu_step_manner */
} mu_manner;

/* The question `how`, the device's half. Every member may be NULL. Tasks of many devices run at once: `state` is only read. */
typedef struct mu_how {
    void (*begin)(void *state, const mu_step_view *view);    /* before the first step. Where a task is gone on with it is called again, on the weights
                                                              * that the task began with, before those that were kept take their place */
    void (*gradient)(void *state, const mu_step_view *view); /* after the backward pass, before the optimiser */
    void (*end)(void *state, const mu_step_view *view);      /* after the last step, before the delta is taken */
    /* Which part a mini-batch trains; NULL: all that the plan has. Depends on what `choice` says and on nothing else, so that whoever prices a task and
     * whoever trains it come to the same. `gradient` then sees the part's network and no round_start, or, where it teaches, all that the plan has and the sum of
     * both gradients. An optimiser's step, with its momentum and weight decay, changes what is
     * chosen and nothing else; what it remembers of the rest stays, and Adam counts all steps. `begin` and `end` see the network that the plan has. */
    void (*choose)(const void *state, mu_choice *choice);
    void (*manner)(const void *state, mu_manner *manner); /* arrives all zero; NULL: stays so */
    /* On the device, once its update was merged: change what it keeps. An update that was lost or refused changes nothing. */
    void (*settled)(void *state, float *const *own, const float *const *sent, size_t count);
} mu_how;

/* Keeps where a task stands, so that it can be gone on with after the device was switched off, and ends with the bits of a task that never stopped.
 * A place is what these functions are given, in pieces; only the same build reads it. The trainer knows by a checksum in it whether it is whole
 * and of this task: of the same plan but for its memory limit, number of examples, start, seed, device and manner. If it is not, the task begins
 * afresh. The same examples, method and what the method has (received, own) are the caller's business; so is a place that somebody made on purpose. */
typedef struct mu_keeper {
    void *self;
    bool (*is_due)(void *self, uint32_t step, uint32_t steps); /* asked after each mini-batch, the last too; `step` of `steps` are done: keep a
                                                                * place now? When `stop` ends a training one is kept, asked or not */
    /* A place of that many bytes begins, its pieces follow, it is complete. Until then the one before it is still the one to go on from: a file, say,
     * is written under another name and then renamed. What one of these fails with ends the training. */
    mu_status (*begin)(void *self, size_t size_bytes, mu_error *err);
    mu_status (*put)(void *self, const void *bytes, size_t size_bytes, mu_error *err);
    mu_status (*end)(void *self, mu_error *err);
    /* Before the first mini-batch: the pieces of the last complete place in their order, from its beginning. false: there are not so many bytes, or
     * there is no place. What was taken remains kept. */
    bool (*take)(void *self, void *bytes, size_t size_bytes);
} mu_keeper;

/* A method's half on the device, and what it works with there: arrays of as many vectors [state_count] as it declares. */
typedef struct mu_local {
    const mu_how       *how;
    void               *state;
    const float *const *received, *const *own;
    float *const       *sent;
    bool               *classes; /* [mu_model_classes] the caller's, as `delta` is: filled in where `how` masks, and then what update->classes
                                  * points to. NULL: where it does not */
    /* With plan->step_time_s: multiply-accumulates that the device can do within it from now on, by its own clock or trace, `done_macs` of the task being
     * done. NULL: any number. */
    double (*afford)(const void *clock, const mu_plan *plan, uint64_t done_macs);
    const void *clock;
    const mu_keeper *keeper; /* NULL: no place is kept */
} mu_local;

/* ---- counting, before anything runs ---- */

/* Mini-batches that the plan trains on a device with that many examples. */
MU_API uint32_t mu_plan_steps(const mu_plan *plan, uint32_t num_examples);
/* Examples that pass through the network, all passes together. */
MU_API uint64_t mu_plan_samples(const mu_plan *plan, uint32_t num_examples);
/* Multiply-accumulates of the whole task, without what a memory limit adds. */
MU_API uint64_t mu_plan_macs(const mu_model *model, const mu_plan *plan, uint32_t num_examples);
/* What plan->memory_limit_bytes adds to it. */
typedef struct mu_plan_extra {
    uint64_t macs, moved_bytes;
} mu_plan_extra;
/* Exact bytes that the trainer takes for it: the step's arena, the order of the examples, the weights it began with. With
 * `plain_kernels`: on a device that runs the reference kernels. That is what devices are priced with, so that who can hold a plan does not
 * depend on the processor that asks; without, it is what a trainer takes here, where faster kernels may want more scratch. A plan that cannot
 * keep within its limit is no error: it takes more than the limit, the least that it can. `extra` may be NULL. */
MU_API mu_status mu_plan_peak_memory(const mu_model *model, const mu_plan *plan, uint32_t num_examples, bool plain_kernels,
                                     size_t *size_bytes, mu_plan_extra *extra, mu_error *err);

/* What the step of a part takes, as a plan whose mini-batches train parts has it: mu_step_plan of the part, with the plan's optimiser and without a memory
 * limit. It depends on how many units of each group are kept, not on which. */
MU_API mu_status mu_plan_step_bytes(const mu_model *part, const mu_plan *plan, bool plain_kernels, size_t *size_bytes, mu_error *err);
/* mu_plan_peak_memory where `how` chooses. `held` is the network that the plan has. What the trainer takes: all the time the weights of `held` that the task
 * began with, the order of the examples and, if manner->teaches, a whole step of `held`, otherwise its weights as they are now and what the optimiser
 * remembers; beside that one part's step at a time. part_step_bytes: the most that any mini-batch's part takes, by mu_plan_step_bytes; if it teaches, of those
 * that are narrower than `held`, and 0 where none is. It knows no memory limit. Not counted, here as everywhere: descriptions of networks (units, submodels,
 * choices, factors), which are small and the same for any batch, and what is the caller's (`start`, `delta`, vectors, classes). */
MU_API mu_status mu_plan_peak_memory_choosing(const mu_model *held, const mu_plan *plan, const mu_manner *manner, uint32_t num_examples,
                                              size_t part_step_bytes, bool plain_kernels, size_t *size_bytes, mu_error *err);

/* ---- the trainer ---- */
typedef struct mu_trainer mu_trainer;

/* One trainer serves one thread. It owns one block of memory, grown when a plan needs more. */
/* `units` are the model's, for plans that keep a part of them; NULL: there will be none. Both outlive the trainer. */
MU_API mu_status mu_trainer_create(const mu_model *model, const mu_units *units, mu_trainer **out, mu_error *err);
MU_API void      mu_trainer_destroy(mu_trainer *trainer); /* NULL is fine */
MU_API size_t    mu_trainer_peak_bytes(const mu_trainer *trainer); /* the most it ever held */

/* Carry out a plan: `start` [state_count] borrowed, `delta` [state_count] filled in and pointed to by out->delta, as
 * out->start points to `start`. `seed` is the run's, `device` names the random streams. `local` may be NULL: plain training. `stop` (may
 * be NULL) ends the training early with MU_E_INTERRUPTED. A loss that is no longer finite is not an error here: who merges looks at the
 * update. */
MU_API mu_status mu_trainer_run(mu_trainer *trainer, const mu_plan *plan, const mu_examples *examples, const float *start, uint64_t seed,
                                uint64_t device, const mu_local *local, const atomic_bool *stop, float *delta, mu_update *out,
                                mu_error *err);

/* Loss and accuracy of `state` on the examples first .. first+count-1 of a source. */
typedef struct mu_evaluation {
    double   loss_sum;
    uint64_t correct, count; /* of predictions: as many for each example as the model has targets */
} mu_evaluation;
MU_API mu_status mu_trainer_evaluate(mu_trainer *trainer, const mu_examples *examples, uint32_t first, uint32_t count, const float *state,
                                     mu_evaluation *out, mu_error *err);
/* The same of a part of it: the network of the units that are kept [mu_units_count] (NULL: all), with that set of norm statistics. Logits of
 * classes that are not in `classes` [mu_model_classes] (NULL: all are) count as 0, as in mu_step_evaluate_held. */
MU_API mu_status mu_trainer_evaluate_part(mu_trainer *trainer, const bool *kept, uint32_t statistics, const bool *classes,
                                          const mu_examples *examples, uint32_t first, uint32_t count, const float *state,
                                          mu_evaluation *out, mu_error *err);

#define MU_STATISTICS_BATCH 50u /* of those that a federation finds, wherever it runs */
/* Batch norms' running statistics of those weights, found anew: the mean of those of batches of up to `batch_size` of the examples first ..
 * first+count-1, in their order, each weighted by its examples; that is what HeteroFL (Diao et al. 2021, arXiv:2010.01264) does once, when training is
 * over. `out` [mu_model_state_count - mu_model_param_count]: what `state` has behind its weights, but for set `statistics` of the units that are kept
 * (NULL: all), which is replaced. count and batch_size: at least 1. */
MU_API mu_status mu_trainer_statistics(mu_trainer *trainer, const bool *kept, uint32_t statistics, const mu_examples *examples,
                                       uint32_t first, uint32_t count, uint32_t batch_size, const float *state, float *out, mu_error *err);

#endif

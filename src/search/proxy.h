/* A proxy: how fast a network learns when mini-batches train random parts of it, told by short trainings on data that are there for the purpose.
 *
 * DISTREAL (Rapp et al. 2022, arXiv:2112.08761) judges a vector of dropout rates by the progress of a training with it. A network that has
 * learnt something takes to a rate in another way than one that has not, so this is looked at from several points:
 *
 *     snapshots   of one training of the whole network; number k of S after 0.4 (k / (S - 1))^2 of it: with three after 0, 10 and 40 %
 *     trial       from a snapshot, `steps` mini-batches; each trains a part with so many units of each group, drawn for it; then the whole network is
 *                 judged by the validation examples: what it has gained on the snapshot
 *     gain        mean over all snapshots and `repeats` trials of each
 *
 * A trial runs the trainer that devices run, and the part is drawn as theirs is. Trials of one round and repeat see the same mini-batches in the same order
 * and draw from the same stream, whatever they train: luck that all have alike is no difference between them. */
#ifndef MUSTER_SEARCH_PROXY_H
#define MUSTER_SEARCH_PROXY_H

#include "muster/train.h"

typedef struct mu_proxy_config {
    const mu_model        *model;
    const mu_units        *units;
    const mu_train_config *train; /* batch size, learning rate, optimiser; how long is said here */
    mu_examples            training, validation;
    void (*draw)(const mu_units *units, const uint32_t *counts, mu_random *random, bool *kept); /* mu_width_random */
    uint64_t               seed;
    uint32_t               snapshots;      /* at least 1 */
    uint32_t               training_steps; /* mini-batches of the training that they are taken from, of which the last 60 % are never run */
    uint32_t               steps;          /* of a trial */
    uint32_t               workers;        /* threads; gains do not depend on it */
    /* Asked now and then, from the thread that waits; true: stop with MU_E_INTERRUPTED. `done` of `count` trials are over. May be NULL. */
    bool (*watch)(void *self, uint32_t done, uint32_t count);
    void *self;
} mu_proxy_config;

/* Both are differences to the snapshot, per prediction: what is removed of the loss, and added to the accuracy. The loss of a network that is worse than
 * guessing is taken to be that of guessing, log(classes): how far a training that went astray has gone would tell nothing and drown the others. */
typedef struct mu_gain {
    double loss, accuracy;
} mu_gain;

typedef struct mu_proxy mu_proxy;

/* Trains up to the last snapshot. What the configuration points to must outlive the proxy. */
mu_status mu_proxy_create(const mu_proxy_config *config, mu_proxy **out, mu_error *err);
void      mu_proxy_destroy(mu_proxy *proxy); /* NULL is fine */

/* gains[count] of `count` vectors of numbers of units counts[count][group_count]. Round and repeats name the random streams. */
mu_status mu_proxy_gains(mu_proxy *proxy, const uint32_t *counts, uint32_t count, uint32_t round, uint32_t repeats, mu_gain *gains, mu_error *err);

/* What the whole network is worth at a snapshot: loss and accuracy, per prediction. */
mu_gain mu_proxy_snapshot(const mu_proxy *proxy, uint32_t snapshot);

/* So many mini-batches with these numbers of units, from the last snapshot, on the calling thread, for who wants to time them. Not while gains are being
 * computed. */
mu_status mu_proxy_train(mu_proxy *proxy, const uint32_t *counts, uint32_t steps, mu_error *err);

#endif

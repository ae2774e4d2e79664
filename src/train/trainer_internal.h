/* What the trainer is inside: for plain training (trainer.c) and for mini-batches that train parts (choosing.c). */
#ifndef MUSTER_TRAIN_TRAINER_INTERNAL_H
#define MUSTER_TRAIN_TRAINER_INTERNAL_H

#include "muster/train.h"

/* The HELD network is the one that a plan has: the whole model, or the part of it that plan->kept says. */
typedef struct mu_choosing {
    /* Of the numbers of units that are held; made anew when a plan holds others. */
    unsigned char  *shape_block;
    mu_units       *part_units; /* the held network's, where it is a part; NULL: it is the whole model, whose units the trainer has */
    mu_submodel    *part;       /* of the held network: what a mini-batch trains */
    uint32_t       *has;        /* [groups] how many units are held */
    uint32_t       *counts;     /* [groups] and kept by a mini-batch's choice ... */
    bool           *kept;       /* [units of the model] ... and which */
    bool           *inner;      /* [units of the held network] the same choice */
    float          *factors;    /* [layers] of the part, relative to the whole model */
    /* Of a task. */
    unsigned char  *block;
    size_t          block_bytes;
    size_t          used_bytes; /* of it: what is there all the time */
    mu_step        *teacher;    /* of the held network, which has weights and moments of its own; NULL: it does not teach, and then */
    float          *state, *moments[2]; /* these are the held network's */
    mu_step_progress progress;
    mu_step        *step;       /* of the part, in the trainer's block; NULL: none planned */
    uint64_t        held_macs, done_macs; /* of one example of the held network; of the task, until now */
} mu_choosing;

/* One block holds what the current plan needs; a plan with the same step configuration finds its step as it left it. */
struct mu_trainer {
    const mu_model *model;
    const mu_units *units;
    const mu_model *trained; /* the model, or the part of it that the step is planned for */
    unsigned char  *part_block; /* made for the first plan that keeps a part */
    mu_submodel    *part;       /* in it */
    float          *part_start; /* behind it: [state_count of the model] what a part began with, then how it changed */
    float          *factors;    /* [layers] of the part relative to the whole model */
    unsigned char  *block;
    size_t          block_bytes, peak_bytes;
    mu_step        *step; /* in the block; NULL: none planned */
    mu_step_config  step_config;
    uint32_t       *order; /* in the block, behind the step; where parts are chosen, in the block of what is there all the time */
    uint32_t        order_capacity;
    mu_choosing     choosing;
};

/* Sums over a pass. */
typedef struct mu_tally {
    mu_step_result sums;
    uint64_t       seen; /* predictions */
} mu_tally;

/* A task under way. */
typedef struct mu_training {
    mu_trainer        *trainer;
    const mu_plan     *plan;
    const mu_examples *examples;
    const mu_local    *local;
    const mu_how      *how;     /* NULL: plain training */
    mu_manner          manner;
    const float       *factors; /* [layers] of the network that the plan has; NULL: all 1 */
    const bool        *classes; /* those that the device has, once they were looked for; NULL: nobody asked */
    mu_random          shuffle, dropout;
    uint32_t           position; /* in this pass; at its end the next one begins */
    mu_tally           pass;
    uint64_t           task;     /* mu_place_task, where a place is kept */
    mu_step_view       view;
} mu_training;

static inline bool mu_training_chooses(const mu_training *training)
{
    return training->how && training->how->choose;
}

/* Make the trainer's block that large. What was in it is lost. */
mu_status mu_trainer_grow(mu_trainer *trainer, size_t size_bytes, mu_error *err);

/* Where classes are to be masked: find those that the device has, once. What is in the step's input and labels is lost. */
void mu_training_find_classes(mu_training *training, mu_step *step);

#endif

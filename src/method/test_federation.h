/* For tests of methods: a small federation over a carrier that does what the test says. Device d's task takes so long, comes to this
 * change, with that many examples and that loss, or is lost; so rounds, means and accounts can be worked out by hand.
 *
 *     test_federation *t = test_federation_create("when: {method: mine, wait_s: 3}\n");
 *     t->devices[2].takes_s = 5;
 *     test_federation_run(t);
 *     assert_float_equal(test_federation_weight(t), 3.5, 0);
 *     test_federation_destroy(t);
 *
 * The model has 20 parameters, which all begin at 0 and, with scripts without slope, stay equal. All devices are workstations and always
 * there; all of it can be said otherwise in YAML. */
#ifndef MUSTER_METHOD_TEST_FEDERATION_H
#define MUSTER_METHOD_TEST_FEDERATION_H

#include "muster/experiment.h"
#include "muster/federation.h"

enum { TEST_DEVICES_MAX = 64, TEST_QUEUE_MAX = 512, TEST_ROUNDS_MAX = 512, TEST_EVENTS_MAX = 8192 };

/* The script of a device: read when a task is sent to it, so it may change between events (test_federation.sending). */
typedef struct test_device {
    double   takes_s;      /* 1 + its number, if nothing is said */
    double   adds;         /* to every element of the model: 1 + its number; NAN and INFINITY are welcome */
    double   slope;        /* and this times the element's number: 0 */
    double   loss, accuracy; /* its training loss: its number; its training accuracy: 0.5 */
    uint32_t num_examples; /* of the update: 10 * (1 + its number); not those that mu_control_num_examples knows */
    uint32_t steps;        /* 1 */
    bool     goes_away;    /* the task is lost at its end, with a quarter of its price spent */
    double   optimum;      /* where devices train: see test_federation.trains */
} test_device;

typedef struct test_event {
    mu_happening happening;
    uint32_t     device, round, staleness;
    uint64_t     label;
    mu_time_us   at;
} test_event;

typedef struct test_entry {
    mu_time_us at;
    uint64_t   sequence, label;
    bool       used, timer, lost, came, went;
    uint32_t   device; /* came, went */
    mu_task    task;
    mu_update  update;
    float     *memory; /* [1 + sent][state_count] */
} test_entry;

typedef struct test_federation {
    test_device devices[TEST_DEVICES_MAX];
    /* Devices do not add but train: device d minimises 1/2 |x - optimum|^2 by `steps` gradient steps with the plan's learning rate, momentum and
     * weight decay, and the method that answers `how` is asked at every step. Statistics of norms still get `adds`. */
    bool trains;
    /* Called before a task goes out; may change the device's script. */
    void (*sending)(struct test_federation *t, const mu_task *task);
    /* Called with what a task came to, before it arrives; may change it. */
    void (*arriving)(struct test_federation *t, const mu_task *task, mu_update *update);
    void *context; /* the test's own */
    uint32_t stop_after_round; /* 0: never */
    /* Where presence is told. Called before a device comes: what it tells of itself goes to mu_experiment_told_fleet and _data. */
    void (*coming)(struct test_federation *t, uint32_t device);
    /* What the task really cost; NULL: not measured. */
    const mu_price *(*measured)(struct test_federation *t, const mu_task *task);
    uint32_t saved; /* how often the carrier was told of a checkpoint */

    mu_experiment   *experiment;
    mu_federation   *federation;
    mu_round_report  rounds[TEST_ROUNDS_MAX]; /* [0] is the one before any training */
    test_event       events[TEST_EVENTS_MAX];
    uint32_t         presence_told[2]; /* times that a device was said to have gone, and to have come */
    uint32_t         round_count, event_count, happened[8]; /* by mu_happening */
    size_t           state_count;
    uint32_t         device_count, cancelled;

    mu_answer  how;
    mu_vectors crossing;
    float     *own; /* [device_count][crossing.own][state_count] */
    test_entry queue[TEST_QUEUE_MAX];
    uint64_t   sequence;
    mu_time_us now;
    float     *start, *delivered;
} test_federation;

/* `more`: lines of YAML beside, or in place of, these:
 *     seed: 3
 *     rounds: 4
 *     model: {layers: [{average_pool: pool, size: 28}, flatten, {dense: fc}]}
 *     data: {name: writers, devices: 6}
 *     fleet: {mix: {workstation: 1}}
 *     train: {learning_rate: 0.1}
 * What is wrong with it fails the test. `checkpoint_path` may be NULL; with `resume` it goes on from there. */
test_federation *test_federation_create(const char *more);
test_federation *test_federation_create_at(const char *more, const char *checkpoint_path, bool resume);
void             test_federation_destroy(test_federation *t);
/* A federation whose devices are not played here: presence is told, nobody looks at their examples. `start_devices` as in the configuration. */
test_federation *test_federation_create_told(const char *more, uint32_t start_devices, const char *checkpoint_path, bool resume);
void             test_federation_come(test_federation *t, uint32_t device, double at_s);
void             test_federation_go(test_federation *t, uint32_t device, double at_s);
/* To the end; anything else fails the test. (mu_federation_run(t->federation, ...) for a run that is to fail.) */
void             test_federation_run(test_federation *t);
/* Only whether such an experiment is accepted, and if not, why. */
mu_status        test_federation_try(const char *more, mu_error *err);

static inline float test_federation_weight(const test_federation *t)
{
    return mu_federation_state(t->federation)[0];
}

#endif

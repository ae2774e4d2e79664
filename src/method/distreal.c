/* DISTREAL: before every mini-batch a device looks at what it can afford now, and trains as much of the model as that is good for. Rapp, Khalili,
 * Pfeiffer and Henkel 2022, arXiv:2112.08761.
 *
 * The whole model goes down and comes back; what changes with a device's speed is how many units of each group a mini-batch trains, by a table
 * that was searched for beforehand (distreal_table.h), and which ones is drawn anew every time. Outputs are scaled by all units over those kept. The server is
 * FedAvg's: an element that a device did not come to has not changed there, and counts as that. */
#include "base/file.h"
#include "method/clip.h"
#include "method/distreal_table.h"
#include "method/width_rules.h"
#include "muster/method.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

typedef struct distreal_state {
    const char       *table;
    double            most_rate, pace, clip_norm;
    int               redraw;
    double            middle_macs_per_s; /* 0: not looked up yet */
    char              path[PATH_BYTES]; /* of the table, from the root */
    mu_distreal_table rows;
} distreal_state;

enum { REDRAW_FOR_BATCH, REDRAW_FOR_TASK };
static const char *const redraws[] = { [REDRAW_FOR_BATCH] = "mini-batch", [REDRAW_FOR_TASK] = "task", NULL };

static const mu_option distreal_options[] = {
    { "table", MU_OPTION_TEXT, offsetof(distreal_state, table), 0, 0, "", NULL, NULL,
      "CSV by 'muster search distreal', beside the experiment's file; none: the same rate in all layers, 0, 0.1 ... as far as most_rate" },
    { "most_rate", MU_OPTION_REAL, offsetof(distreal_state, most_rate), 0, 0.9, "0.9", NULL, NULL,
      "without a table: the largest part of a layer's units that a mini-batch leaves out" },
    { "pace", MU_OPTION_REAL, offsetof(distreal_state, pace), 1e-3, 1e3, "1", NULL, NULL,
      "time that a mini-batch may take, in times of one of the whole model on the middle one of the fleet's classes by speed (of two, the faster)" },
    { "clip_norm", MU_OPTION_REAL, offsetof(distreal_state, clip_norm), 0, 1e9, "0", NULL, NULL,
      "greatest length of a mini-batch's gradient, which grows with every layer that is scaled; 0: any" },
    { "redraw", MU_OPTION_CHOICE, offsetof(distreal_state, redraw), 0, 0, "mini-batch", redraws, NULL,
      "which units are kept is drawn for every mini-batch; or once for a task, in which the others then learn nothing" },
};

static mu_status distreal_check_setting(const void *self, const mu_setting *setting, mu_error *err)
{
    (void)self;
    const mu_method *what = setting->answers[MU_WHAT], *how = setting->answers[MU_HOW];
    return what == how ? MU_OK : mu_error_set(err, MU_E_CONFIG, "distreal has to answer both 'what' and 'how', for what a mini-batch trains follows from the "
                                              "time that it has; here they are '%s' and '%s'", what->name, how->name);
}

/* ---- once the model is known ---- */

static mu_status find_table(distreal_state *state, const char *conf_path, mu_error *err)
{
    char *beside = mu_path_beside(conf_path, state->table);
    if (!beside)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the path of the table");
    char *absolute = realpath(beside, NULL);
    mu_status status = MU_OK;
    if (!absolute)
        status = mu_error_set(err, MU_E_IO, "table: %s: %s", beside, strerror(errno));
    else if (strlen(absolute) >= sizeof state->path)
        status = mu_error_set(err, MU_E_LIMIT, "table: a path of more than %d bytes", PATH_BYTES - 1);
    else
        state->table = strcpy(state->path, absolute); /* so that the resolved text finds it from anywhere */
    free(absolute);
    free(beside);
    return status;
}

static mu_status distreal_prepare(void *self, const mu_model *model, const mu_units *units, const char *conf_path, mu_error *err)
{
    (void)model;
    distreal_state *state = self;
    if (!*state->table)
        return mu_distreal_table_uniform(&state->rows, units, state->most_rate, err);
    mu_file file;
    mu_status status = find_table(state, conf_path, err);
    if (!status)
        status = mu_file_map(state->path, &file, err);
    if (status)
        return status;
    status = mu_distreal_table_decode(&state->rows, units, state->path, file.data, file.size_bytes, err);
    mu_file_unmap(&file);
    return status;
}

/* ---- what ---- */

static double macs_per_s_of(const mu_fleet *fleet, uint32_t class)
{
    return mu_fleet_class(fleet, class)->macs_per_s[MU_PRECISION_FP32];
}

/* The speed of the class that half of the others, rounded up, are slower than; of classes alike, the one that comes first counts as slower. It is of classes and
 * not of devices, so that a device that is never there changes nothing. */
static double middle_macs_per_s(const mu_fleet *fleet)
{
    uint32_t count = mu_fleet_class_count(fleet);
    double middle = 0;
    for (uint32_t class = 0; class < count; class++) {
        uint32_t slower = 0;
        for (uint32_t other = 0; other < count; other++) {
            double difference = macs_per_s_of(fleet, class) - macs_per_s_of(fleet, other);
            slower += difference > 0 || (difference == 0 && other < class);
        }
        if (slower == count / 2)
            middle = macs_per_s_of(fleet, class);
    }
    return middle;
}

/* The same for all, and known without asking anybody. */
static mu_status distreal_plan(mu_control *control, void *self, uint32_t device, mu_plan *plan, bool *kept, mu_error *err)
{
    (void)device;
    (void)kept;
    (void)err;
    distreal_state *state = self;
    const mu_distreal_table *rows = &state->rows;
    if (state->middle_macs_per_s == 0)
        state->middle_macs_per_s = middle_macs_per_s(mu_control_fleet(control));
    double whole_s = (double)rows->macs[rows->row_count - 1] * plan->train.batch_size / state->middle_macs_per_s;
    plan->step_time_s = state->pace * whole_s * (1 + 1e-9); /* a rounding error must not cost a row */
    return MU_OK;
}

/* ---- how ---- */

static void distreal_choose(const void *self, mu_choice *choice)
{
    const distreal_state *state = self;
    const uint32_t *counts = mu_distreal_table_row(&state->rows, mu_distreal_table_choose(&state->rows, choice->afford_macs));
    memcpy(choice->counts, counts, state->rows.group_count * sizeof *counts);
    if (!choice->kept)
        return;
    mu_choice named = *choice;
    if (state->redraw == REDRAW_FOR_TASK)
        named.step = 0;
    mu_random random = mu_choice_random(&named);
    mu_width_random(choice->units, counts, &random, choice->kept);
}

static void distreal_gradient(void *self, const mu_step_view *view)
{
    mu_clip_gradient(view, ((const distreal_state *)self)->clip_norm);
}

static void distreal_manner(const void *self, mu_manner *manner)
{
    (void)self;
    manner->scaled = true;
}

const mu_method mu_method_distreal = {
    .name = "distreal",
    .paper = "Rapp et al. 2022, arXiv:2112.08761",
    .help = "each mini-batch trains as much of the model as the device can afford at that moment",
    .state_bytes = sizeof(distreal_state),
    .options = distreal_options,
    .option_count = MU_COUNT(distreal_options),
    .check_setting = distreal_check_setting,
    .prepare = distreal_prepare,
    .what = &(const mu_what){ .plan = distreal_plan },
    .how = &(const mu_how){ .gradient = distreal_gradient, .choose = distreal_choose, .manner = distreal_manner },
};

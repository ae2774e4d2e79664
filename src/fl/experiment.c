/* An experiment: recipe, file and settings laid over each other, and every section understood. */
#include "muster/experiment.h"

#include "base/file.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mu_experiment {
    char                *path; /* of the file */
    mu_conf             *conf;
    mu_conf             *options; /* of the methods, gathered by method; TEXT options point into it */
    const char          *recipe;
    char                *name;
    char                 note[256]; /* options of the file that were passed over */
    mu_model            *model;
    mu_units            *units;
    mu_data             *data;
    mu_fleet            *fleet;
    mu_federation_config config;
    const mu_method *const *more; /* the caller's own methods */
    size_t               more_count;
    void                *states[MU_QUESTION_COUNT]; /* of distinct methods; the answers point to them */
};

typedef struct general_config {
    const char *recipe, *name;
    uint64_t    seed;
    uint32_t    rounds, checkpoint_every_rounds;
} general_config;

static const mu_option general_rows[] = {
    { "recipe", MU_OPTION_TEXT, offsetof(general_config, recipe), 0, 0, "fedavg", NULL, NULL, "what the rest starts from; muster list recipes" },
    { "name", MU_OPTION_TEXT, offsetof(general_config, name), 0, 0, "", NULL, NULL, "what the run is called; default: the file's name" },
    { "seed", MU_OPTION_SEED, offsetof(general_config, seed), 0, 0, "1", NULL, NULL, "same seed, same run" },
    { "rounds", MU_OPTION_COUNT, offsetof(general_config, rounds), 0, MU_LIMIT_ROUNDS, "10", NULL, "rounds", "versions of the model to make" },
    { "checkpoint_every_rounds", MU_OPTION_COUNT, offsetof(general_config, checkpoint_every_rounds), 1, MU_LIMIT_ROUNDS, "1", NULL, "rounds",
      "how often what a resume needs is written: with millions of devices it is large" },
};

static const char *const norm_statistics_names[] = { [MU_NORM_STATISTICS_TRAINED] = "trained", [MU_NORM_STATISTICS_DEVICES] = "devices", NULL };

static const mu_option evaluate_rows[] = {
    { "every_rounds", MU_OPTION_COUNT, offsetof(mu_federation_config, evaluate_every_rounds), 0, MU_LIMIT_ROUNDS, "1", NULL, "rounds",
      "look at the test set after every so many; 0: after the last only" },
    { "tier_examples", MU_OPTION_COUNT, offsetof(mu_federation_config, tier_examples), 0, 1e6, "500", NULL, "examples",
      "of the devices' own, for the accuracy of each tier; 0: none" },
    { "devices", MU_OPTION_COUNT, offsetof(mu_federation_config, look_devices), 0, 1e6, "100", NULL, "devices",
      "on whose own examples the last version is looked at, one by one: how evenly it serves them; 0: none" },
    { "device_examples", MU_OPTION_COUNT, offsetof(mu_federation_config, look_examples), 1, 1e6, "20", NULL, "examples",
      "of each of them, at most" },
    { "own_classes", MU_OPTION_BOOL, offsetof(mu_federation_config, look_own_classes), 0, 0, "false", NULL, NULL,
      "logits of classes that a device has no example of count as 0 when it is looked at: HeteroFL's local accuracy" },
    { "norm_statistics", MU_OPTION_CHOICE, offsetof(mu_federation_config, norm_statistics), 0, 0, "trained", norm_statistics_names, NULL,
      "of batch norms, when a version is looked at: merged with the weights, or found anew over devices' own examples" },
    { "statistics_devices", MU_OPTION_COUNT, offsetof(mu_federation_config, statistics_devices), 1, 1e6, "100", NULL, "devices",
      "on whose examples they are found, at most; the same for every version" },
    { "statistics_examples", MU_OPTION_COUNT, offsetof(mu_federation_config, statistics_examples), 0, 1e6, "0", NULL, "examples",
      "of each of them, at most; 0: all" },
};

static const char *const section_names[] = { "model", "data", "fleet", "train", "evaluate", "who", "what", "how", "wire", "when", "merge", "serve", NULL };

const mu_option *mu_experiment_options(size_t *count)
{
    *count = MU_COUNT(general_rows);
    return general_rows;
}

const mu_option *mu_evaluate_options(size_t *count)
{
    *count = MU_COUNT(evaluate_rows);
    return evaluate_rows;
}

/* ---- recipe <- file <- settings ---- */

static mu_status find_recipe(const char *name, const mu_conf_node *place, const mu_recipe **out, mu_error *err)
{
    size_t count;
    const mu_recipe *recipes = mu_recipes(&count);
    const char *names[256] = { NULL };
    for (size_t i = 0; i < count; i++) {
        if (strcmp(recipes[i].name, name) == 0) {
            *out = &recipes[i];
            return MU_OK;
        }
        if (i + 1 < MU_COUNT(names))
            names[i] = recipes[i].name;
    }
    const char *nearest = mu_nearest_name(name, names);
    return mu_conf_error(err, MU_E_CONFIG, place, "there is no recipe '%s'%s%s%s; 'muster list recipes' shows them all", name,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'" : "");
}

static mu_status open_recipe(const char *name, const mu_conf_node *place, mu_conf **out, mu_error *err)
{
    const mu_recipe *recipe = NULL;
    mu_status status = find_recipe(name ? name : "fedavg", place, &recipe, err);
    if (!status)
        status = mu_conf_parse(recipe->name, recipe->text, strlen(recipe->text), out, err);
    if (!status)
        mu_conf_remove(mu_conf_root(*out), "about");
    return status;
}

static const mu_method *method_of_recipe(mu_conf *recipe, const char *question)
{
    const char *name = mu_conf_text(mu_conf_get(mu_conf_get(mu_conf_root(recipe), question), "method"));
    return mu_method_named(name ? name : "fedavg");
}

static bool has_option(const mu_method *method, const char *name)
{
    for (size_t i = 0; method && i < method->option_count; i++)
        if (strcmp(method->options[i].name, name) == 0)
            return true;
    return false;
}

/* A file that is run by another recipe than it was written for: options of a question whose method it does not name are for its own
 * recipe's method. Those that the other one does not have are passed over, and named in `note`. */
static void pass_over_foreign(mu_conf *file, mu_conf *own, mu_conf *asked, char *note, size_t capacity_bytes)
{
    size_t used = 0;
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const char *question = mu_question_name((mu_question)q);
        const mu_conf_node *given = mu_conf_get(mu_conf_root(file), question);
        if (!given || mu_conf_kind_of(given) != MU_CONF_MAP || mu_conf_get(given, "method"))
            continue;
        mu_conf_node *section = mu_conf_make_map(file, mu_conf_root(file), question);
        const mu_method *before = method_of_recipe(own, question), *now = method_of_recipe(asked, question);
        for (size_t i = mu_conf_count(section); i-- > 0;) {
            const char *key = mu_conf_key(section, i);
            if (has_option(now, key) || !has_option(before, key))
                continue;
            int length = snprintf(note + used, capacity_bytes - used, "%s%s.%s", used ? ", " : "", question, key);
            used += length > 0 && (size_t)length < capacity_bytes - used ? (size_t)length : 0;
            mu_conf_remove(section, key);
        }
    }
}

/* Where the file names another method than the recipe does, the recipe's options are that one's. */
static void drop_replaced(mu_conf *recipe, mu_conf *file)
{
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const char *question = mu_question_name((mu_question)q);
        const mu_method *before = method_of_recipe(recipe, question);
        const char *name = mu_conf_text(mu_conf_get(mu_conf_get(mu_conf_root(file), question), "method"));
        if (name && before && strcmp(name, before->name) != 0)
            mu_conf_remove(mu_conf_root(recipe), question);
    }
}

/* `train: none` is short for {dry: true}. */
static mu_status expand_train(mu_conf *file, mu_error *err)
{
    mu_conf_node *root = mu_conf_root(file);
    const char *word = mu_conf_text(mu_conf_get(root, "train"));
    if (!word || strcmp(word, "none") != 0)
        return MU_OK;
    mu_conf_node *train = mu_conf_make_map(file, root, "train");
    return train ? mu_conf_put(file, train, "dry", "true", err) : mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
}

/* Which recipe: the caller's word, else the file's, else fedavg. */
static mu_status lay_out(mu_conf *file, const char *asked, mu_conf **out, char *note, size_t capacity_bytes, mu_error *err)
{
    mu_conf_node *root = mu_conf_root(file);
    const mu_conf_node *place = mu_conf_get(root, "recipe");
    if (place && !mu_conf_text(place))
        return mu_conf_error(err, MU_E_CONFIG, place, "expected the name of a recipe");
    mu_conf *own = NULL;
    mu_status status = open_recipe(mu_conf_text(place), place, &own, err);
    if (!status)
        status = expand_train(file, err);
    if (!status && asked)
        status = open_recipe(asked, NULL, out, err);
    if (!status && asked) {
        pass_over_foreign(file, own, *out, note, capacity_bytes);
        status = mu_conf_put(file, root, "recipe", asked, err);
    } else if (!status) {
        *out = own;
        own = NULL;
    }
    mu_conf_destroy(own);
    if (!status)
        drop_replaced(*out, file);
    if (!status)
        status = mu_conf_overlay(*out, root, err);
    if (status) {
        mu_conf_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- the six questions ---- */

static const mu_method *method_named(const mu_experiment *e, const char *name)
{
    for (size_t i = 0; i < e->more_count; i++)
        if (strcmp(e->more[i]->name, name) == 0)
            return e->more[i];
    return mu_method_named(name);
}

static mu_status find_method(const mu_experiment *e, const mu_conf_node *section, mu_question question, const mu_method **out, mu_error *err)
{
    const mu_conf_node *place = mu_conf_get(section, "method");
    const char *name = place ? mu_conf_text(place) : "fedavg";
    if (!name)
        return mu_conf_error(err, MU_E_CONFIG, place, "expected the name of a method");
    *out = method_named(e, name);
    if (*out && mu_method_answers(*out, question))
        return MU_OK;
    size_t count, listed = 0;
    const mu_method *const *methods = mu_methods(&count);
    const char *names[256] = { NULL };
    for (size_t i = 0; i < count + e->more_count && listed + 1 < MU_COUNT(names); i++) {
        const mu_method *method = i < count ? methods[i] : e->more[i - count];
        if (mu_method_answers(method, question))
            names[listed++] = method->name;
    }
    const char *nearest = mu_nearest_name(name, names);
    return mu_conf_error(err, MU_E_CONFIG, place, "%s '%s' for the question '%s'%s%s%s; 'muster list methods --question %s' shows them all",
                         *out ? "there is no answer by" : "there is no method", name, mu_question_name(question),
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'" : "", mu_question_name(question));
}

/* Does the recipe say it, and not the experiment? */
static bool is_from_recipe(const mu_experiment *e, const mu_conf_node *node)
{
    return strcmp(mu_conf_file(node), e->recipe) == 0;
}

/* A method's options may stand under any of the questions that it answers here; they are one set. What the experiment says takes the place of
 * what the recipe says under another question: a resolved text has all of a method's options under the first one. */
static mu_status gather_options(mu_experiment *e, const mu_method *const *methods, int first, mu_conf_node **out, mu_error *err)
{
    const mu_conf_node *root = mu_conf_root(e->conf);
    mu_conf_node *all = mu_conf_make_map(e->options, mu_conf_root(e->options), mu_question_name((mu_question)first));
    if (!all)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    for (int q = first; q < MU_QUESTION_COUNT; q++) {
        const mu_conf_node *section = methods[q] == methods[first] ? mu_conf_get(root, mu_question_name((mu_question)q)) : NULL;
        for (size_t i = 0; i < mu_conf_count(section); i++) {
            const char *key = mu_conf_key(section, i);
            const mu_conf_node *value = mu_conf_item(section, i);
            if (strcmp(key, "method") == 0)
                continue;
            const mu_conf_node *known = mu_conf_get(all, key);
            if (known && is_from_recipe(e, known) == is_from_recipe(e, value))
                return mu_conf_error(err, MU_E_CONFIG, value, "'%s' of method '%s' is given under two questions", key, methods[first]->name);
            if (known && is_from_recipe(e, value))
                continue;
            mu_conf_remove(all, key);
            mu_status status = mu_conf_put_copy(e->options, all, key, value, err);
            if (status)
                return status;
        }
    }
    *out = all;
    return MU_OK;
}

static mu_status read_method(mu_experiment *e, const mu_method *const *methods, int first, mu_error *err)
{
    const mu_method *method = methods[first];
    mu_conf_node *options = NULL;
    mu_status status = gather_options(e, methods, first, &options, err);
    if (status)
        return status;
    e->states[first] = calloc(1, method->state_bytes ? method->state_bytes : 1);
    if (!e->states[first])
        return mu_error_set(err, MU_E_MEMORY, "no memory for method '%s'", method->name);
    char where[MU_LIMIT_NAME_BYTES];
    snprintf(where, sizeof where, "method %s", method->name);
    status = mu_options_read(method->options, method->option_count, options, NULL, where, e->states[first], err);
    if (!status && method->check && (status = method->check(e->states[first], err)))
        status = mu_error_prefix(err, status, "%s: method %s: ", e->path, method->name);
    return status;
}

static mu_status read_answers(mu_experiment *e, mu_error *err)
{
    const mu_method *methods[MU_QUESTION_COUNT];
    const mu_conf_node *root = mu_conf_root(e->conf);
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const mu_conf_node *section = mu_conf_get(root, mu_question_name((mu_question)q));
        if (section && mu_conf_kind_of(section) != MU_CONF_MAP)
            return mu_conf_error(err, MU_E_CONFIG, section, "%s: expected 'method: NAME' and its options", mu_question_name((mu_question)q));
        mu_status status = find_method(e, section, (mu_question)q, &methods[q], err);
        if (status)
            return status;
    }
    mu_status status = mu_conf_parse("options", "", 0, &e->options, err);
    for (int q = 0; q < MU_QUESTION_COUNT && !status; q++) {
        int first = 0;
        while (methods[first] != methods[q])
            first++;
        if (first == q)
            status = read_method(e, methods, q, err);
        e->config.answers[q] = (mu_answer){ methods[q], e->states[first] };
    }
    return status;
}

/* What a `how` keeps and sends is as long as the model, so a device that trains a part of it has nothing to hold against it. */
static mu_status check_parts(const mu_experiment *e, const mu_setting *setting, mu_error *err)
{
    const mu_method *what = setting->answers[MU_WHAT], *how = setting->answers[MU_HOW];
    mu_vectors vectors = how->vectors ? how->vectors(setting->states[MU_HOW]) : (mu_vectors){ 0 };
    if (!what->what->keeps_parts || !(vectors.received || vectors.own || vectors.sent))
        return MU_OK;
    return mu_error_set(err, MU_E_CONFIG, "%s: method %s: its devices train parts of the model, but what '%s' keeps and sends beside the weights "
                        "is of the whole", e->path, what->name, how->name);
}

/* Each method looks at what it has been put together with. */
static mu_status check_answers(mu_experiment *e, mu_error *err)
{
    mu_setting setting = { .train = &e->config.train };
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        setting.answers[q] = e->config.answers[q].method;
        setting.states[q] = e->config.answers[q].state;
    }
    mu_status parts = check_parts(e, &setting, err);
    if (parts)
        return parts;
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const mu_method *method = setting.answers[q];
        if (!e->states[q] || !method->check_setting)
            continue;
        mu_status status = method->check_setting(e->states[q], &setting, err);
        if (status)
            return mu_error_prefix(err, status, "%s: method %s: ", e->path, method->name);
    }
    return MU_OK;
}

/* ---- loading ---- */

static char *file_stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path, *dot = strrchr(begin, '.');
    size_t length = dot && dot != begin ? (size_t)(dot - begin) : strlen(begin);
    char *stem = malloc(length + 1);
    if (stem) {
        memcpy(stem, begin, length);
        stem[length] = '\0';
    }
    return stem;
}

static mu_status read_general(mu_experiment *e, const char *path, mu_error *err)
{
    general_config general;
    const mu_conf_node *root = mu_conf_root(e->conf);
    mu_status status = mu_options_read(general_rows, MU_COUNT(general_rows), root, section_names, "the experiment", &general, err);
    if (!status)
        status = mu_options_read(evaluate_rows, MU_COUNT(evaluate_rows), mu_conf_get(root, "evaluate"), NULL, "evaluate", &e->config, err);
    if (status)
        return status;
    e->config.seed = general.seed;
    e->config.rounds = general.rounds;
    e->config.checkpoint_every_rounds = general.checkpoint_every_rounds;
    e->recipe = general.recipe;
    e->name = *general.name ? strdup(general.name) : file_stem(path);
    if (!e->name)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the experiment");
    if (!*e->name || strchr(e->name, '/') || e->name[0] == '.')
        return mu_conf_error(err, MU_E_CONFIG, mu_conf_get(root, "name"), "name: '%s' cannot be a folder's name", e->name);
    return MU_OK;
}

/* A fleet that is timed by the example has to know what the model's count. */
static mu_status time_by_example(mu_experiment *e, mu_error *err)
{
    mu_conf_node *root = mu_conf_root(e->conf);
    const mu_conf_node *fleet = mu_conf_get(root, "fleet");
    const char *timing = mu_conf_text(mu_conf_get(fleet, "timing"));
    if (!timing || strcmp(timing, "fedscale") != 0 || mu_conf_get(fleet, "macs_per_example"))
        return MU_OK;
    char text[32];
    mu_cost one = mu_model_cost(e->model, 1);
    snprintf(text, sizeof text, "%llu", (unsigned long long)(one.macs_forward + one.macs_backward));
    return mu_conf_put(e->conf, mu_conf_make_map(e->conf, root, "fleet"), "macs_per_example", text, err);
}

/* Each method takes in what its options name, and what follows from the model. */
static mu_status prepare_answers(mu_experiment *e, mu_error *err)
{
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const mu_method *method = e->config.answers[q].method;
        if (!e->states[q] || !method->prepare)
            continue;
        mu_status status = method->prepare(e->states[q], e->model, e->units, e->path, err);
        if (status)
            return mu_error_prefix(err, status, "%s: method %s: ", e->path, method->name);
    }
    return MU_OK;
}

static mu_status read_sections(mu_experiment *e, mu_error *err)
{
    const mu_conf_node *root = mu_conf_root(e->conf);
    mu_status status = mu_train_config_read(mu_conf_get(root, "train"), &e->config.train, err);
    if (!status)
        status = read_answers(e, err);
    if (!status)
        status = check_answers(e, err);
    if (!status)
        status = mu_data_open(mu_conf_get(root, "data"), e->config.seed, &e->data, err);
    if (!status && e->config.look_own_classes && mu_data_targets(e->data) > 1)
        status = mu_conf_error(err, MU_E_CONFIG, mu_conf_get(mu_conf_get(root, "evaluate"), "own_classes"), "evaluate: own_classes is for data with "
                               "one label an example; here each has %u", mu_data_targets(e->data));
    if (!status)
        status = mu_model_create_conf(mu_conf_get(root, "model"), mu_data_shape(e->data), mu_data_classes(e->data), &e->model, err);
    const mu_answer *what = &e->config.answers[MU_WHAT];
    if (!status && what->method->what->statistic_sets)
        status = mu_model_add_statistics(e->model, what->method->what->statistic_sets(what->state), err);
    if (!status)
        status = time_by_example(e, err);
    if (!status)
        status = mu_fleet_create(mu_conf_get(root, "fleet"), mu_data_device_count(e->data), e->config.seed, &e->fleet, err);
    if (!status)
        status = mu_units_create(e->model, &e->units, err);
    if (!status)
        status = prepare_answers(e, err);
    e->config.model = e->model;
    e->config.units = e->units;
    e->config.data = e->data;
    e->config.fleet = e->fleet;
    return status;
}

/* A model that stands in a file of its own is written out, so that the resolved text needs nothing beside it. */
static mu_status inline_model_file(mu_experiment *e, mu_error *err)
{
    mu_conf_node *root = mu_conf_root(e->conf);
    const mu_conf_node *node = mu_conf_get(root, "model"), *file = mu_conf_get(node, "file");
    if (!file)
        return MU_OK;
    char *path = mu_path_beside(mu_conf_file(file), mu_conf_text(file));
    if (!path)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the path of the model");
    mu_conf *model;
    mu_status status = mu_conf_load(path, &model, err);
    free(path);
    if (status)
        return status;
    mu_conf_node *root_of_model = mu_conf_root(model);
    mu_conf_node *section = mu_conf_make_map(e->conf, root, "model");
    mu_conf_remove(section, "file");
    for (size_t i = 0; i < mu_conf_count(root_of_model) && !status; i++)
        status = mu_conf_put_copy(e->conf, section, mu_conf_key(root_of_model, i), mu_conf_item(root_of_model, i), err);
    mu_conf_destroy(model);
    return status;
}

/* Put every default where the user would have written it. */
static mu_status resolve(mu_experiment *e, mu_error *err)
{
    mu_conf *conf = e->conf;
    mu_conf_node *root = mu_conf_root(conf);
    general_config general = { e->recipe, e->name, e->config.seed, e->config.rounds, e->config.checkpoint_every_rounds };
    mu_status status = mu_options_write(general_rows, MU_COUNT(general_rows), &general, conf, root, err);
    const char *const made[] = { "data", "fleet", "train", "evaluate" };
    mu_conf_node *maps[MU_COUNT(made)];
    for (size_t i = 0; i < MU_COUNT(made) && !status; i++)
        if (!(maps[i] = mu_conf_make_map(conf, root, made[i])))
            status = mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
    if (!status)
        status = mu_data_resolve(e->data, conf, maps[0], err);
    if (!status)
        status = mu_fleet_resolve(e->fleet, conf, maps[1], err);
    if (!status)
        status = mu_train_config_write(&e->config.train, conf, maps[2], err);
    if (!status)
        status = mu_options_write(evaluate_rows, MU_COUNT(evaluate_rows), &e->config, conf, maps[3], err);
    if (!status)
        status = inline_model_file(e, err);
    return status;
}

/* Each question names its method; the options of one that answers several stand where it is named first. */
static mu_status resolve_answers(mu_experiment *e, mu_error *err)
{
    mu_conf_node *root = mu_conf_root(e->conf);
    for (int q = 0; q < MU_QUESTION_COUNT; q++) {
        const char *name = mu_question_name((mu_question)q);
        mu_answer answer = e->config.answers[q];
        mu_conf_remove(root, name);
        mu_conf_node *section = mu_conf_make_map(e->conf, root, name);
        if (!section)
            return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
        mu_status status = mu_conf_put(e->conf, section, "method", answer.method->name, err);
        if (!status && answer.state == e->states[q])
            status = mu_options_write(answer.method->options, answer.method->option_count, answer.state, e->conf, section, err);
        if (status)
            return status;
    }
    return MU_OK;
}

static mu_status create(mu_experiment *e, const char *path, mu_experiment **out, mu_error *err)
{
    mu_status status = read_general(e, path, err);
    if (!status)
        status = read_sections(e, err);
    if (!status)
        status = resolve(e, err);
    if (!status)
        status = resolve_answers(e, err);
    if (status) {
        mu_experiment_destroy(e);
        return status;
    }
    *out = e;
    return MU_OK;
}

static mu_status check_more(const mu_method *const *methods, size_t count, mu_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (mu_method_named(methods[i]->name))
            return mu_error_set(err, MU_E_CONFIG, "a method '%s' is built in: one of your own needs another name", methods[i]->name);
    return MU_OK;
}

mu_status mu_experiment_load_with(const char *path, const char *recipe, const char *const *settings, size_t setting_count,
                                  const mu_method *const *methods, size_t method_count, mu_experiment **out, mu_error *err)
{
    mu_status status = check_more(methods, method_count, err);
    mu_experiment *e = status ? NULL : calloc(1, sizeof *e);
    if (!e)
        return status ? status : mu_error_set(err, MU_E_MEMORY, "no memory for the experiment");
    e->path = strdup(path);
    e->more = methods;
    e->more_count = method_count;
    mu_conf *file = NULL;
    status = e->path ? mu_conf_load(path, &file, err) : mu_error_set(err, MU_E_MEMORY, "no memory for the experiment");
    for (size_t i = 0; i < setting_count && !status; i++)
        status = mu_conf_set(file, settings[i], err);
    if (!status)
        status = lay_out(file, recipe, &e->conf, e->note, sizeof e->note, err);
    mu_conf_destroy(file);
    if (!status)
        return create(e, path, out, err);
    mu_experiment_destroy(e);
    return status;
}

mu_status mu_experiment_load(const char *path, const char *recipe, const char *const *settings, size_t setting_count,
                             mu_experiment **out, mu_error *err)
{
    return mu_experiment_load_with(path, recipe, settings, setting_count, NULL, 0, out, err);
}

void mu_experiment_destroy(mu_experiment *e)
{
    if (!e)
        return;
    mu_fleet_destroy(e->fleet);
    mu_units_destroy(e->units);
    mu_model_destroy(e->model);
    mu_data_close(e->data);
    for (int q = 0; q < MU_QUESTION_COUNT; q++)
        free(e->states[q]);
    free(e->name);
    free(e->path);
    mu_conf_destroy(e->options);
    mu_conf_destroy(e->conf);
    free(e);
}

const char *mu_experiment_name(const mu_experiment *e) { return e->name; }
const char *mu_experiment_recipe(const mu_experiment *e) { return e->recipe; }
const char *mu_experiment_note(const mu_experiment *e) { return *e->note ? e->note : NULL; }
const mu_model *mu_experiment_model(const mu_experiment *e) { return e->model; }
const mu_data *mu_experiment_data(const mu_experiment *e) { return e->data; }
const mu_fleet *mu_experiment_fleet(const mu_experiment *e) { return e->fleet; }
mu_data *mu_experiment_told_data(mu_experiment *e) { return e->data; }
mu_fleet *mu_experiment_told_fleet(mu_experiment *e) { return e->fleet; }
const mu_federation_config *mu_experiment_config(const mu_experiment *e) { return &e->config; }
const mu_conf_node *mu_experiment_section(const mu_experiment *e, const char *name) { return mu_conf_get(mu_conf_root(e->conf), name); }
const char *mu_experiment_path(const mu_experiment *e) { return e->path; }
char *mu_experiment_resolved(const mu_experiment *e) { return mu_conf_write(mu_conf_root(e->conf)); }

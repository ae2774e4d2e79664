/* Finding unit groups. One walk over the graph numbers every channel that a layer makes, and a disjoint-set forest ties those that go
 * together. Channel 0 stands for all that must stay; whatever is tied to it stays too. What is left are units: the trees, each with
 * its lowest channel at its root. Units that have the same number of places along every axis are a group, so that an axis that a group takes
 * part in has a place of each of its units, and none becomes empty as long as one unit is kept. */
#include "nn/units.h"

#include <string.h>

enum { WHOLE = 0 };

struct mu_unit_walk {
    mu_store  store; /* what is forgotten in the end */
    mu_units *units;
    uint32_t  node; /* the one that is asked */
    uint32_t *parent; /* of each channel in the forest; a root's is itself */
    uint32_t *maker;  /* the node that made it */
    uint32_t  channel_count, channel_capacity;
    mu_axis  *values;
    uint32_t  axis_capacity;
    bool      out_of_memory;
};

/* ---- the forest ---- */

static uint32_t root_of(uint32_t *parent, uint32_t channel)
{
    while (parent[channel] != channel) {
        parent[channel] = parent[parent[channel]];
        channel = parent[channel];
    }
    return channel;
}

static void tie(mu_unit_walk *walk, uint32_t a, uint32_t b)
{
    uint32_t root_a = root_of(walk->parent, a), root_b = root_of(walk->parent, b);
    if (root_a < root_b)
        walk->parent[root_b] = root_a;
    else
        walk->parent[root_a] = root_b;
}

/* ---- axes ---- */

static uint32_t *take_channels(mu_unit_walk *walk, uint32_t count)
{
    uint32_t *channels = mu_store_take(&walk->store, count, sizeof *channels);
    walk->out_of_memory |= !channels;
    return channels;
}

static mu_axis whole_axis(mu_unit_walk *walk, uint32_t count)
{
    uint32_t *channels = take_channels(walk, count); /* all 0 */
    return (mu_axis){ .count = channels ? count : 0, .channels = channels };
}

/* The number of this axis among those that differ. */
static uint32_t register_axis(mu_unit_walk *walk, mu_axis axis)
{
    mu_units *units = walk->units;
    for (uint32_t i = 0; i < units->axis_count; i++)
        if (units->axes[i].channels == axis.channels && units->axes[i].count == axis.count)
            return i;
    MU_ASSERT(units->axis_count < walk->axis_capacity);
    units->axes[units->axis_count] = axis;
    return units->axis_count++;
}

mu_axis mu_units_input(const mu_unit_walk *walk, uint32_t k)
{
    const mu_node *node = &walk->units->model->nodes[walk->node];
    MU_ASSERT(k < node->input_count);
    return walk->values[node->inputs[k].value];
}

mu_axis mu_units_new(mu_unit_walk *walk, uint32_t count, size_t config_offset)
{
    mu_unit_width *width = &walk->units->widths[walk->node];
    MU_ASSERT(width->axis == MU_AXIS_NONE && count <= walk->channel_capacity - walk->channel_count);
    uint32_t *channels = take_channels(walk, count);
    if (!channels)
        return (mu_axis){ 0 };
    for (uint32_t i = 0; i < count; i++) {
        uint32_t channel = channels[i] = walk->channel_count++;
        walk->parent[channel] = channel;
        walk->maker[channel] = walk->node;
    }
    mu_axis axis = { .count = count, .channels = channels };
    *width = (mu_unit_width){ .axis = register_axis(walk, axis), .config_offset = config_offset };
    return axis;
}

mu_axis mu_units_repeat(mu_unit_walk *walk, mu_axis axis, uint32_t times)
{
    if (times == 1)
        return axis;
    uint32_t *channels = take_channels(walk, axis.count * times);
    if (!channels)
        return (mu_axis){ 0 };
    for (uint32_t i = 0; i < axis.count * times; i++)
        channels[i] = axis.channels[i % axis.count];
    return (mu_axis){ .count = axis.count * times, .channels = channels };
}

mu_axis mu_units_stretch(mu_unit_walk *walk, mu_axis axis, uint32_t times)
{
    if (times == 1)
        return axis;
    uint32_t *channels = take_channels(walk, axis.count * times);
    if (!channels)
        return (mu_axis){ 0 };
    for (uint32_t i = 0; i < axis.count * times; i++)
        channels[i] = axis.channels[i / times];
    return (mu_axis){ .count = axis.count * times, .channels = channels };
}

mu_axis mu_units_join(mu_unit_walk *walk, const mu_node *node)
{
    uint32_t *channels = take_channels(walk, node->output.channels), count = 0;
    if (!channels)
        return (mu_axis){ 0 };
    for (uint32_t k = 0; k < node->input_count; k++) {
        mu_axis part = mu_units_input(walk, k);
        MU_ASSERT(part.count <= node->output.channels - count);
        for (uint32_t i = 0; i < part.count; i++)
            channels[count++] = part.channels[i];
    }
    return (mu_axis){ .count = count, .channels = channels };
}

void mu_units_tie(mu_unit_walk *walk, mu_axis a, mu_axis b)
{
    MU_ASSERT(walk->out_of_memory || a.count == b.count);
    for (uint32_t i = 0; i < a.count && i < b.count; i++)
        tie(walk, a.channels[i], b.channels[i]);
}

void mu_units_tie_blocks(mu_unit_walk *walk, mu_axis axis, uint32_t blocks)
{
    MU_ASSERT(blocks && axis.count % blocks == 0);
    uint32_t length = axis.count / blocks;
    for (uint32_t i = length; i < axis.count; i++)
        tie(walk, axis.channels[i - length], axis.channels[i]);
}

void mu_units_keep_whole(mu_unit_walk *walk, mu_axis axis)
{
    for (uint32_t i = 0; i < axis.count; i++)
        tie(walk, axis.channels[i], WHOLE);
}

void mu_units_slice(mu_unit_walk *walk, uint32_t param, mu_side side, mu_axis axis)
{
    const mu_node *node = &walk->units->model->nodes[walk->node];
    MU_ASSERT(param < node->tensor_count);
    if (walk->out_of_memory)
        return;
    uint32_t tensor = node->first_tensor + param;
    MU_ASSERT(axis.count == mu_tensor_side(&walk->units->model->params[tensor].tensor, side));
    walk->units->tensor_axes[tensor][side] = register_axis(walk, axis);
}

void mu_units_output(mu_unit_walk *walk, mu_axis axis)
{
    const mu_node *node = &walk->units->model->nodes[walk->node];
    MU_ASSERT(walk->out_of_memory || axis.count == node->output.channels);
    walk->values[walk->node + 1] = axis;
}

void mu_units_pass(const mu_node *node, mu_unit_walk *walk)
{
    mu_axis axis = mu_units_input(walk, 0);
    for (uint32_t i = 0; i < node->tensor_count; i++)
        mu_units_slice(walk, i, MU_SIDE_OUTPUT, axis);
    mu_units_output(walk, axis);
}

/* ---- the walk ---- */

static void walk_nodes(mu_unit_walk *walk)
{
    const mu_model *model = walk->units->model;
    walk->values[0] = whole_axis(walk, model->input.channels);
    for (uint32_t i = 0; i < model->node_count && !walk->out_of_memory; i++) {
        const mu_node *node = &model->nodes[i];
        walk->node = i;
        if (node->layer->units)
            node->layer->units(node, walk);
        else
            for (uint32_t k = 0; k < node->input_count; k++)
                mu_units_keep_whole(walk, mu_units_input(walk, k));
        if (!walk->values[i + 1].channels)
            walk->values[i + 1] = whole_axis(walk, node->output.channels);
    }
    mu_units_keep_whole(walk, walk->values[model->node_count]);
}

/* ---- from trees to groups ---- */

/* Units that were alike so far, and have as many places along the axis looked at, are alike still. */
typedef struct kinds {
    uint32_t *of_root, *places, *old, *count, *renamed; /* the last three: of the kinds met along this axis */
    uint32_t  next;
} kinds;

static void refine_by_axis(mu_unit_walk *walk, kinds *k, mu_axis axis)
{
    uint32_t met = 0;
    for (uint32_t i = 0; i < axis.count; i++)
        k->places[root_of(walk->parent, axis.channels[i])]++;
    for (uint32_t i = 0; i < axis.count; i++) {
        uint32_t root = root_of(walk->parent, axis.channels[i]), at = 0;
        if (k->places[root] == 0)
            continue; /* seen before along this axis */
        while (at < met && (k->old[at] != k->of_root[root] || k->count[at] != k->places[root]))
            at++;
        if (at == met) {
            k->old[met] = k->of_root[root];
            k->count[met] = k->places[root];
            k->renamed[met++] = k->next++;
        }
        k->of_root[root] = k->renamed[at];
        k->places[root] = 0;
    }
}

static bool find_kinds(mu_unit_walk *walk, kinds *k)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < walk->units->axis_count; i++)
        longest = walk->units->axes[i].count > longest ? walk->units->axes[i].count : longest;
    k->of_root = take_channels(walk, walk->channel_count);
    k->places = take_channels(walk, walk->channel_count);
    k->old = take_channels(walk, longest);
    k->count = take_channels(walk, longest);
    k->renamed = take_channels(walk, longest);
    k->next = 1;
    for (uint32_t i = 0; !walk->out_of_memory && i < walk->units->axis_count; i++)
        refine_by_axis(walk, k, walk->units->axes[i]);
    return !walk->out_of_memory;
}

/* "conv1", or "conv1@8" when the group begins at its channel 8. */
static const char *name_group(mu_unit_walk *walk, uint32_t channel)
{
    const char *name = walk->units->model->nodes[walk->maker[channel]].name;
    uint32_t first = channel, digits = 0;
    while (first > 1 && walk->maker[first - 1] == walk->maker[channel])
        first--;
    uint32_t number = channel - first;
    if (number == 0)
        return name;
    for (uint32_t rest = number; rest; rest /= 10)
        digits++;
    size_t length = strlen(name);
    char *text = mu_store_take(&walk->units->store, length + digits + 2, 1);
    if (!text)
        return NULL;
    memcpy(text, name, length);
    text[length] = '@';
    for (uint32_t rest = number, i = digits; i > 0; rest /= 10, i--)
        text[length + i] = (char)('0' + rest % 10);
    return text;
}

/* Groups in the order of their first channels, and the number of each unit: unit_of[root]. */
static bool number_units(mu_unit_walk *walk, const kinds *k, uint32_t *unit_of)
{
    mu_units *units = walk->units;
    uint32_t *group_of = take_channels(walk, k->next); /* by kind: its group's number + 1 */
    units->groups = mu_store_take(&units->store, walk->channel_count, sizeof *units->groups);
    if (!group_of || !units->groups)
        return false;
    for (uint32_t c = 1; c < walk->channel_count; c++) {
        if (root_of(walk->parent, c) != c)
            continue;
        uint32_t *group = &group_of[k->of_root[c]];
        if (!*group) {
            const char *name = name_group(walk, c);
            if (!name)
                return false;
            units->groups[units->group_count] = (mu_unit_group){ .name = name };
            *group = ++units->group_count;
        }
        unit_of[c] = units->groups[*group - 1].count++;
        units->unit_count++;
    }
    for (uint32_t g = 1; g < units->group_count; g++)
        units->groups[g].first = units->groups[g - 1].first + units->groups[g - 1].count;
    for (uint32_t c = 1; c < walk->channel_count; c++)
        if (walk->parent[c] == c)
            unit_of[c] += units->groups[group_of[k->of_root[c]] - 1].first;
    unit_of[WHOLE] = MU_UNIT_NONE;
    return true;
}

/* From channels to units, in memory that stays. */
static bool settle_axes(mu_unit_walk *walk, const uint32_t *unit_of)
{
    mu_units *units = walk->units;
    for (uint32_t i = 0; i < units->axis_count; i++) {
        mu_axis *axis = &units->axes[i];
        uint32_t *places = mu_store_take(&units->store, axis->count, sizeof *places);
        if (!places)
            return false;
        for (uint32_t k = 0; k < axis->count; k++)
            places[k] = unit_of[root_of(walk->parent, axis->channels[k])];
        axis->channels = places;
    }
    return true;
}

/* ---- who takes part where ---- */

static mu_unit_group *group_of_unit(const mu_units *units, uint32_t unit)
{
    uint32_t low = 0, high = units->group_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (units->groups[middle].first <= unit)
            low = middle;
        else
            high = middle;
    }
    return &units->groups[low];
}

/* Where the uses of a group go: nowhere while they are only counted. */
typedef struct use_list {
    mu_unit_use *uses;
    uint32_t     stamp; /* of the axis that the last one is about */
} use_list;

/* The first unit of a group stands for all of them. */
static void note_uses(mu_units *units, use_list *lists, uint32_t tensor, mu_side side)
{
    if (units->tensor_axes[tensor][side] == MU_AXIS_NONE)
        return;
    mu_axis axis = units->axes[units->tensor_axes[tensor][side]];
    for (uint32_t i = 0; i < axis.count; i++) {
        if (axis.channels[i] == MU_UNIT_NONE)
            continue;
        mu_unit_group *group = group_of_unit(units, axis.channels[i]);
        use_list *list = &lists[group - units->groups];
        if (group->first != axis.channels[i])
            continue;
        if (list->stamp != 2 * tensor + (uint32_t)side + 1) {
            list->stamp = 2 * tensor + (uint32_t)side + 1;
            if (list->uses)
                list->uses[group->use_count] = (mu_unit_use){ .tensor = tensor, .side = side, .first = i };
            group->use_count++;
        }
        if (list->uses)
            list->uses[group->use_count - 1].repeats++;
    }
}

static void note_all_uses(mu_units *units, use_list *lists)
{
    for (uint32_t t = 0; t < units->model->param_count; t++) {
        note_uses(units, lists, t, MU_SIDE_INPUT);
        note_uses(units, lists, t, MU_SIDE_OUTPUT);
    }
}

static bool list_uses(mu_unit_walk *walk)
{
    mu_units *units = walk->units;
    use_list *lists = mu_store_take(&walk->store, units->group_count, sizeof *lists);
    if (!lists)
        return false;
    note_all_uses(units, lists);
    for (uint32_t g = 0; g < units->group_count; g++) {
        lists[g] = (use_list){ .uses = mu_store_take(&units->store, units->groups[g].use_count, sizeof(mu_unit_use)) };
        if (!lists[g].uses)
            return false;
        units->groups[g].uses = lists[g].uses;
        units->groups[g].use_count = 0;
    }
    note_all_uses(units, lists);
    return true;
}

/* A norm's statistics have its channels, in all sets. */
static void slice_further_sets(mu_units *units)
{
    const mu_model *model = units->model;
    for (uint32_t t = 0; t < model->param_count; t++)
        if (model->params[t].set)
            memcpy(units->tensor_axes[t], units->tensor_axes[model->params[t].original], sizeof units->tensor_axes[t]);
}

/* An axis of which all must stay is as good as none. */
static void drop_whole_axes(mu_units *units)
{
    for (uint32_t t = 0; t < units->model->param_count; t++)
        for (int side = 0; side < 2; side++) {
            uint32_t *axis = &units->tensor_axes[t][side];
            bool sliced = false;
            for (uint32_t i = 0; *axis != MU_AXIS_NONE && i < units->axes[*axis].count; i++)
                sliced |= units->axes[*axis].channels[i] != MU_UNIT_NONE;
            if (!sliced)
                *axis = MU_AXIS_NONE;
        }
}

/* ---- all together ---- */

static bool begin(mu_unit_walk *walk)
{
    mu_units *units = walk->units;
    const mu_model *model = units->model;
    size_t channels = 1;
    for (uint32_t i = 0; i < model->node_count; i++)
        channels += model->nodes[i].output.channels;
    walk->channel_capacity = (uint32_t)channels;
    walk->axis_capacity = 2 * model->param_count + model->node_count;
    walk->values = mu_store_take(&walk->store, mu_value_count(model), sizeof *walk->values);
    walk->parent = take_channels(walk, walk->channel_capacity);
    walk->maker = take_channels(walk, walk->channel_capacity);
    walk->channel_count = 1; /* WHOLE, its own parent */
    units->axes = mu_store_take(&units->store, walk->axis_capacity, sizeof *units->axes);
    units->tensor_axes = mu_store_take(&units->store, model->param_count, sizeof *units->tensor_axes);
    units->widths = mu_store_take(&units->store, model->node_count, sizeof *units->widths);
    if (channels > UINT32_MAX || walk->out_of_memory || !walk->values || !units->axes || !units->tensor_axes || !units->widths)
        return false;
    for (uint32_t t = 0; t < model->param_count; t++)
        units->tensor_axes[t][MU_SIDE_INPUT] = units->tensor_axes[t][MU_SIDE_OUTPUT] = MU_AXIS_NONE;
    for (uint32_t i = 0; i < model->node_count; i++)
        units->widths[i].axis = MU_AXIS_NONE;
    return true;
}

static bool find_units(mu_unit_walk *walk)
{
    kinds k = { 0 };
    if (!begin(walk))
        return false;
    walk_nodes(walk);
    if (walk->out_of_memory || !find_kinds(walk, &k))
        return false;
    uint32_t *unit_of = take_channels(walk, walk->channel_count);
    if (!unit_of || !number_units(walk, &k, unit_of) || !settle_axes(walk, unit_of))
        return false;
    slice_further_sets(walk->units);
    drop_whole_axes(walk->units);
    return list_uses(walk);
}

mu_status mu_units_create(const mu_model *model, mu_units **out, mu_error *err)
{
    mu_store store = { 0 };
    mu_units *units = mu_store_take(&store, 1, sizeof *units);
    if (!units)
        return mu_error_set(err, MU_E_MEMORY, "no memory for the units of model '%s'", model->name);
    *units = (mu_units){ .store = store, .model = model };
    mu_unit_walk walk = { .units = units };
    bool found = find_units(&walk);
    mu_store_release(&walk.store);
    if (!found) {
        mu_units_destroy(units);
        return mu_error_set(err, MU_E_MEMORY, "no memory for the units of model '%s'", model->name);
    }
    *out = units;
    return MU_OK;
}

void mu_units_destroy(mu_units *units)
{
    if (!units)
        return;
    mu_store store = units->store; /* the units themselves lie in it */
    mu_store_release(&store);
}

/* ---- looking at them ---- */

const mu_model *mu_units_model(const mu_units *units) { return units->model; }
size_t mu_units_count(const mu_units *units) { return units->unit_count; }
size_t mu_units_group_count(const mu_units *units) { return units->group_count; }

const mu_unit_group *mu_units_group(const mu_units *units, size_t index)
{
    MU_ASSERT(index < units->group_count);
    return &units->groups[index];
}

const uint32_t *mu_units_along(const mu_units *units, size_t tensor, mu_side side)
{
    MU_ASSERT(tensor < units->model->param_count);
    uint32_t axis = units->tensor_axes[tensor][side];
    return axis == MU_AXIS_NONE ? NULL : units->axes[axis].channels;
}

/* ---- choices ---- */

void mu_units_keep_all(const mu_units *units, bool *kept)
{
    for (uint32_t u = 0; u < units->unit_count; u++)
        kept[u] = true;
}

void mu_units_keep_first(const mu_units *units, size_t group, uint32_t count, bool *kept)
{
    const mu_unit_group *g = mu_units_group(units, group);
    MU_ASSERT(count >= 1 && count <= g->count);
    for (uint32_t u = 0; u < g->count; u++)
        kept[g->first + u] = u < count;
}

uint32_t mu_units_of_width(const mu_units *units, size_t group, double width)
{
    uint32_t all = mu_units_group(units, group)->count;
    MU_ASSERT(width > 0 && width <= 1);
    double exact = width * all;
    uint32_t count = (uint32_t)exact;
    count += exact - count > 1e-9 * all;
    return count ? count : 1;
}

/* Flatten: an image as one vector. Nothing moves: the pixels already lie one after the other. PyTorch, whose images lie channel by
 * channel, numbers that vector differently; `flattened` says so to the layers behind, whose weights are reordered when they are
 * saved. */
#include "nn/layers.h"
#include "nn/units.h"

#include "base/limits.h"

static mu_status shape(mu_node *node, uint32_t classes, mu_error *err)
{
    (void)classes;
    mu_shape image = node->inputs[0].shape;
    size_t size = mu_shape_size(image);
    if (size > MU_LIMIT_EXAMPLE_VALUES)
        return mu_error_set(err, MU_E_LIMIT, "flatten '%s': %zu values, at most %zu", node->name, size, MU_LIMIT_EXAMPLE_VALUES);
    node->output = (mu_shape){ 1, 1, (uint32_t)size };
    bool same_order = image.height * image.width == 1 || image.channels == 1;
    node->flattened = same_order ? node->inputs[0].flattened : image;
    return MU_OK;
}

static void units(const mu_node *node, mu_unit_walk *walk)
{
    mu_shape image = node->inputs[0].shape;
    mu_units_output(walk, mu_units_repeat(walk, mu_units_input(walk, 0), image.height * image.width));
}

const mu_layer mu_layer_flatten = {
    .kind = "flatten", .help = "an image as one vector", .inputs_min = 1, .inputs_max = 1, .flat = MU_FLAT_PASSES, .is_view = true,
    .shape = shape, .units = units,
};

#include "method/width_elements.h"

#include "nn/units.h"

#include <math.h>

bool mu_unit_rows_next(mu_unit_rows *rows)
{
    const mu_model *model = rows->units->model;
    for (; rows->tensor < mu_model_tensor_count(model); rows->tensor++, rows->row = 0) {
        const mu_tensor *tensor = mu_model_tensor(model, rows->tensor);
        uint32_t width = mu_tensor_side(tensor, MU_SIDE_OUTPUT), height = mu_tensor_side(tensor, MU_SIDE_INPUT);
        if (!tensor->trainable || rows->row == tensor->count / width)
            continue;
        const uint32_t *inputs = mu_units_along(rows->units, rows->tensor, MU_SIDE_INPUT);
        rows->first = tensor->offset + rows->row * width;
        rows->count = width;
        rows->input = inputs ? inputs[rows->row % height] : MU_UNIT_NONE; /* a convolution has a plane of rows for each tap */
        rows->outputs = mu_units_along(rows->units, rows->tensor, MU_SIDE_OUTPUT);
        rows->row++;
        return true;
    }
    return false;
}

void mu_unit_norms(const mu_units *units, const float *weights, double *norms)
{
    size_t count = mu_units_count(units);
    for (size_t u = 0; u < count; u++)
        norms[u] = 0;
    for (mu_unit_rows row = { .units = units }; mu_unit_rows_next(&row);)
        for (uint32_t i = 0; i < row.count; i++) {
            double weight = weights[row.first + i];
            uint32_t output = mu_unit_rows_output(&row, i);
            if (output != MU_UNIT_NONE)
                norms[output] += weight * weight;
            if (row.input != MU_UNIT_NONE && row.input != output)
                norms[row.input] += weight * weight;
        }
    for (size_t u = 0; u < count; u++)
        norms[u] = sqrt(norms[u]);
}

/* Gradients that are kept short. */
#include "method/clip.h"

#include "tensor/kernels.h"

#include <math.h>

void mu_clip_gradient(const mu_step_view *view, double norm)
{
    if (norm == 0.0)
        return;
    double length = sqrt(mu_kernels()->squared_norm(view->count, view->gradient));
    if (length <= norm)
        return;
    float scale = (float)(norm / length);
    for (size_t i = 0; i < view->count; i++)
        view->gradient[i] *= scale;
}

/* The pen: a curve through given points, drawn into a small grey picture with soft edges. */
#ifndef MUSTER_DATA_WRITERS_PEN_H
#define MUSTER_DATA_WRITERS_PEN_H

#include "muster/status.h"

#define MU_PEN_SIDE 28   /* pixels */
#define MU_PEN_STRIDE 32 /* floats from one row of the sheet to the next */

typedef struct mu_pen_point {
    float x, y; /* in pixels; the middle of the first pixel is (0, 0) */
} mu_pen_point;

/* For each pixel how far, in pixels, it lies inside of the ink's edge; below 0 it is outside. */
typedef struct mu_pen_sheet {
    float depth[MU_PEN_SIDE * MU_PEN_STRIDE];
} mu_pen_sheet;

void mu_pen_clear(mu_pen_sheet *sheet);

/* One stroke through `points`, a Hermite spline whose tangents are `roundness` times the way from neighbour to neighbour
 * (0: straight lines, 0.5: Catmull and Rom's curve). The nib's radius goes from `radius` to `end_radius`. */
void mu_pen_stroke(mu_pen_sheet *sheet, const mu_pen_point *points, size_t count, float roundness, float radius, float end_radius);

/* Coverage of each pixel, 0 to 1, into [MU_PEN_SIDE][MU_PEN_SIDE]. */
void mu_pen_coverage(const mu_pen_sheet *sheet, float *coverage);

#endif

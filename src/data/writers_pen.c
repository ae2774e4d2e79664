/* Strokes to pixels. Only additions, products, quotients, roots and comparisons, each rounded as IEEE 754 says, so that
 * every machine draws the same bits. */
#include "data/writers_pen.h"

#include <math.h>

enum { LANES = 4, SPAN_SEGMENTS_MAX = 6 };

void mu_pen_clear(mu_pen_sheet *sheet)
{
    for (size_t i = 0; i < MU_COUNT(sheet->depth); i++)
        sheet->depth[i] = -1.0f;
}

static float clamp(float x, float low, float high)
{
    x = x > low ? x : low;
    return x < high ? x : high;
}

/* A pixel's depth under a round nib that went straight from `a` to `b` is the radius less its distance from that line. Whole groups
 * of four pixels are computed, so that the compiler can put them side by side. */
static void draw_segment(mu_pen_sheet *sheet, mu_pen_point a, mu_pen_point b, float radius)
{
    const float last = (float)(MU_PEN_SIDE - 1), reach = radius + 0.5f;
    int first_x = (int)ceilf(clamp((a.x < b.x ? a.x : b.x) - reach, 0.0f, last + 1.0f));
    int last_x = (int)floorf(clamp((a.x < b.x ? b.x : a.x) + reach, -1.0f, last));
    int first_y = (int)ceilf(clamp((a.y < b.y ? a.y : b.y) - reach, 0.0f, last + 1.0f));
    int last_y = (int)floorf(clamp((a.y < b.y ? b.y : a.y) + reach, -1.0f, last));
    if (first_x > last_x)
        return;
    float dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy;
    float inverse = square > 1e-12f ? 1.0f / square : 0.0f;
    for (int y = first_y; y <= last_y; y++) {
        float *row = sheet->depth + (size_t)y * MU_PEN_STRIDE;
        float py = (float)y - a.y;
        for (int group = first_x - first_x % LANES; group <= last_x; group += LANES) {
            for (int lane = 0; lane < LANES; lane++) {
                float px = (float)(group + lane) - a.x;
                float along = (px * dx + py * dy) * inverse;
                along = along > 0.0f ? along : 0.0f;
                along = along < 1.0f ? along : 1.0f;
                float ex = px - along * dx, ey = py - along * dy;
                float depth = radius - sqrtf(ex * ex + ey * ey);
                row[group + lane] = depth > row[group + lane] ? depth : row[group + lane];
            }
        }
    }
}

static mu_pen_point hermite(mu_pen_point p1, mu_pen_point p2, mu_pen_point m1, mu_pen_point m2, float t)
{
    float t2 = t * t, t3 = t2 * t;
    float h1 = 2.0f * t3 - 3.0f * t2 + 1.0f, h2 = 3.0f * t2 - 2.0f * t3, g1 = t3 - 2.0f * t2 + t, g2 = t3 - t2;
    return (mu_pen_point){ h1 * p1.x + h2 * p2.x + g1 * m1.x + g2 * m2.x, h1 * p1.y + h2 * p2.y + g1 * m1.y + g2 * m2.y };
}

void mu_pen_stroke(mu_pen_sheet *sheet, const mu_pen_point *points, size_t count, float roundness, float radius, float end_radius)
{
    for (size_t i = 0; i + 1 < count; i++) {
        mu_pen_point p1 = points[i], p2 = points[i + 1];
        mu_pen_point before = i > 0 ? points[i - 1] : p1, after = i + 2 < count ? points[i + 2] : p2;
        mu_pen_point m1 = { roundness * (p2.x - before.x), roundness * (p2.y - before.y) };
        mu_pen_point m2 = { roundness * (after.x - p1.x), roundness * (after.y - p1.y) };
        float length = sqrtf((p2.x - p1.x) * (p2.x - p1.x) + (p2.y - p1.y) * (p2.y - p1.y));
        int segments = 1 + (int)clamp(0.5f * length, 0.0f, (float)(SPAN_SEGMENTS_MAX - 1));
        mu_pen_point from = p1;
        for (int s = 1; s <= segments; s++) {
            float t = (float)s / (float)segments;
            mu_pen_point to = hermite(p1, p2, m1, m2, t);
            float progress = ((float)i + t) / (float)(count - 1);
            draw_segment(sheet, from, to, radius + progress * (end_radius - radius));
            from = to;
        }
    }
}

void mu_pen_coverage(const mu_pen_sheet *sheet, float *coverage)
{
    for (size_t y = 0; y < MU_PEN_SIDE; y++)
        for (size_t x = 0; x < MU_PEN_SIDE; x++)
            coverage[y * MU_PEN_SIDE + x] = clamp(sheet->depth[y * MU_PEN_STRIDE + x] + 0.5f, 0.0f, 1.0f);
}

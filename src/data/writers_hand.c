/* Hands and digits from random streams. Nothing is kept: whoever asks for device 900,000's example 17 gets it computed. */
#include "data/writers_hand.h"

#include "data/writers_pen.h"
#include "muster/math.h"

#include <math.h>

/* Rounds of the MU_RANDOM_WRITER streams: what is drawn must not move when something else draws one number more. */
enum { ROUND_SIZE, ROUND_HAND, ROUND_MIX, ROUND_HABIT /* and the classes after it */ };

/* Nearly normal (the sum of four bytes), mean 0, variance 1, never beyond 3.46: cheap, and a bounded hand stays legible. */
static float stray(mu_random *random)
{
    uint32_t bits = mu_random_u32(random);
    int32_t sum = (int32_t)((bits & 255u) + (bits >> 8 & 255u) + (bits >> 16 & 255u) + (bits >> 24));
    return (float)(sum - 510) * (1.0f / 147.8f);
}

static float scale(mu_random *random, double spread)
{
    return (float)mu_exp(spread * (double)stray(random));
}

/* Log-normal, with the mean that was asked for. */
uint32_t mu_writers_num_examples(const mu_writers_config *config, uint64_t seed, uint64_t writer)
{
    double mean = (double)config->examples_per_device, spread = config->size_spread;
    if (spread <= 0.0)
        return config->examples_per_device;
    mu_random random = mu_random_stream(seed, MU_RANDOM_WRITER, ROUND_SIZE, writer);
    double count = floor(mean * mu_exp(spread * mu_random_normal(&random) - 0.5 * spread * spread) + 0.5);
    double most = 100.0 * mean;
    return count < 1.0 ? 1u : count > most ? (uint32_t)most : (uint32_t)count;
}

static void make_class_mix(mu_hand *hand, double alpha)
{
    double shares[MU_GLYPH_CLASSES], sum = 0.0;
    mu_random random = mu_random_stream(hand->seed, MU_RANDOM_WRITER, ROUND_MIX, hand->writer);
    if (isfinite(alpha))
        mu_random_dirichlet(&random, alpha, MU_GLYPH_CLASSES, shares);
    for (size_t c = 0; c < MU_GLYPH_CLASSES; c++) {
        sum += isfinite(alpha) ? shares[c] : 1.0 / MU_GLYPH_CLASSES;
        hand->class_ends[c] = (float)sum;
    }
    hand->class_ends[MU_GLYPH_CLASSES - 1] = 1.0f;
}

void mu_hand_make(mu_hand *hand, const mu_writers_config *config, uint64_t seed, uint64_t writer)
{
    double spread = config->hand_spread;
    float s = (float)spread;
    mu_random random = mu_random_stream(seed, MU_RANDOM_WRITER, ROUND_HAND, writer);
    *hand = (mu_hand){ .seed = seed, .writer = writer };
    hand->slant = 0.12f + s * 0.26f * stray(&random);
    hand->rotation = s * 0.12f * stray(&random);
    hand->width = 0.66f * scale(&random, spread * 0.16);
    hand->size_px = 17.5f * scale(&random, spread * 0.10);
    hand->offset_x_px = s * 0.8f * stray(&random);
    hand->offset_y_px = s * 0.8f * stray(&random);
    hand->roundness = 0.48f + s * 0.12f * stray(&random);
    hand->roundness = hand->roundness < 0.05f ? 0.05f : hand->roundness;
    hand->radius_px = 1.15f * scale(&random, spread * 0.22);
    hand->taper = 0.85f + s * 0.1f * stray(&random);
    hand->wobble = 0.032f * scale(&random, spread * 0.35);
    hand->ink = 1.0f - s * 0.25f * mu_random_unit_float(&random);
    hand->noise = (float)config->noise * scale(&random, spread * 0.4);
    make_class_mix(hand, config->class_alpha);
}

mu_random mu_hand_example_stream(const mu_hand *hand, uint32_t index)
{
    return mu_random_stream(hand->seed, MU_RANDOM_SAMPLE, index, hand->writer);
}

uint32_t mu_hand_choose_class(const mu_hand *hand, mu_random *random)
{
    float at = mu_random_unit_float(random);
    uint32_t label = 0;
    while (at >= hand->class_ends[label])
        label++;
    return label;
}

/* Everything between the box of the glyph and the picture, as one affine map. */
typedef struct pose {
    float xx, xy, yx, yy, x0, y0;
} pose;

static pose make_pose(const mu_hand *hand, float spread, mu_random *random)
{
    float slant = hand->slant + spread * 0.07f * stray(random);
    float width = hand->width * (1.0f + spread * 0.07f * stray(random));
    float size = hand->size_px * (1.0f + spread * 0.05f * stray(random));
    double sine, cosine;
    mu_sincos((double)(hand->rotation + spread * 0.07f * stray(random)), &sine, &cosine);
    float s = size * (float)sine, c = size * (float)cosine;
    const float middle = 0.5f * (float)(MU_PEN_SIDE - 1);
    return (pose){
        .xx = c * width, .xy = -c * slant - s, .yx = s * width, .yy = c - s * slant,
        .x0 = middle + hand->offset_x_px + spread * 0.9f * stray(random),
        .y0 = middle + hand->offset_y_px + spread * 0.9f * stray(random),
    };
}

/* The writer's own version of the glyph: which variant, and where his points lie. Out of his own habit he strays a little each time. */
static const mu_glyph *place_points(const mu_hand *hand, const mu_writers_config *config, uint32_t label, mu_random *random,
                                    mu_pen_point *points)
{
    const mu_glyph_class *kind = &mu_glyph_classes[label];
    mu_random habit = mu_random_stream(hand->seed, MU_RANDOM_WRITER, ROUND_HABIT + label, hand->writer);
    float hand_spread = (float)config->hand_spread, sample_spread = (float)config->sample_spread;
    uint32_t usual = config->hand_spread > 0.0 ? mu_random_below(&habit, kind->variants) : 0;
    uint32_t other = mu_random_below(random, kind->variants);
    bool unusual = mu_random_unit_float(random) < 0.1f * sample_spread;
    const mu_glyph *glyph = &kind->glyphs[unusual ? other : usual];
    pose p = make_pose(hand, sample_spread, random);
    float own = 0.045f * hand_spread, wobble = hand->wobble * sample_spread;
    for (uint32_t i = 0; i < glyph->count; i++) {
        float u = 0.01f * (float)glyph->points[i].x - 0.5f, v = 0.01f * (float)glyph->points[i].y - 0.5f;
        u += own * stray(&habit);
        v += own * stray(&habit);
        u += wobble * stray(random);
        v += wobble * stray(random);
        points[i] = (mu_pen_point){ p.x0 + p.xx * u + p.xy * v, p.y0 + p.yx * u + p.yy * v };
    }
    return glyph;
}

static void add_noise(float *image, float amplitude, mu_random *random)
{
    for (size_t i = 0; i < MU_PEN_SIDE * MU_PEN_SIDE; i += 4) {
        uint32_t bits = mu_random_u32(random);
        for (size_t k = 0; k < 4; k++) {
            float grain = (float)(int32_t)(bits >> 8 * k & 255u) * (1.0f / 127.5f) - 1.0f;
            float value = image[i + k] + amplitude * grain;
            value = value > 0.0f ? value : 0.0f;
            image[i + k] = value < 1.0f ? value : 1.0f;
        }
    }
}

void mu_hand_draw(const mu_hand *hand, const mu_writers_config *config, uint32_t label, mu_random *random, float *image)
{
    mu_pen_point points[MU_GLYPH_POINTS_MAX];
    const mu_glyph *glyph = place_points(hand, config, label, random, points);
    float radius = hand->radius_px * (1.0f + (float)config->sample_spread * 0.08f * stray(random));
    radius = radius > 0.4f ? radius : 0.4f;
    mu_pen_sheet sheet;
    mu_pen_clear(&sheet);
    for (uint32_t first = 0, next; first + 1 < glyph->count; first = next) {
        uint32_t end = first + 1;
        while (end + 1 < glyph->count && glyph->points[end].turn == MU_GLYPH_SMOOTH && glyph->points[end + 1].turn != MU_GLYPH_LIFT)
            end++;
        mu_pen_stroke(&sheet, points + first, end - first + 1, hand->roundness, radius, radius * hand->taper);
        next = glyph->points[end].turn == MU_GLYPH_CORNER ? end : end + 1;
    }
    mu_pen_coverage(&sheet, image);
    for (size_t i = 0; i < MU_PEN_SIDE * MU_PEN_SIDE; i++)
        image[i] *= hand->ink;
    if (hand->noise > 0.0f)
        add_noise(image, hand->noise, random);
}

/* A writer's hand: what stays the same from one digit to the next of one device, and how much the rest varies. */
#ifndef MUSTER_DATA_WRITERS_HAND_H
#define MUSTER_DATA_WRITERS_HAND_H

#include "data/writers_glyphs.h"
#include "muster/random.h"

/* The knobs of the data set. */
typedef struct mu_writers_config {
    uint32_t devices, examples_per_device, test_examples;
    double   size_spread;   /* standard deviation of ln(examples) over devices */
    double   class_alpha;   /* Dirichlet parameter of a device's class mix; INFINITY: all classes alike */
    double   hand_spread;   /* 0: all write alike; 1: as people do */
    double   sample_spread; /* 0: a writer's digits of one class are all the same; 1: as people's */
    double   noise;         /* amplitude of the paper's noise; ink is 1 */
} mu_writers_config;

typedef struct mu_hand {
    uint64_t seed, writer;
    float    slant, rotation, width, size_px; /* width: of the glyph's box against its height */
    float    offset_x_px, offset_y_px;
    float    roundness;                 /* of the curves; 0.5 is a Catmull-Rom spline */
    float    radius_px, taper;          /* of the nib; the stroke ends at radius * taper */
    float    wobble;                    /* how far a point of the glyph strays from one digit to the next, in box heights */
    float    ink, noise;                /* grey of a full stroke, amplitude of the noise */
    float    class_ends[MU_GLYPH_CLASSES]; /* running sum of the class mix; the last is 1 or more */
} mu_hand;

/* Writers of the federation are its devices; the test set's are numbered from here on. */
#define MU_WRITERS_TEST_FIRST ((uint64_t)1 << 32)

uint32_t mu_writers_num_examples(const mu_writers_config *config, uint64_t seed, uint64_t writer);
void     mu_hand_make(mu_hand *hand, const mu_writers_config *config, uint64_t seed, uint64_t writer);

/* The stream that example `index` of a writer is made from; its first number chooses the class. */
mu_random mu_hand_example_stream(const mu_hand *hand, uint32_t index);
uint32_t  mu_hand_choose_class(const mu_hand *hand, mu_random *random);
/* Grey values, 0 (paper) to 1 (ink), into image [28][28]. */
void mu_hand_draw(const mu_hand *hand, const mu_writers_config *config, uint32_t label, mu_random *random, float *image);

#endif

/* The digits as a teacher would draw them: for each class a few ways to write it, as points that the pen passes. */
#ifndef MUSTER_DATA_WRITERS_GLYPHS_H
#define MUSTER_DATA_WRITERS_GLYPHS_H

#include <stdint.h>

#define MU_GLYPH_CLASSES 10
#define MU_GLYPH_VARIANTS_MAX 4
#define MU_GLYPH_POINTS_MAX 16

typedef enum mu_glyph_turn {
    MU_GLYPH_SMOOTH, /* the pen passes without a corner */
    MU_GLYPH_CORNER, /* one curve ends here and the next begins */
    MU_GLYPH_LIFT,   /* the pen comes down here: nothing is drawn from the point before */
} mu_glyph_turn;

/* In hundredths of the glyph's box; x to the right, y down. */
typedef struct mu_glyph_point {
    int8_t  x, y;
    uint8_t turn;
} mu_glyph_point;

typedef struct mu_glyph {
    uint8_t        count;
    mu_glyph_point points[MU_GLYPH_POINTS_MAX];
} mu_glyph;

typedef struct mu_glyph_class {
    uint8_t  variants;
    mu_glyph glyphs[MU_GLYPH_VARIANTS_MAX];
} mu_glyph_class;

extern const mu_glyph_class mu_glyph_classes[MU_GLYPH_CLASSES];

#endif

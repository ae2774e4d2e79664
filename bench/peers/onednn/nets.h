/* The networks that are measured: the same as `muster bench step` has under the same names. */
#ifndef ONEDNN_NETS_H
#define ONEDNN_NETS_H

typedef struct nets_case {
    const char *name;
    void (*build)(void); /* a whole step, on the tape */
} nets_case;

extern const nets_case nets_cases[]; /* ended by a NULL name */

enum { NETS_WIDTHS = 17 };
void nets_build_width(int part); /* fedavg-cnn with `part` of NETS_WIDTHS of each layer, 1 to NETS_WIDTHS, batch 32 */

#endif

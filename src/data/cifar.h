/* CIFAR's binary layout: rows of one label byte (CIFAR-10) or two, coarse and fine (CIFAR-100), and 3 x 32 x 32 pixel bytes, red,
 * green and blue planes one after the other. https://www.cs.toronto.edu/~kriz/cifar.html */
#ifndef MUSTER_DATA_CIFAR_H
#define MUSTER_DATA_CIFAR_H

#include "muster/status.h"

enum { MU_CIFAR_SIDE = 32, MU_CIFAR_CHANNELS = 3, MU_CIFAR_VALUES = 32 * 32 * 3 };

/* How many rows `data` holds. Every row's last label byte must be below `classes`. */
mu_status mu_cifar_check(const char *name, const unsigned char *data, size_t size_bytes, size_t label_bytes, uint32_t classes,
                         uint32_t *rows, mu_error *err);
/* Copy checked rows: pixels as [rows][32][32][3]. */
void mu_cifar_read(const unsigned char *data, size_t label_bytes, uint32_t rows, unsigned char *pixels, int32_t *labels);

#endif

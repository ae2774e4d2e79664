/* Loops over floats that are no primitives of oneDNN, or that a compiler vectorises as well. */
#ifndef ONEDNN_LOOPS_H
#define ONEDNN_LOOPS_H

#include <stddef.h>
#include <stdint.h>

void  loop_relu_backward(size_t count, float *a, float *b, float *c);
void  loop_add_relu(size_t count, float *a, float *b, float *c);
void  loop_add(size_t count, float *a, float *b, float *c);
void  loop_copy(size_t count, float *a, float *b, float *c);
void  loop_clear(size_t count, float *a, float *b, float *c);
void  loop_sgd(size_t count, float *a, float *b, float *c);
float loop_loss(const float *logits, float *gradient, const int32_t *labels, size_t rows, size_t classes);
void  loop_gather(const float *table, float *y, const int32_t *tokens, size_t count, size_t width);
void  loop_gather_backward(const float *dy, float *dtable, const int32_t *tokens, size_t count, size_t width, size_t table_floats);

#endif

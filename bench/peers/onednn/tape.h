/* A training step as a list of commands, made once and run again and again: oneDNN's primitives with their memory, and loops over floats. */
#ifndef ONEDNN_TAPE_H
#define ONEDNN_TAPE_H

#include "api.h"

#include <stdint.h>

/* Memory with its layout. */
typedef struct tape_memory {
    dnnl_memory_t memory; /* NULL: none */
    api_layout    layout;
} tape_memory;

tape_memory tape_new(api_layout layout);                  /* zeroed: what pads a blocked layout stays zero */
tape_memory tape_over(api_layout layout, const tape_memory *owner); /* the same bytes, seen otherwise */
float      *tape_floats(const tape_memory *memory);
size_t      tape_count(const tape_memory *memory);        /* floats, with padding */

/* ---- adding commands ---- */

typedef struct tape_command tape_command;

/* A primitive; its scratch memory is seen to. Then its arguments. */
tape_command *tape_primitive(api_desc desc);
void          tape_argument(tape_command *command, int name, const tape_memory *memory);
/* `from` in another layout: itself where it has that already, else a copy that a reorder makes in each run. */
tape_memory tape_in_layout(const tape_memory *from, api_layout layout);

typedef enum tape_loop {
    TAPE_RELU_BACKWARD, /* b = a > 0 ? b : 0 */
    TAPE_ADD_RELU,      /* c = max(a + b, 0) */
    TAPE_ADD,           /* a += b */
    TAPE_COPY,          /* b = a */
    TAPE_CLEAR,         /* a = 0 */
    TAPE_SGD,           /* a -= learning rate * b */
    TAPE_LOOPS
} tape_loop;
void tape_loop_over(tape_loop loop, const tape_memory *a, const tape_memory *b, const tape_memory *c);

/* Mean softmax cross-entropy of [rows][classes] logits and its gradient. */
void tape_loss(const tape_memory *logits, const tape_memory *gradient, const int32_t *labels, size_t rows, size_t classes);
/* y[i] = table[tokens[i]], and its gradient added up; `width` floats each. */
void tape_gather(const tape_memory *table, const tape_memory *y, const int32_t *tokens, size_t count, size_t width);
void tape_gather_backward(const tape_memory *dy, const tape_memory *dtable, const int32_t *tokens, size_t count, size_t width);

/* ---- running ---- */
void  tape_run(void);
float tape_last_loss(void);

/* Run a primitive now, as for first weights. */
void tape_reorder_now(const tape_memory *from, const tape_memory *to);

/* The end of this step: everything of it but its primitives' descriptors is given back. */
void tape_clear(void);

#endif

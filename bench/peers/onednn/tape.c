/* The list of commands and the memory that they work on. */
#include "tape.h"

#include "loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_COMMANDS = 4096, MOST_ARGUMENTS = 24, MOST_MEMORIES = 16384 };

typedef enum command_kind { PRIMITIVE, LOOP, LOSS, GATHER, GATHER_BACKWARD } command_kind;

struct tape_command {
    command_kind     kind;
    dnnl_primitive_t primitive;
    int              argument_count;
    dnnl_exec_arg_t  arguments[MOST_ARGUMENTS];
    void (*loop)(size_t count, float *a, float *b, float *c);
    float         *a, *b, *c;
    size_t         count, rows, width;
    const int32_t *indices;
};

static tape_command  commands[MOST_COMMANDS];
static size_t        command_count;
static dnnl_memory_t memories[MOST_MEMORIES];
static void         *blocks[MOST_MEMORIES];
static size_t        memory_count, block_count;
static void         *scratch; /* one for all primitives: they run one after the other */
static size_t        scratch_bytes;
static float         last_loss;

static void *allocate(size_t size_bytes)
{
    const size_t line = 64; /* of the cache */
    void *block = aligned_alloc(line, (size_bytes + line - 1) / line * line + line);
    if (!block || block_count == MOST_MEMORIES) {
        fprintf(stderr, "onednn_step: no memory for %zu bytes\n", size_bytes);
        exit(1);
    }
    memset(block, 0, size_bytes);
    blocks[block_count++] = block;
    return block;
}

static tape_memory memory_at(api_layout layout, void *bytes)
{
    tape_memory made = { .layout = layout };
    api_check(memory_count < MOST_MEMORIES ? dnnl_success : dnnl_out_of_memory, "memories");
    api_check(dnnl_memory_create(&made.memory, layout, api_engine(), bytes), "memory");
    memories[memory_count++] = made.memory;
    return made;
}

tape_memory tape_new(api_layout layout)
{
    return memory_at(layout, allocate(api_layout_bytes(layout)));
}

tape_memory tape_over(api_layout layout, const tape_memory *owner)
{
    return memory_at(layout, tape_floats(owner));
}

float *tape_floats(const tape_memory *memory)
{
    void *bytes;
    api_check(dnnl_memory_get_data_handle(memory->memory, &bytes), "a memory's address");
    return bytes;
}

size_t tape_count(const tape_memory *memory)
{
    return api_layout_bytes(memory->layout) / sizeof(float);
}

/* ---- adding ---- */

static tape_command *add(command_kind kind)
{
    api_check(command_count < MOST_COMMANDS ? dnnl_success : dnnl_out_of_memory, "commands");
    tape_command *command = &commands[command_count++];
    memset(command, 0, sizeof *command);
    command->kind = kind;
    return command;
}

/* Commands hold the memory object; its address is set when the needs of all are known. */
static void need_scratch(tape_command *command, api_desc desc)
{
    api_layout layout = api_chosen(desc, dnnl_query_scratchpad_md, 0);
    size_t size_bytes = layout ? api_layout_bytes(layout) : 0;
    if (size_bytes == 0)
        return;
    tape_memory memory = memory_at(layout, NULL);
    tape_argument(command, DNNL_ARG_SCRATCHPAD, &memory);
    scratch_bytes = size_bytes > scratch_bytes ? size_bytes : scratch_bytes;
}

tape_command *tape_primitive(api_desc desc)
{
    tape_command *command = add(PRIMITIVE);
    api_check(dnnl_primitive_create(&command->primitive, desc), "primitive");
    need_scratch(command, desc);
    if (getenv("ONEDNN_STEP_NAMES")) { /* which of oneDNN's implementations it is */
        const char *name;
        dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
        fprintf(stderr, "%s\n", name);
    }
    return command;
}

void tape_argument(tape_command *command, int name, const tape_memory *memory)
{
    api_check(command->argument_count < MOST_ARGUMENTS ? dnnl_success : dnnl_invalid_arguments, "arguments");
    command->arguments[command->argument_count++] = (dnnl_exec_arg_t){ name, memory->memory };
}

tape_memory tape_in_layout(const tape_memory *from, api_layout layout)
{
    if (api_layout_same(from->layout, layout))
        return *from;
    tape_memory to = tape_new(layout);
    tape_command *command = tape_primitive(api_reorder(from->layout, layout));
    tape_argument(command, DNNL_ARG_FROM, from);
    tape_argument(command, DNNL_ARG_TO, &to);
    return to;
}

void tape_loop_over(tape_loop loop, const tape_memory *a, const tape_memory *b, const tape_memory *c)
{
    static void (*const loops[])(size_t count, float *a, float *b, float *c) = {
        [TAPE_RELU_BACKWARD] = loop_relu_backward, [TAPE_ADD_RELU] = loop_add_relu, [TAPE_ADD] = loop_add,
        [TAPE_COPY] = loop_copy, [TAPE_CLEAR] = loop_clear, [TAPE_SGD] = loop_sgd };
    _Static_assert(sizeof loops / sizeof *loops == TAPE_LOOPS, "every loop has its function");
    tape_command *command = add(LOOP);
    command->loop = loops[loop];
    command->count = tape_count(a);
    command->a = tape_floats(a);
    command->b = b ? tape_floats(b) : NULL;
    command->c = c ? tape_floats(c) : NULL;
}

void tape_loss(const tape_memory *logits, const tape_memory *gradient, const int32_t *labels, size_t rows, size_t classes)
{
    tape_command *command = add(LOSS);
    command->a = tape_floats(logits);
    command->b = tape_floats(gradient);
    command->indices = labels;
    command->rows = rows;
    command->width = classes;
}

void tape_gather(const tape_memory *table, const tape_memory *y, const int32_t *tokens, size_t count, size_t width)
{
    tape_command *command = add(GATHER);
    command->a = tape_floats(table);
    command->b = tape_floats(y);
    command->indices = tokens;
    command->rows = count;
    command->width = width;
}

void tape_gather_backward(const tape_memory *dy, const tape_memory *dtable, const int32_t *tokens, size_t count, size_t width)
{
    tape_command *command = add(GATHER_BACKWARD);
    command->a = tape_floats(dy);
    command->b = tape_floats(dtable);
    command->count = tape_count(dtable);
    command->indices = tokens;
    command->rows = count;
    command->width = width;
}

/* ---- running ---- */

static void give_scratch(tape_command *command)
{
    for (int i = 0; i < command->argument_count; i++)
        if (command->arguments[i].arg == DNNL_ARG_SCRATCHPAD)
            api_check(dnnl_memory_set_data_handle(command->arguments[i].memory, scratch), "scratch memory");
}

static void run(const tape_command *c)
{
    switch (c->kind) {
    case PRIMITIVE:
        api_check(dnnl_primitive_execute(c->primitive, api_stream(), c->argument_count, c->arguments), "a primitive");
        break;
    case LOOP: c->loop(c->count, c->a, c->b, c->c); break;
    case LOSS: last_loss = loop_loss(c->a, c->b, c->indices, c->rows, c->width); break;
    case GATHER: loop_gather(c->a, c->b, c->indices, c->rows, c->width); break;
    case GATHER_BACKWARD: loop_gather_backward(c->a, c->b, c->indices, c->rows, c->width, c->count); break;
    }
}

void tape_run(void)
{
    if (!scratch && scratch_bytes) {
        scratch = allocate(scratch_bytes);
        for (size_t i = 0; i < command_count; i++)
            give_scratch(&commands[i]);
    }
    for (size_t i = 0; i < command_count; i++)
        run(&commands[i]);
}

float tape_last_loss(void)
{
    return last_loss;
}

void tape_reorder_now(const tape_memory *from, const tape_memory *to)
{
    api_desc desc = api_reorder(from->layout, to->layout);
    api_layout scratch_layout = api_chosen(desc, dnnl_query_scratchpad_md, 0);
    tape_memory own = tape_new(scratch_layout);
    dnnl_exec_arg_t arguments[] = { { DNNL_ARG_FROM, from->memory }, { DNNL_ARG_TO, to->memory }, { DNNL_ARG_SCRATCHPAD, own.memory } };
    dnnl_primitive_t primitive;
    api_check(dnnl_primitive_create(&primitive, desc), "reorder");
    api_check(dnnl_primitive_execute(primitive, api_stream(), 3, arguments), "reorder");
    dnnl_primitive_destroy(primitive);
}

void tape_clear(void)
{
    for (size_t i = 0; i < command_count; i++)
        if (commands[i].primitive)
            dnnl_primitive_destroy(commands[i].primitive);
    for (size_t i = 0; i < memory_count; i++)
        dnnl_memory_destroy(memories[i]);
    for (size_t i = 0; i < block_count; i++)
        free(blocks[i]);
    command_count = memory_count = block_count = 0;
    scratch = NULL;
    scratch_bytes = 0;
}

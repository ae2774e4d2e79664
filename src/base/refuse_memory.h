/* For tests: the n-th allocation is refused. A test that includes this is linked with
 *     -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup
 * which turns the calls in our own code to the functions here; those inside of other libraries go where they always go. */
#ifndef MUSTER_BASE_REFUSE_MEMORY_H
#define MUSTER_BASE_REFUSE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Atomic, as threads of what is tested ask too; those of a test that counts are not to do so at the same moment. */
static atomic_long allocations_left = -1; /* -1: as many as there are */
static atomic_bool refused;

static bool refuse(void)
{
    if (allocations_left == 0)
        return refused = true;
    allocations_left -= allocations_left > 0;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

void *__wrap_malloc(size_t size) { return refuse() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refuse() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return refuse() ? NULL : __real_realloc(old, size); }
char *__wrap_strdup(const char *text) { return refuse() ? NULL : __real_strdup(text); }
char *__wrap_strndup(const char *text, size_t size) { return refuse() ? NULL : __real_strndup(text, size); }

#endif

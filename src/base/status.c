/* Status words and the error sentence. */
#include "muster/status.h"

#include <stdarg.h>
#include <string.h>

#if defined(MUSTER_FREESTANDING)
#include "base/format.h"
#else
#include <stdio.h>
#endif

static const char *const status_names[] = {
    [MU_OK] = "ok",
    [MU_E_CONFIG] = "config",
    [MU_E_RANGE] = "range",
    [MU_E_SHAPE] = "shape",
    [MU_E_PARSE] = "parse",
    [MU_E_LIMIT] = "limit",
    [MU_E_MEMORY] = "memory",
    [MU_E_IO] = "io",
    [MU_E_NETWORK] = "network",
    [MU_E_CHECKSUM] = "checksum",
    [MU_E_STATE] = "state",
    [MU_E_UNSUPPORTED] = "unsupported",
    [MU_E_INTERRUPTED] = "interrupted",
};
_Static_assert(MU_COUNT(status_names) == MU_STATUS_COUNT, "every status has its name");

const char *mu_status_name(mu_status status)
{
    return (unsigned)status < MU_STATUS_COUNT ? status_names[status] : "unknown status";
}

/* Ends a sentence that did not fit in "...", and not inside of a UTF-8 character. */
static void mark_cut(char *message, size_t capacity_bytes)
{
    size_t end = capacity_bytes - 4;
    while (end > 0 && ((unsigned char)message[end] & 0xC0u) == 0x80u)
        end--;
    memcpy(message + end, "...", 4);
}

static MU_PRINTF(3, 0) int print_into(char *message, size_t capacity_bytes, const char *format, va_list arguments)
{
#if defined(MUSTER_FREESTANDING)
    return mu_format(message, capacity_bytes, format, arguments);
#else
    return vsnprintf(message, capacity_bytes, format, arguments);
#endif
}

static MU_PRINTF(3, 0) void write_sentence(char *message, size_t capacity_bytes, const char *format, va_list arguments)
{
    int length = print_into(message, capacity_bytes, format, arguments);
    if (length < 0)
        message[0] = '\0';
    else if ((size_t)length >= capacity_bytes)
        mark_cut(message, capacity_bytes);
}

mu_status mu_error_set(mu_error *err, mu_status status, const char *format, ...)
{
    if (!err)
        return status;
    err->status = status;
    va_list arguments;
    va_start(arguments, format);
    write_sentence(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    return status;
}

mu_status mu_error_prefix(mu_error *err, mu_status status, const char *format, ...)
{
    if (!err)
        return status;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list arguments;
    va_start(arguments, format);
    write_sentence(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    size_t used = strlen(err->message), room = sizeof err->message - used, length = strlen(old);
    memcpy(err->message + used, old, length < room ? length + 1 : room);
    if (length >= room)
        mark_cut(err->message, sizeof err->message);
    err->status = status;
    return status;
}

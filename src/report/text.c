/* A text that grows. */
#include "report/text.h"

#include "base/utf8.h"
#include "report/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mu_text_release(mu_text *text)
{
    free(text->bytes);
    *text = (mu_text){ 0 };
}

char *mu_text_take(mu_text *text)
{
    mu_text_put_bytes(text, "", 0);
    char *bytes = text->bytes;
    if (text->failed) {
        free(bytes);
        bytes = NULL;
    }
    *text = (mu_text){ 0 };
    return bytes;
}

void mu_text_clear(mu_text *text)
{
    text->size_bytes = 0;
    if (text->bytes)
        text->bytes[0] = '\0';
}

/* Room for `more` bytes and the zero. */
static bool grow(mu_text *text, size_t more)
{
    if (text->failed || more > SIZE_MAX / 4 - text->size_bytes) {
        text->failed = true;
        return false;
    }
    size_t needed = text->size_bytes + more + 1;
    if (needed <= text->capacity_bytes)
        return true;
    size_t capacity = needed < 256 ? 256 : needed + needed / 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity_bytes = capacity;
    return true;
}

void mu_text_put_bytes(mu_text *text, const char *bytes, size_t size_bytes)
{
    if (!grow(text, size_bytes))
        return;
    memcpy(text->bytes + text->size_bytes, bytes, size_bytes);
    text->size_bytes += size_bytes;
    text->bytes[text->size_bytes] = '\0';
}

void mu_text_put(mu_text *text, const char *words)
{
    mu_text_put_bytes(text, words, strlen(words));
}

void mu_text_format(mu_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0)
        text->failed = true;
    else if (grow(text, (size_t)length)) {
        vsnprintf(text->bytes + text->size_bytes, (size_t)length + 1, format, again);
        text->size_bytes += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

/* Not by mu_text_format: a long run has millions of them. */
void mu_text_whole(mu_text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    mu_text_put_bytes(text, digits + at, sizeof digits - at);
}

void mu_text_real(mu_text *text, double value, const char *otherwise)
{
    char number[MU_NUMBER_BYTES];
    mu_number_real(value, number);
    mu_text_put(text, number[0] ? number : otherwise);
}

/* How one format writes one character; NULL: as it is. */
typedef const char *(*mu_escape)(unsigned char byte, char room[16]);

static void put_escaped(mu_text *text, const char *words, mu_escape escape)
{
    const unsigned char *at = (const unsigned char *)words;
    while (*at) {
        size_t length = mu_utf8_bytes(at);
        char room[16];
        const char *instead = length == 0 ? "\xEF\xBF\xBD" : length == 1 ? escape(*at, room) : NULL;
        if (instead)
            mu_text_put(text, instead);
        else
            mu_text_put_bytes(text, (const char *)at, length);
        at += length ? length : 1;
    }
}

static const char *escape_json(unsigned char byte, char room[16])
{
    switch (byte) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
    }
    if (byte >= 0x20 && byte != 0x7F)
        return NULL;
    snprintf(room, 16, "\\u%04x", byte);
    return room;
}

static const char *escape_html(unsigned char byte, char room[16])
{
    (void)room;
    switch (byte) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    case '\n':
    case '\t': return NULL;
    default: return byte < 0x20 || byte == 0x7F ? "\xEF\xBF\xBD" : NULL;
    }
}

static const char *escape_csv(unsigned char byte, char room[16])
{
    (void)room;
    return byte == '"' ? "\"\"" : NULL;
}

/* In single quotes gnuplot evaluates nothing, neither backquotes nor @macros. A quote may be written twice there, but not at the
 * beginning: gnuplot 5.4 takes that for an empty text and evaluates what follows. So quotes become those of typesetters. */
static const char *escape_gnuplot(unsigned char byte, char room[16])
{
    (void)room;
    return byte == '\'' ? "\u2019" : byte == '`' ? "\u2018" : byte < 0x20 || byte == 0x7F ? " " : NULL;
}

void mu_text_json(mu_text *text, const char *words)
{
    mu_text_put(text, "\"");
    put_escaped(text, words, escape_json);
    mu_text_put(text, "\"");
}

void mu_text_html(mu_text *text, const char *words)
{
    put_escaped(text, words, escape_html);
}

void mu_text_csv(mu_text *text, const char *words)
{
    bool plain = !strpbrk(words, ",\"\r\n") && words[0] != ' ' && (!words[0] || words[strlen(words) - 1] != ' ');
    mu_text_put(text, plain ? "" : "\"");
    put_escaped(text, words, escape_csv);
    mu_text_put(text, plain ? "" : "\"");
}

void mu_text_gnuplot(mu_text *text, const char *words)
{
    mu_text_put(text, "'");
    put_escaped(text, words, escape_gnuplot);
    mu_text_put(text, "'");
}

void mu_text_copy(char *out, size_t capacity_bytes, const char *words)
{
    size_t used = 0;
    for (const unsigned char *at = (const unsigned char *)words; *at; ) {
        size_t length = mu_utf8_bytes(at);
        const void *from = length ? (const void *)at : "\xEF\xBF\xBD";
        size_t bytes = length ? length : 3;
        if (used + bytes >= capacity_bytes)
            break;
        memcpy(out + used, from, bytes);
        used += bytes;
        at += length ? length : 1;
    }
    out[used] = '\0';
}

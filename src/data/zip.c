/* Reading members of a zip archive. Layout: PKWARE's APPNOTE.TXT, 4.3. */
#include "data/zip.h"

#include "base/limits.h"
#include "data/unpack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_BYTES = 22, ENTRY_BYTES = 46, LOCAL_BYTES = 30, COMMENT_MAX = 65535, STORED = 0, DEFLATED = 8, ENCRYPTED = 1 };
static const uint32_t end_mark = 0x06054b50, entry_mark = 0x02014b50, local_mark = 0x04034b50, in_zip64 = 0xffffffff;

/* One line of the central directory. */
typedef struct entry {
    const unsigned char *name;
    size_t               name_bytes, at, next; /* where the line begins, and the next one */
    uint32_t             flags, method, crc, packed_bytes, size_bytes, local;
} entry;

static uint32_t word(const unsigned char *at, size_t bytes)
{
    uint32_t value = 0;
    for (size_t i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static mu_status read_entry(const mu_zip *zip, size_t at, entry *out, mu_error *err)
{
    const unsigned char *p = zip->data + at;
    if (zip->directory_end - at < ENTRY_BYTES || word(p, 4) != entry_mark)
        return mu_error_set(err, MU_E_PARSE, "%s: byte %zu is not the begin of an entry of the zip directory", zip->name, at);
    *out = (entry){ .at = at, .flags = word(p + 8, 2), .method = word(p + 10, 2), .crc = word(p + 16, 4), .packed_bytes = word(p + 20, 4),
                    .size_bytes = word(p + 24, 4), .name_bytes = word(p + 28, 2), .local = word(p + 42, 4), .name = p + ENTRY_BYTES };
    size_t length = ENTRY_BYTES + out->name_bytes + word(p + 30, 2) + word(p + 32, 2);
    if (length > zip->directory_end - at)
        return mu_error_set(err, MU_E_PARSE, "%s: the entry at byte %zu reaches beyond the zip directory", zip->name, at);
    out->next = at + length;
    if (out->packed_bytes == in_zip64 || out->size_bytes == in_zip64 || out->local == in_zip64)
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: a member of 4 GiB or more (ZIP64), at byte %zu; save its arrays as .npy files", zip->name, at);
    return MU_OK;
}

mu_status mu_zip_open(const char *name, const unsigned char *data, size_t size_bytes, mu_zip *out, mu_error *err)
{
    *out = (mu_zip){ .name = name, .data = data, .size_bytes = size_bytes };
    size_t lowest = size_bytes > END_BYTES + COMMENT_MAX ? size_bytes - END_BYTES - COMMENT_MAX : 0, end = size_bytes;
    for (size_t at = size_bytes < END_BYTES ? 0 : size_bytes - END_BYTES + 1; at-- > lowest && end == size_bytes;)
        if (word(data + at, 4) == end_mark && at + END_BYTES + word(data + at + 20, 2) == size_bytes)
            end = at;
    if (end == size_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: no zip archive, or one that is cut off: its end record is missing", name);
    uint32_t count = word(data + end + 10, 2), length = word(data + end + 12, 4), begin = word(data + end + 16, 4);
    if (begin == in_zip64 || count == 0xffff)
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: a ZIP64 archive; save its arrays as .npy files", name);
    if (word(data + end + 4, 2) || count != word(data + end + 8, 2))
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: one piece of a zip archive in several", name);
    if (begin > end || length > end - begin)
        return mu_error_set(err, MU_E_PARSE, "%s: the zip directory should be %u bytes from byte %u on, but the end record is at byte %zu", name,
                            length, begin, end);
    out->directory = begin;
    out->directory_end = (size_t)begin + length;
    out->count = count;
    size_t at = begin;
    for (uint32_t i = 0; i < count; i++) {
        entry e;
        mu_status status = read_entry(out, at, &e, err);
        if (status)
            return status;
        at = e.next;
    }
    return MU_OK;
}

static bool find(const mu_zip *zip, const char *member, entry *out)
{
    size_t at = zip->directory;
    for (uint32_t i = 0; i < zip->count; i++) {
        if (read_entry(zip, at, out, NULL))
            return false; /* mu_zip_open has seen all of them */
        if (out->name_bytes == strlen(member) && memcmp(out->name, member, out->name_bytes) == 0)
            return true;
        at = out->next;
    }
    return false;
}

bool mu_zip_has(const mu_zip *zip, const char *member)
{
    entry e;
    return find(zip, member, &e);
}

/* The names of the members, as far as they fit: for the message that one is missing. */
static void list_members(const mu_zip *zip, char *text, size_t capacity_bytes)
{
    size_t at = zip->directory, used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < zip->count; i++) {
        entry e;
        if (read_entry(zip, at, &e, NULL) || used + e.name_bytes + 3 > capacity_bytes)
            return;
        memcpy(text + used, i ? ", " : "", i ? 2 : 0);
        used += i ? 2 : 0;
        memcpy(text + used, e.name, e.name_bytes);
        used += e.name_bytes;
        text[used] = '\0';
        at = e.next;
    }
}

/* Where the member's bytes are: behind its local header, whose name and extra field may be longer than the directory's. */
static mu_status locate(const mu_zip *zip, const entry *e, const char *member, const unsigned char **out, mu_error *err)
{
    const unsigned char *p = zip->data + e->local;
    if (zip->size_bytes < LOCAL_BYTES || e->local > zip->size_bytes - LOCAL_BYTES || word(p, 4) != local_mark)
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' should begin at byte %u, but there is no member there", zip->name, member, e->local);
    size_t begin = (size_t)e->local + LOCAL_BYTES + word(p + 26, 2) + word(p + 28, 2);
    if (begin > zip->size_bytes || e->packed_bytes > zip->size_bytes - begin)
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' should have %u bytes from byte %zu on, the file ends at %zu", zip->name, member,
                            e->packed_bytes, begin, zip->size_bytes);
    if (word(p + 26, 2) != e->name_bytes || memcmp(p + LOCAL_BYTES, e->name, e->name_bytes) != 0)
        return mu_error_set(err, MU_E_PARSE, "%s: the member at byte %u is called something else than '%s', as the zip directory says", zip->name,
                            e->local, member);
    *out = zip->data + begin;
    return MU_OK;
}

mu_status mu_zip_read(const mu_zip *zip, const char *member, size_t limit_bytes, mu_zip_content *out, mu_error *err)
{
    entry e;
    if (!find(zip, member, &e)) {
        char names[512];
        list_members(zip, names, sizeof names);
        return mu_error_set(err, MU_E_PARSE, "%s: has no member '%s'; it has: %s", zip->name, member, names);
    }
    const unsigned char *packed = NULL;
    mu_status status = locate(zip, &e, member, &packed, err);
    if (status)
        return status;
    if (e.flags & ENCRYPTED || (e.method != STORED && e.method != DEFLATED))
        return mu_error_set(err, MU_E_UNSUPPORTED, "%s: '%s' is %s; expected stored or deflated members", zip->name, member,
                            e.flags & ENCRYPTED ? "encrypted" : "packed in an unknown way");
    if (e.size_bytes > limit_bytes)
        return mu_error_set(err, MU_E_LIMIT, "%s: '%s' has %u bytes, more than %zu", zip->name, member, e.size_bytes, limit_bytes);
    *out = (mu_zip_content){ .data = packed, .size_bytes = e.size_bytes };
    if (e.method == STORED && e.packed_bytes != e.size_bytes)
        return mu_error_set(err, MU_E_PARSE, "%s: '%s' is stored, but its two sizes, %u and %u, differ", zip->name, member, e.packed_bytes,
                            e.size_bytes);
    if (e.method == DEFLATED) {
        /* deflate makes at most 1032 bytes of one: a larger claim is a lie, and is not given memory */
        if (e.size_bytes / 1032 > e.packed_bytes)
            return mu_error_set(err, MU_E_PARSE, "%s: '%s' cannot have %u bytes, packed into %u", zip->name, member, e.size_bytes, e.packed_bytes);
        out->owned = malloc((size_t)e.size_bytes + 1);
        if (!out->owned)
            return mu_error_set(err, MU_E_MEMORY, "%s: no memory for the %u bytes of '%s'", zip->name, e.size_bytes, member);
        out->data = out->owned;
        status = mu_inflate_raw(zip->name, packed, e.packed_bytes, out->owned, e.size_bytes, err);
    }
    if (!status && crc32_z(0, out->data, e.size_bytes) != e.crc)
        status = mu_error_set(err, MU_E_CHECKSUM, "%s: '%s' is damaged: its CRC-32 is not %08x", zip->name, member, e.crc);
    if (status) {
        free(out->owned);
        *out = (mu_zip_content){ 0 };
    }
    return status;
}

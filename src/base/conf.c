/* The configuration tree: libyaml's events in, nodes with their place out. Back to text: conf_write.c. */
#include "muster/conf.h"

#include "base/file.h"
#include "base/limits.h"
#include "muster/option.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct mu_conf_node {
    mu_conf_kind   kind;
    bool           quoted;
    uint32_t       line, column;
    uint32_t       key_line, key_column; /* of the name in front of it; 0: none in a file */
    const char    *file;
    const char    *text;  /* scalars */
    const char   **keys;  /* maps */
    mu_conf_node **items; /* maps and lists */
    size_t         count, capacity;
};

/* Everything a conf owns hangs in one list and goes at once. */
typedef struct piece {
    struct piece *next;
    max_align_t   memory[];
} piece;

struct mu_conf {
    piece        *pieces;
    mu_conf_node *root;
    size_t        node_count;
};

static void *take(mu_conf *conf, size_t size_bytes)
{
    piece *p = calloc(1, sizeof *p + size_bytes);
    if (!p)
        return NULL;
    p->next = conf->pieces;
    conf->pieces = p;
    return p->memory;
}

static char *take_text(mu_conf *conf, const char *text, size_t length)
{
    char *copy = take(conf, length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

static mu_status no_memory(mu_error *err)
{
    return mu_error_set(err, MU_E_MEMORY, "no memory for the configuration");
}

static mu_conf_node *new_node(mu_conf *conf, mu_conf_kind kind, const char *file, uint32_t line, uint32_t column)
{
    mu_conf_node *node = take(conf, sizeof *node);
    if (node) {
        node->kind = kind;
        node->file = file;
        node->line = line;
        node->column = column;
        conf->node_count++;
    }
    return node;
}

/* Arrays grow by doubling; the smaller one stays in the list of pieces until the end. */
static bool add_child(mu_conf *conf, mu_conf_node *parent, const char *key, mu_conf_node *child)
{
    if (parent->count == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 8;
        mu_conf_node **items = take(conf, capacity * sizeof *items);
        const char **keys = take(conf, capacity * sizeof *keys);
        if (!items || !keys)
            return false;
        if (parent->count) {
            memcpy(items, parent->items, parent->count * sizeof *items);
            memcpy(keys, parent->keys, parent->count * sizeof *keys);
        }
        parent->items = items;
        parent->keys = keys;
        parent->capacity = capacity;
    }
    parent->keys[parent->count] = key;
    parent->items[parent->count++] = child;
    return true;
}

static size_t find_key(const mu_conf_node *map, const char *key)
{
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return i;
    return SIZE_MAX;
}

/* ---- reading ---- */

typedef struct reader {
    mu_conf      *conf;
    yaml_parser_t parser;
    const char   *file;
    uint32_t      forced_line; /* for --set, where there is no line */
    mu_error     *err;
} reader;

static mu_status read_error(reader *r, yaml_mark_t mark, mu_status status, const char *what)
{
    return mu_error_set(r->err, status, "%s:%zu:%zu: %s", r->file, mark.line + 1, mark.column + 1, what);
}

static mu_status next_event(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event))
        return MU_OK;
    yaml_mark_t mark = r->parser.problem_mark;
    return mu_error_set(r->err, MU_E_PARSE, "%s:%zu:%zu: not YAML: %s%s%s", r->file, mark.line + 1, mark.column + 1,
                        r->parser.problem ? r->parser.problem : "cannot be read", r->parser.context ? ", " : "",
                        r->parser.context ? r->parser.context : "");
}

static mu_status read_node(reader *r, const yaml_event_t *event, uint32_t depth, mu_conf_node **out);

/* A tag or an anchor would be accepted and not used. */
static mu_status refuse_extras(reader *r, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_SCALAR_EVENT: anchor = event->data.scalar.anchor, tag = event->data.scalar.tag; break;
    case YAML_MAPPING_START_EVENT: anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag; break;
    case YAML_SEQUENCE_START_EVENT: anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag; break;
    default: break;
    }
    if (anchor)
        return read_error(r, event->start_mark, MU_E_CONFIG, "anchors (&name) are not read here: write the value out where it is used");
    if (tag)
        return read_error(r, event->start_mark, MU_E_CONFIG, "tags (!name) are not read here");
    return MU_OK;
}

static mu_status read_children(reader *r, mu_conf_node *parent, uint32_t depth)
{
    for (;;) {
        yaml_event_t event;
        mu_status status = next_event(r, &event);
        if (status)
            return status;
        bool end = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        const char *key = NULL;
        yaml_mark_t key_mark = event.start_mark;
        if (!end && parent->kind == MU_CONF_MAP) {
            if (event.type != YAML_SCALAR_EVENT)
                status = read_error(r, event.start_mark, MU_E_PARSE, "a key must be a plain word");
            else if ((status = refuse_extras(r, &event)))
                ;
            else if (memchr(event.data.scalar.value, 0, event.data.scalar.length))
                status = read_error(r, event.start_mark, MU_E_PARSE, "a zero byte inside of a name");
            else if (!(key = take_text(r->conf, (const char *)event.data.scalar.value, event.data.scalar.length)))
                status = no_memory(r->err);
            else if (find_key(parent, key) != SIZE_MAX)
                status = mu_error_set(r->err, MU_E_CONFIG, "%s:%zu:%zu: '%s' is given twice", r->file, key_mark.line + 1,
                                      key_mark.column + 1, key);
            yaml_event_delete(&event);
            if (status || (status = next_event(r, &event)))
                return status;
        }
        mu_conf_node *child = NULL;
        if (!end)
            status = read_node(r, &event, depth + 1, &child);
        yaml_event_delete(&event);
        if (end || status)
            return status;
        if (key && !r->forced_line) {
            child->key_line = (uint32_t)key_mark.line + 1;
            child->key_column = (uint32_t)key_mark.column + 1;
        }
        if (!add_child(r->conf, parent, key, child))
            return no_memory(r->err);
    }
}

static mu_status read_node(reader *r, const yaml_event_t *event, uint32_t depth, mu_conf_node **out)
{
    yaml_mark_t mark = event->start_mark;
    if (depth > MU_LIMIT_CONF_DEPTH)
        return read_error(r, mark, MU_E_LIMIT, "nested deeper than 32 levels");
    if (r->conf->node_count >= MU_LIMIT_CONF_NODES)
        return read_error(r, mark, MU_E_LIMIT, "more than 20,000 values");
    mu_conf_kind kind = MU_CONF_SCALAR;
    switch (event->type) {
    case YAML_SCALAR_EVENT: break;
    case YAML_MAPPING_START_EVENT: kind = MU_CONF_MAP; break;
    case YAML_SEQUENCE_START_EVENT: kind = MU_CONF_LIST; break;
    case YAML_ALIAS_EVENT: return read_error(r, mark, MU_E_CONFIG, "aliases (*name) are not read here: write the value out");
    default: return read_error(r, mark, MU_E_PARSE, "expected a value, a list or a map");
    }
    mu_status status = refuse_extras(r, event);
    if (status)
        return status;
    mu_conf_node *node = new_node(r->conf, kind, r->file, r->forced_line ? 0 : (uint32_t)mark.line + 1, (uint32_t)mark.column + 1);
    if (!node)
        return no_memory(r->err);
    *out = node;
    if (kind != MU_CONF_SCALAR)
        return read_children(r, node, depth);
    if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
        return read_error(r, mark, MU_E_PARSE, "a zero byte inside of a value");
    node->quoted = event->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
                   event->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    node->text = take_text(r->conf, (const char *)event->data.scalar.value, event->data.scalar.length);
    return node->text ? MU_OK : no_memory(r->err);
}

/* One document of `text`, `depth` levels below the top; *out stays NULL when it is empty. */
static mu_status read_document(mu_conf *conf, const char *file, bool is_file, uint32_t depth, const char *text, size_t size_bytes,
                               mu_conf_node **out, mu_error *err)
{
    *out = NULL;
    if (size_bytes > MU_LIMIT_CONF_BYTES)
        return mu_error_set(err, MU_E_LIMIT, "%s: %zu bytes, a configuration has at most 4 MiB", file, size_bytes);
    reader r = { .conf = conf, .file = file, .forced_line = !is_file, .err = err };
    if (!yaml_parser_initialize(&r.parser))
        return no_memory(err);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size_bytes);
    mu_status status = MU_OK;
    bool done = false, seen = false;
    while (!status && !done) {
        yaml_event_t event;
        status = next_event(&r, &event);
        if (status)
            break;
        switch (event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT: break;
        case YAML_DOCUMENT_START_EVENT:
            if (seen)
                status = read_error(&r, event.start_mark, MU_E_CONFIG, "a second document; one file is one configuration");
            seen = true;
            break;
        case YAML_STREAM_END_EVENT: done = true; break;
        default: status = read_node(&r, &event, depth, out); break;
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&r.parser);
    return status;
}

mu_status mu_conf_parse(const char *name, const char *text, size_t size_bytes, mu_conf **out, mu_error *err)
{
    mu_conf *conf = calloc(1, sizeof *conf);
    if (!conf)
        return no_memory(err);
    mu_status status = MU_OK;
    char *file = take_text(conf, name, strlen(name));
    if (!file)
        status = no_memory(err);
    if (!status)
        status = read_document(conf, file, true, 0, text, size_bytes, &conf->root, err);
    /* after a failure the root may be half made */
    bool empty = status || !conf->root || (conf->root->kind == MU_CONF_SCALAR && !*conf->root->text && !conf->root->quoted);
    if (!status && empty && !(conf->root = new_node(conf, MU_CONF_MAP, file, 1, 1)))
        status = no_memory(err);
    if (!status && conf->root->kind != MU_CONF_MAP)
        status = mu_conf_error(err, MU_E_CONFIG, conf->root, "expected 'name: value' lines at the top");
    if (status) {
        mu_conf_destroy(conf);
        return status;
    }
    *out = conf;
    return MU_OK;
}

mu_status mu_conf_load(const char *path, mu_conf **out, mu_error *err)
{
    mu_file file;
    mu_status status = mu_file_map(path, &file, err);
    if (status)
        return status;
    status = mu_conf_parse(path, (const char *)file.data, file.size_bytes, out, err);
    mu_file_unmap(&file);
    return status;
}

void mu_conf_destroy(mu_conf *conf)
{
    if (!conf)
        return;
    for (piece *p = conf->pieces; p;) {
        piece *next = p->next;
        free(p);
        p = next;
    }
    free(conf);
}

/* ---- looking ---- */

mu_conf_node *mu_conf_root(mu_conf *conf) { return conf->root; }
mu_conf_kind mu_conf_kind_of(const mu_conf_node *node) { return node ? node->kind : MU_CONF_SCALAR; }
const char *mu_conf_text(const mu_conf_node *node) { return node && node->kind == MU_CONF_SCALAR ? node->text : NULL; }
bool mu_conf_is_quoted(const mu_conf_node *node) { return node && node->quoted; }
size_t mu_conf_count(const mu_conf_node *node) { return node ? node->count : 0; }
const char *mu_conf_file(const mu_conf_node *node) { return node->file; }
uint32_t mu_conf_line(const mu_conf_node *node) { return node->line; }
uint32_t mu_conf_column(const mu_conf_node *node) { return node->column; }

const mu_conf_node *mu_conf_item(const mu_conf_node *node, size_t index)
{
    return node && index < node->count ? node->items[index] : NULL;
}

const char *mu_conf_key(const mu_conf_node *map, size_t index)
{
    return map && map->kind == MU_CONF_MAP && index < map->count ? map->keys[index] : NULL;
}

const mu_conf_node *mu_conf_get(const mu_conf_node *map, const char *key)
{
    if (!map || map->kind != MU_CONF_MAP)
        return NULL;
    size_t i = find_key(map, key);
    return i == SIZE_MAX ? NULL : map->items[i];
}

mu_status mu_conf_error(mu_error *err, mu_status status, const mu_conf_node *node, const char *format, ...)
{
    char sentence[sizeof err->message + 1]; /* one more, so that what is cut here is marked as cut below */
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (length < 0)
        sentence[0] = '\0';
    if (!node)
        return mu_error_set(err, status, "%s", sentence);
    if (node->line == 0)
        return mu_error_set(err, status, "%s: %s", node->file, sentence);
    return mu_error_set(err, status, "%s:%u:%u: %s", node->file, node->line, node->column, sentence);
}

/* Where the name stands that `child` was given under; where the child stands if it came without. */
static mu_conf_node place_of_key(const mu_conf_node *child)
{
    mu_conf_node place = *child;
    if (child->key_line) {
        place.line = child->key_line;
        place.column = child->key_column;
    }
    return place;
}

mu_status mu_conf_check_keys(const mu_conf_node *map, const char *const *names, const char *where, mu_error *err)
{
    if (!map)
        return MU_OK;
    if (map->kind != MU_CONF_MAP)
        return mu_conf_error(err, MU_E_CONFIG, map, "%s: expected 'name: value' lines", where);
    for (size_t i = 0; i < map->count; i++) {
        bool known = false;
        for (size_t n = 0; names[n] && !known; n++)
            known = strcmp(names[n], map->keys[i]) == 0;
        if (known)
            continue;
        const char *nearest = mu_nearest_name(map->keys[i], names);
        mu_conf_node place = place_of_key(map->items[i]);
        if (nearest)
            return mu_conf_error(err, MU_E_CONFIG, &place, "%s has no '%s'; did you mean '%s'?", where, map->keys[i], nearest);
        char list[512] = "";
        for (size_t n = 0, used = 0; names[n]; n++) {
            int added = snprintf(list + used, sizeof list - used, "%s%s", n ? ", " : "", names[n]);
            if (added < 0 || (used += (size_t)added) >= sizeof list)
                break;
        }
        return mu_conf_error(err, MU_E_CONFIG, &place, "%s has no '%s'; it has: %s", where, map->keys[i], list);
    }
    return MU_OK;
}

/* ---- changing ---- */

/* Bytes of the UTF-8 character at `text`; 0: there is none. Shortest forms only, no surrogates, as YAML wants it. */
static size_t utf8_length(const unsigned char *text)
{
    static const struct { unsigned char mask, lead; uint32_t smallest; } forms[] = {
        { 0x80, 0x00, 0 }, { 0xE0, 0xC0, 0x80 }, { 0xF0, 0xE0, 0x800 }, { 0xF8, 0xF0, 0x10000 },
    };
    for (size_t more = 0; more < 4; more++) {
        if ((text[0] & forms[more].mask) != forms[more].lead)
            continue;
        uint32_t value = text[0] & (unsigned char)~forms[more].mask;
        for (size_t i = 1; i <= more; i++) {
            if ((text[i] & 0xC0u) != 0x80u)
                return 0;
            value = value << 6 | (text[i] & 0x3Fu);
        }
        return value >= forms[more].smallest && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF) ? more + 1 : 0;
    }
    return 0;
}

/* What does not come through the YAML parser has to be text too, or it could not be written. */
static mu_status check_text(const char *text, mu_error *err)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t length; *at; at += length)
        if (!(length = utf8_length(at)))
            return mu_error_set(err, MU_E_PARSE, "byte %zu of '%.80s' is not UTF-8", (size_t)(at - (const unsigned char *)text) + 1,
                                text);
    return MU_OK;
}

static mu_status put_node(mu_conf *conf, mu_conf_node *map, const char *key, mu_conf_node *child, mu_error *err)
{
    size_t i = find_key(map, key);
    if (i != SIZE_MAX) {
        map->items[i] = child;
        return MU_OK;
    }
    const char *copy = take_text(conf, key, strlen(key));
    return copy && add_child(conf, map, copy, child) ? MU_OK : no_memory(err);
}

mu_status mu_conf_set(mu_conf *conf, const char *assignment, mu_error *err)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return mu_error_set(err, MU_E_CONFIG, "--set %s: expected key=value, as in --set rounds=50", assignment);
    mu_status status = check_text(assignment, err);
    if (status)
        return status;
    size_t label_bytes = strlen(assignment) + sizeof "--set ";
    char *label = take(conf, label_bytes);
    char *path = take_text(conf, assignment, (size_t)(equals - assignment));
    if (!label || !path)
        return no_memory(err);
    snprintf(label, label_bytes, "--set %s", assignment);
    mu_conf_node *map = conf->root;
    char *rest = path;
    uint32_t depth = 1; /* of the value */
    for (char *dot; (dot = strchr(rest, '.')); rest = dot + 1) {
        if (++depth > MU_LIMIT_CONF_DEPTH)
            return mu_error_set(err, MU_E_LIMIT, "%s: nested deeper than %u levels", label, MU_LIMIT_CONF_DEPTH);
        *dot = '\0';
        if (!*rest)
            return mu_error_set(err, MU_E_CONFIG, "%s: an empty name between two dots", label);
        mu_conf_node *child = mu_conf_make_map(conf, map, rest);
        if (!child)
            return no_memory(err);
        if (child->count == 0) {
            child->file = label;
            child->line = 0;
        }
        map = child;
    }
    if (!*rest)
        return mu_error_set(err, MU_E_CONFIG, "%s: a name is missing before '='", label);
    mu_conf_node *value = NULL;
    status = read_document(conf, label, false, depth, equals + 1, strlen(equals + 1), &value, err);
    if (status)
        return status;
    if (!value) {
        value = new_node(conf, MU_CONF_SCALAR, label, 0, 1);
        if (!value || !(value->text = take_text(conf, "", 0)))
            return no_memory(err);
    }
    return put_node(conf, map, rest, value, err);
}

/* A scalar that stands where `parent` does. */
static mu_status new_scalar(mu_conf *conf, const mu_conf_node *parent, const char *text, mu_conf_node **out, mu_error *err)
{
    mu_status status = check_text(text, err);
    if (status)
        return status;
    mu_conf_node *node = new_node(conf, MU_CONF_SCALAR, parent->file, parent->line, parent->column);
    if (!node || !(node->text = take_text(conf, text, strlen(text))))
        return no_memory(err);
    *out = node;
    return MU_OK;
}

mu_status mu_conf_put(mu_conf *conf, mu_conf_node *map, const char *key, const char *text, mu_error *err)
{
    mu_conf_node *node = NULL;
    mu_status status = new_scalar(conf, map, text, &node, err);
    return status ? status : put_node(conf, map, key, node, err);
}

static mu_conf_node *make_child(mu_conf *conf, mu_conf_node *map, const char *key, mu_conf_kind kind)
{
    size_t i = find_key(map, key);
    if (i != SIZE_MAX && map->items[i]->kind == kind)
        return map->items[i];
    mu_conf_node *node = new_node(conf, kind, map->file, map->line, map->column);
    return node && put_node(conf, map, key, node, NULL) == MU_OK ? node : NULL;
}

mu_conf_node *mu_conf_make_map(mu_conf *conf, mu_conf_node *map, const char *key)
{
    return make_child(conf, map, key, MU_CONF_MAP);
}

mu_conf_node *mu_conf_make_list(mu_conf *conf, mu_conf_node *map, const char *key)
{
    return make_child(conf, map, key, MU_CONF_LIST);
}

mu_status mu_conf_append(mu_conf *conf, mu_conf_node *list, const char *text, mu_error *err)
{
    mu_conf_node *node = NULL;
    mu_status status = new_scalar(conf, list, text, &node, err);
    return status || add_child(conf, list, NULL, node) ? status : no_memory(err);
}

mu_conf_node *mu_conf_append_map(mu_conf *conf, mu_conf_node *list)
{
    mu_conf_node *node = new_node(conf, MU_CONF_MAP, list->file, list->line, list->column);
    return node && add_child(conf, list, NULL, node) ? node : NULL;
}

static mu_conf_node *copy_node(mu_conf *conf, const mu_conf_node *from)
{
    const char *file = take_text(conf, from->file, strlen(from->file));
    mu_conf_node *node = file ? new_node(conf, from->kind, file, from->line, from->column) : NULL;
    if (!node)
        return NULL;
    node->quoted = from->quoted;
    node->key_line = from->key_line;
    node->key_column = from->key_column;
    if (from->text && !(node->text = take_text(conf, from->text, strlen(from->text))))
        return NULL;
    for (size_t i = 0; i < from->count; i++) {
        const char *key = NULL;
        if (from->kind == MU_CONF_MAP && !(key = take_text(conf, from->keys[i], strlen(from->keys[i]))))
            return NULL;
        mu_conf_node *child = copy_node(conf, from->items[i]);
        if (!child || !add_child(conf, node, key, child))
            return NULL;
    }
    return node;
}

mu_status mu_conf_put_copy(mu_conf *conf, mu_conf_node *map, const char *key, const mu_conf_node *from, mu_error *err)
{
    mu_conf_node *node = copy_node(conf, from);
    return node ? put_node(conf, map, key, node, err) : no_memory(err);
}

static mu_status overlay(mu_conf *conf, mu_conf_node *base, const mu_conf_node *over, mu_error *err)
{
    for (size_t i = 0; i < over->count; i++) {
        size_t at = find_key(base, over->keys[i]);
        bool both_maps = at != SIZE_MAX && base->items[at]->kind == MU_CONF_MAP && over->items[i]->kind == MU_CONF_MAP;
        mu_status status = both_maps ? overlay(conf, base->items[at], over->items[i], err)
                                     : mu_conf_put_copy(conf, base, over->keys[i], over->items[i], err);
        if (status)
            return status;
    }
    return MU_OK;
}

mu_status mu_conf_overlay(mu_conf *base, const mu_conf_node *over, mu_error *err)
{
    if (over->kind != MU_CONF_MAP)
        return mu_conf_error(err, MU_E_CONFIG, over, "expected 'name: value' lines");
    return overlay(base, base->root, over, err);
}

void mu_conf_remove(mu_conf_node *map, const char *key)
{
    size_t i = find_key(map, key);
    if (i == SIZE_MAX)
        return;
    map->count--;
    memmove(map->keys + i, map->keys + i + 1, (map->count - i) * sizeof *map->keys);
    memmove(map->items + i, map->items + i + 1, (map->count - i) * sizeof *map->items);
}

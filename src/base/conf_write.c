/* The configuration tree as YAML text, through libyaml's emitter. */
#include "muster/conf.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct sink {
    char  *text;
    size_t used, capacity;
} sink;

static int write_bytes(void *self, unsigned char *bytes, size_t count)
{
    sink *s = self;
    if (s->used + count + 1 > s->capacity) {
        size_t capacity = 2 * (s->used + count + 1);
        char *larger = realloc(s->text, capacity);
        if (!larger)
            return 0;
        s->text = larger;
        s->capacity = capacity;
    }
    memcpy(s->text + s->used, bytes, count);
    s->used += count;
    s->text[s->used] = '\0';
    return 1;
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
    yaml_event_t event;
    yaml_char_t *value = (yaml_char_t *)(uintptr_t)text; /* libyaml copies it, and only forgot the const */
    return yaml_scalar_event_initialize(&event, NULL, NULL, value, (int)strlen(text), 1, 1,
                                        quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_node(yaml_emitter_t *emitter, const mu_conf_node *node)
{
    yaml_event_t event;
    if (mu_conf_text(node))
        return emit_scalar(emitter, mu_conf_text(node), mu_conf_is_quoted(node));
    size_t count = mu_conf_count(node);
    bool all_scalars = true;
    for (size_t i = 0; i < count; i++)
        all_scalars &= mu_conf_kind_of(mu_conf_item(node, i)) == MU_CONF_SCALAR;
    bool map = mu_conf_kind_of(node) == MU_CONF_MAP;
    int begun = map ? yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE)
                    : yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                                           all_scalars ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE);
    if (!begun || !yaml_emitter_emit(emitter, &event))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (map && !emit_scalar(emitter, mu_conf_key(node, i), false))
            return false;
        if (!emit_node(emitter, mu_conf_item(node, i)))
            return false;
    }
    int ended = map ? yaml_mapping_end_event_initialize(&event) : yaml_sequence_end_event_initialize(&event);
    return ended && yaml_emitter_emit(emitter, &event);
}

char *mu_conf_write(const mu_conf_node *node)
{
    sink out = { 0 };
    yaml_emitter_t emitter;
    if (!yaml_emitter_initialize(&emitter))
        return NULL;
    yaml_emitter_set_output(&emitter, write_bytes, &out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    yaml_event_t event;
    bool good = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && yaml_emitter_emit(&emitter, &event) &&
                yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) && yaml_emitter_emit(&emitter, &event) &&
                emit_node(&emitter, node) && yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&emitter, &event) &&
                yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
    if (!good) {
        free(out.text);
        return NULL;
    }
    return out.text;
}

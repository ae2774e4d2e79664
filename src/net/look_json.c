/* JSON for people's programs, by cJSON. */
#include "net/look_internal.h"

#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

mu_look_json mu_look_json_begin(void)
{
    cJSON *root = cJSON_CreateObject();
    return (mu_look_json){ .root = root, .failed = !root };
}

char *mu_look_json_end(mu_look_json *json)
{
    char *text = json->failed ? NULL : cJSON_PrintUnformatted(json->root);
    cJSON_Delete(json->root);
    json->root = NULL;
    return text;
}

/* Takes `item`, which may be NULL. */
static cJSON *put(mu_look_json *json, cJSON *parent, const char *key, cJSON *item)
{
    if (parent && item && (key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item)))
        return item;
    cJSON_Delete(item);
    json->failed = true;
    return NULL;
}

cJSON *mu_look_put_object(mu_look_json *json, cJSON *parent, const char *key) { return put(json, parent, key, cJSON_CreateObject()); }
cJSON *mu_look_put_array(mu_look_json *json, cJSON *parent, const char *key) { return put(json, parent, key, cJSON_CreateArray()); }

void mu_look_put_real(mu_look_json *json, cJSON *object, const char *key, double value)
{
    put(json, object, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void mu_look_put_whole(mu_look_json *json, cJSON *object, const char *key, uint64_t value)
{
    put(json, object, key, cJSON_CreateNumber((double)value));
}

void mu_look_put_bool(mu_look_json *json, cJSON *object, const char *key, bool value) { put(json, object, key, cJSON_CreateBool(value)); }

void mu_look_put_moment(mu_look_json *json, cJSON *object, const char *key, int64_t at_us)
{
    mu_look_put_real(json, object, key, (double)at_us / 1e6);
}

void mu_look_put_words(mu_look_json *json, cJSON *object, const char *key, const char *words)
{
    static const char unknown[] = "\xEF\xBF\xBD";
    if (!words) {
        put(json, object, key, cJSON_CreateNull());
        return;
    }
    char *sound = malloc(3 * strlen(words) + 1), *end = sound;
    for (const unsigned char *at = (const unsigned char *)words; sound && *at;) {
        size_t bytes = mu_utf8_bytes(at), put_bytes = bytes ? bytes : strlen(unknown);
        memcpy(end, bytes ? (const void *)at : unknown, put_bytes);
        end += put_bytes;
        at += bytes ? bytes : 1;
    }
    if (sound)
        *end = '\0';
    put(json, object, key, sound ? cJSON_CreateString(sound) : NULL);
    free(sound);
}

/* A configuration: a YAML document as a tree in which every node knows its file, line and column, so that whoever reads a value
 * can say where a wrong one stands. Anchors, aliases and tags are refused; bounds are in src/base/limits.h. */
#ifndef MUSTER_CONF_H
#define MUSTER_CONF_H

#include "muster/status.h"

typedef struct mu_conf mu_conf;           /* owns all nodes and texts */
typedef struct mu_conf_node mu_conf_node; /* lives as long as its mu_conf */

typedef enum mu_conf_kind { MU_CONF_SCALAR, MU_CONF_LIST, MU_CONF_MAP } mu_conf_kind;

/* `name` is what messages call the text: its path. The text is borrowed for the call. */
MU_API mu_status mu_conf_parse(const char *name, const char *text, size_t size_bytes, mu_conf **out, mu_error *err);
MU_API mu_status mu_conf_load(const char *path, mu_conf **out, mu_error *err);
MU_API void      mu_conf_destroy(mu_conf *conf); /* NULL is fine */

MU_API mu_conf_node *mu_conf_root(mu_conf *conf); /* a map; an empty document is an empty map */

/* Looking. A NULL node has no children and no text, so look-ups can be chained. */
MU_API mu_conf_kind        mu_conf_kind_of(const mu_conf_node *node);
MU_API const char         *mu_conf_text(const mu_conf_node *node); /* a scalar's text, or NULL */
MU_API bool                mu_conf_is_quoted(const mu_conf_node *node);
MU_API size_t              mu_conf_count(const mu_conf_node *node); /* children of a map or list */
MU_API const mu_conf_node *mu_conf_item(const mu_conf_node *node, size_t index);
MU_API const char         *mu_conf_key(const mu_conf_node *map, size_t index);
MU_API const mu_conf_node *mu_conf_get(const mu_conf_node *map, const char *key); /* NULL when it is not there */
MU_API const char         *mu_conf_file(const mu_conf_node *node);
MU_API uint32_t            mu_conf_line(const mu_conf_node *node);
MU_API uint32_t            mu_conf_column(const mu_conf_node *node);

/* mu_error_set with "file:line:column: " in front. `node` may be NULL. */
MU_API mu_status mu_conf_error(mu_error *err, mu_status status, const mu_conf_node *node, const char *format, ...) MU_PRINTF(4, 5);

/* Complain about any key of `map` that is not in `names` (NULL-ended), naming the nearest; also when `map` is no map. */
MU_API mu_status mu_conf_check_keys(const mu_conf_node *map, const char *const *names, const char *where, mu_error *err);

/* Changing. "a.b=value" (as after --set); the value is YAML, so lists and maps work; maps on the way are made. */
MU_API mu_status mu_conf_set(mu_conf *conf, const char *assignment, mu_error *err);
/* Put scalar `text` under `key` of `map`, in place of what was there. */
MU_API mu_status mu_conf_put(mu_conf *conf, mu_conf_node *map, const char *key, const char *text, mu_error *err);
/* The child map or list of that name, made (empty) when there is none or it is something else. */
MU_API mu_conf_node *mu_conf_make_map(mu_conf *conf, mu_conf_node *map, const char *key);
MU_API mu_conf_node *mu_conf_make_list(mu_conf *conf, mu_conf_node *map, const char *key);
MU_API mu_conf_node *mu_conf_append_map(mu_conf *conf, mu_conf_node *list); /* an empty one at its end; NULL: no memory */
MU_API mu_status     mu_conf_append(mu_conf *conf, mu_conf_node *list, const char *text, mu_error *err);
/* Copy of `from` (of any conf) put under `key`. */
MU_API mu_status mu_conf_put_copy(mu_conf *conf, mu_conf_node *map, const char *key, const mu_conf_node *from, mu_error *err);
/* Lay `over` on `base`: maps are merged, anything else replaces. */
MU_API mu_status mu_conf_overlay(mu_conf *base, const mu_conf_node *over, mu_error *err);
MU_API void      mu_conf_remove(mu_conf_node *map, const char *key);

/* YAML text of the tree (malloc'ed, owned by the caller). Parsing it gives the same tree. NULL: no memory. */
MU_API char *mu_conf_write(const mu_conf_node *node);

#endif

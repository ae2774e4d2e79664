/* Device classes by name: the built-in ones and a configuration's own. */
#ifndef MUSTER_DEVICE_CLASSES_H
#define MUSTER_DEVICE_CLASSES_H

#include "muster/device.h"

typedef struct mu_class_list {
    mu_profile *own; /* in the order of the configuration; they shadow built-in ones of the same name */
    size_t      own_count;
    mu_rates   *rates; /* [own_count] of those that have rates of their own */
} mu_class_list;

/* Read `classes:` (a map of name to options; NULL: none). Texts live as long as the conf that `section` is of. On failure the list is
 * empty. */
mu_status mu_class_list_read(const mu_conf_node *section, mu_class_list *out, mu_error *err);
void      mu_class_list_release(mu_class_list *list);

/* The class called `name`; MU_E_CONFIG, with the nearest name, when there is none. `where` begins the sentence ("fleet: mix");
 * `node` is where the name stands, may be NULL. */
mu_status mu_class_find(const mu_class_list *list, const char *name, const char *where, const mu_conf_node *node,
                        const mu_profile **out, mu_error *err);

/* Put all own classes, every option written out, under `classes` of `map`; nothing when there are none. */
mu_status mu_class_list_write(const mu_class_list *list, mu_conf *conf, mu_conf_node *map, mu_error *err);

#endif

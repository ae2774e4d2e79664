/* Circular lists whose links lie in what is listed: putting into one and taking out of it cannot fail. A list is a link too, the one that stands for its end. */
#ifndef MUSTER_NET_LINK_H
#define MUSTER_NET_LINK_H

#include <stdbool.h>
#include <stddef.h>

/* A place in a list; zero: in none. */
typedef struct mu_link {
    struct mu_link *previous, *next;
} mu_link;

static inline void mu_link_list_init(mu_link *list) { list->previous = list->next = list; }

static inline bool mu_link_is_listed(const mu_link *at) { return at->next != NULL; }

static inline void mu_link_append(mu_link *list, mu_link *at)
{
    *at = (mu_link){ .previous = list->previous, .next = list };
    list->previous->next = at;
    list->previous = at;
}

/* One that is in no list: nothing. */
static inline void mu_link_remove(mu_link *at)
{
    if (!mu_link_is_listed(at))
        return;
    at->previous->next = at->next;
    at->next->previous = at->previous;
    *at = (mu_link){ 0 };
}

/* What the link lies in, `offset` bytes from its beginning (offsetof). */
static inline void *mu_link_around(mu_link *at, size_t offset) { return (char *)at - offset; }

#endif

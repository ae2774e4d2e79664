/* Text as numbers: characters (Unicode code points), and the vocabulary that gives each a symbol's id. */
#ifndef MUSTER_DATA_SYMBOLS_H
#define MUSTER_DATA_SYMBOLS_H

#include "data/examples.h"

/* Characters one after the other; grows. */
typedef struct mu_codes {
    uint32_t *codes;
    size_t    count, capacity;
} mu_codes;

/* Append the characters of a UTF-8 text; *added tells how many. What is no UTF-8 is MU_E_PARSE with its offset. */
mu_status mu_codes_add(mu_codes *codes, const char *name, const char *text, size_t size_bytes, size_t *added, mu_error *err);
void      mu_codes_release(mu_codes *codes);

/* The different characters of both texts in the order of their code points, at most MU_LIMIT_SYMBOLS: symbol i is codes[i]. */
typedef struct mu_vocabulary {
    uint32_t codes[256];
    uint32_t count;
} mu_vocabulary;

mu_status mu_vocabulary_add(mu_vocabulary *vocabulary, const char *name, const mu_codes *codes, mu_error *err);
/* The symbol of a character that is in it. */
uint8_t   mu_vocabulary_symbol(const mu_vocabulary *vocabulary, uint32_t code);
/* The option `labels` of texts: the character after the whole, or after every one of its characters. */
enum { MU_LABELS_NEXT, MU_LABELS_EVERY };
extern const char *const mu_labels_words[];

/* What the classes of a character model are called: "a", "space", "U+000A". */
mu_status mu_vocabulary_names(const mu_vocabulary *vocabulary, mu_names *out, mu_error *err);

#endif

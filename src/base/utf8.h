/* UTF-8: where one character ends and the next begins. */
#ifndef MUSTER_BASE_UTF8_H
#define MUSTER_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed sequence that begins here, in text that ends with a zero; 0: it is none (RFC 3629: no surrogates, nothing overlong, U+10FFFF at
 * most). */
size_t mu_utf8_bytes(const unsigned char *at);

#endif

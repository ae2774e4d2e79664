/* For tests of updates that come in: a server with two devices that are signed in, and what the first of them asks. */
#ifndef MUSTER_NET_TEST_UPDATE_H
#define MUSTER_NET_TEST_UPDATE_H

#include "net/test_http.h"

typedef struct test_pair {
    test_server server;
    test_device device, other;
} test_pair;
void test_pair_begin(test_pair *f); /* released with test_server_release */

const char *test_update_path(uint64_t task, const char *rest); /* until it is called again */
/* The announcement, as `signs` signs it and `asks` sends it; `change` (may be NULL) spoils its head before. `packed` is the caller's. */
test_request test_announcement(const test_update *update, const test_device *signs, const test_device *asks, void (*change)(Muster__UpdateHead *),
                               unsigned char **packed);
void test_announce_refused(const test_pair *f, const test_update *update, const test_device *signs, const test_device *asks,
                           void (*change)(Muster__UpdateHead *), long status, const char *code);
uint64_t test_announce(const test_pair *f, const test_update *update, bool *complete); /* how much is there */
test_request test_put(const test_pair *f, const test_update *update, uint64_t offset, size_t bytes);
uint64_t test_send_bytes(const test_pair *f, const test_update *update, uint64_t offset, size_t bytes, bool *complete);

/* A request that has begun, sent so many bytes of its blob and does not go on, as of a device that has lost its network. */
int  test_hanging_put(const test_pair *f, const test_update *update, size_t bytes);
void test_finish_hanging(int fd, const test_update *update, size_t sent, const char *status); /* it goes on: all the rest, and the answer's status */
void test_wait_for_bytes(const test_pair *f, uint64_t bytes); /* until the server has taken in so many */

#endif

/* SPDX-License-Identifier: MIT */
/* The subject's parts: an ordinary program that knows nothing of softclose. */
#ifndef SOFTCLOSE_TESTS_SUBJECT_H
#define SOFTCLOSE_TESTS_SUBJECT_H

#include <errno.h>

#include "record.h"

extern struct record *record;

/* What the call under test left in errno, which was FIRST_NUMBER before: 0 is kept apart from
 * "untouched". */
extern __thread int call_errno;

extern __thread bool own_table; /* close_range(UNSHARE): this thread has one of its own */

extern int threads_here; /* that wait for this one, in this process */

#define CALL(expression)                                                                           \
    ({                                                                                             \
        errno = FIRST_NUMBER;                                                                      \
        __typeof__(expression) call_result = (expression);                                         \
        call_errno = errno;                                                                        \
        call_result;                                                                               \
    })

/* Appended to the operation's line of the trace. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

int slot(int number); /* the descriptor, -1 for an empty slot */
void keep(int number, long fd);

int say(enum command command, int first, int second, int third); /* to the peer */

struct connection *connection_of(int fd); /* NULL: not one */
void note_connection(int fd);
uint64_t inode_of(int fd);
void registered(struct connection *connection); /* it has its inode */
void copied(int fd);                            /* another descriptor of it was made */

/* Of connections that this process still holds. */
void each_held(void (*each)(struct connection *connection));

bool would_block(int fd, short events);

/* subject_make.c */
long do_socket(const int *a);
long do_connect(const int *a);
long do_listen(const int *a);
long do_come(const int *a);
long do_accept(const int *a);
long do_self(const int *a);
long do_pair(const int *a);
long do_null(const int *a);
long do_pipe(const int *a);
long do_disconnect(const int *a);

/* subject_data.c */
long do_send(const int *a);
long do_write(const int *a);
long do_recv(const int *a);
long do_read(const int *a);
long do_give(const int *a);
long do_take(const int *a);
long do_epoll(const int *a);
long do_epoll_control(int operation, const int *a);
long do_epoll_wait(const int *a);
long do_poll(const int *a);
void count_sent(int fd, const void *data, size_t size);
const char *pattern(int fd, size_t size); /* what is to be sent next */

/* subject_close.c */
long do_close(const int *a);
long do_sysclose(const int *a);
long do_close_number(const int *a);
long do_close_range(const int *a);
long do_closefrom(const int *a);
long do_dup(const int *a);
long do_dup2(const int *a);
long do_dup2_number(const int *a);
long do_dupfd(const int *a);
long do_fclose(const int *a);
long do_freopen(const int *a);
long do_shutdown(const int *a);
long do_raise(const int *a);

/* subject_reader.c */
long do_reader(const int *a);

/* subject_options.c */
long do_linger(const int *a);
long do_get_linger(const int *a);
long do_set(const int *a);
long do_get(const int *a);
long do_nonblock(const int *a);
long do_flags(const int *a);
long do_cloexec(const int *a);
long do_names(const int *a);
long do_sigaction(const int *a);
long do_rlimit(const int *a);
long do_get_rlimit(const int *a);
long do_spawn(const int *a);

#endif

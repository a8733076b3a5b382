/* SPDX-License-Identifier: MIT */
/* What `strace -yy` writes behind a descriptor: 5<TCP:[127.0.0.1:80->127.0.0.1:4000]>,
 * 6<UNIX-STREAM:[123->124]>, 7<UNIX:[125]>, 8<socket:[126]>, 9</dev/null<char 1:3>>. */
#ifndef SOFTCLOSE_COMPAT_ANNOTATION_H
#define SOFTCLOSE_COMPAT_ANNOTATION_H

#include <stdbool.h>
#include <stddef.h>

enum socket_kind { NO_SOCKET, OTHER_SOCKET, STREAM_SOCKET, SEQPACKET_SOCKET, UNKNOWN_KIND };

enum annotation { ANNOTATION_NONE, ANNOTATION_STREAM, ANNOTATION_SOCKET, ANNOTATION_NO_SOCKET };

/* UNIX sockets are named by inode; the type is known from the call that made them. */
struct inode_memory {
    struct inode_kind {
        unsigned long inode;
        enum socket_kind kind;
    } * known;
    size_t count;
};

/* `descriptor` points to the number, and what follows the ">" does not matter. */
enum annotation annotation_of(const char *descriptor);

/* Just behind the number and its annotation. */
const char *annotation_end(const char *descriptor);

void inode_learn(struct inode_memory *memory, const char *descriptor, enum socket_kind kind);

/* The kind of a descriptor that came from elsewhere, and whether it is AF_UNIX. */
enum socket_kind received_kind(const struct inode_memory *memory, const char *descriptor,
                               bool *local);

#endif

/* SPDX-License-Identifier: MIT */
/* Addresses of sockets: asked of the kernel, and as events write them. Async-signal-safe. */
#ifndef SOFTCLOSE_SHIM_ENDPOINT_H
#define SOFTCLOSE_SHIM_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/facts.h"
#include "shim/sockets.h"

enum { ENDPOINT_TEXT = 128 };

/* getsockname(2), getpeername(2); length 0 when there is none. */
void endpoint_local(int fd, struct endpoint *out);
void endpoint_peer(int fd, struct endpoint *out);

/* `127.0.0.1:80`, `[::1]:80` (RFC 5952), `unix:/path`, `unix:@abstract`, `unix:`; false = none. */
bool endpoint_format(const struct endpoint *endpoint, char *text, size_t size);

/* The short form that the table keeps. UNIX addresses are not kept: length 0. */
void endpoint_shrink(const struct sockaddr *address, socklen_t length, struct endpoint_small *out);
void endpoint_grow(const struct endpoint_small *small, struct endpoint *out);

#endif

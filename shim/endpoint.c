/* SPDX-License-Identifier: MIT */
#include "shim/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "shim/line.h"
#include "shim/raw.h"

static void ask(long number, int fd, struct endpoint *out)
{
    socklen_t length = sizeof out->address;

    if (raw_call(number, fd, &out->address, &length) != 0)
        length = 0;
    out->length = length < sizeof out->address ? length : sizeof out->address;
}

void endpoint_local(int fd, struct endpoint *out)
{
    ask(SYS_getsockname, fd, out);
}

void endpoint_peer(int fd, struct endpoint *out)
{
    ask(SYS_getpeername, fd, out);
}

static void put_hex16(struct line *line, unsigned group)
{
    const char *digits = "0123456789abcdef";
    bool started = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = (group >> shift) & 15;
        if (digit != 0 || started || shift == 0) {
            line_text(line, (char[]){digits[digit], '\0'});
            started = true;
        }
    }
}

static void put_ipv4(struct line *line, const uint8_t *bytes)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            line_text(line, ".");
        line_digits(line, bytes[i], 1);
    }
}

/* The longest run of two or more zero groups becomes "::", the first of equal ones (RFC 5952). */
static void put_ipv6(struct line *line, const uint8_t *bytes)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned group[8];
    int best = -1, best_length = 1;

    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        line_text(line, "::ffff:");
        put_ipv4(line, bytes + 12);
        return;
    }
    for (int i = 0; i < 8; i++)
        group[i] = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int length = 0;
        while (i + length < 8 && group[i + length] == 0)
            length++;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            line_text(line, "::");
            i += best_length - 1;
            continue;
        }
        if (i > 0 && (best < 0 || i != best + best_length))
            line_text(line, ":");
        put_hex16(line, group[i]);
    }
}

static void put_unix(struct line *line, const struct sockaddr_un *address, socklen_t length)
{
    size_t used = length > offsetof(struct sockaddr_un, sun_path)
                      ? length - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    char path[sizeof address->sun_path + 1];

    if (used > sizeof address->sun_path)
        used = sizeof address->sun_path;
    memcpy(path, address->sun_path, used);
    path[used] = '\0';
    if (used > 0 && path[0] == '\0')
        path[0] = '@';
    line_text(line, "unix:");
    line_text(line, path);
}

bool endpoint_format(const struct endpoint *endpoint, char *text, size_t size)
{
    struct line line = {.text = text, .size = size - 1};
    const struct sockaddr *any = &endpoint->address.any;

    if (endpoint->length < sizeof(sa_family_t))
        return false;
    if (any->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)any;
        put_ipv4(&line, (const uint8_t *)&in->sin_addr);
        line_text(&line, ":");
        line_digits(&line, ntohs(in->sin_port), 1);
    } else if (any->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)any;
        line_text(&line, "[");
        put_ipv6(&line, in6->sin6_addr.s6_addr);
        line_text(&line, "]:");
        line_digits(&line, ntohs(in6->sin6_port), 1);
    } else if (any->sa_family == AF_UNIX) {
        put_unix(&line, (const void *)any, endpoint->length);
    } else {
        return false;
    }
    text[line.length] = '\0';
    return true;
}

void endpoint_shrink(const struct sockaddr *address, socklen_t length, struct endpoint_small *out)
{
    out->length = 0;
    if (address == NULL || length > sizeof out->bytes || length < sizeof(sa_family_t) ||
        (address->sa_family != AF_INET && address->sa_family != AF_INET6))
        return;
    memcpy(out->bytes, address, length);
    out->length = (uint8_t)length;
}

void endpoint_grow(const struct endpoint_small *small, struct endpoint *out)
{
    memcpy(&out->address, small->bytes, small->length);
    out->length = small->length;
}

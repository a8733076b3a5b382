/* SPDX-License-Identifier: MIT */
/* Addresses of single sockets, as text. The lists of a policy are read by matchers.c. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "policy.h"

/* "/path", "@abstract" or "" (a socket without a name). */
static bool parse_unix(const char *path, struct endpoint *out)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&out->address.storage;
    size_t length = strlen(path);

    if (length > sizeof(un->sun_path))
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length);
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    return true;
}

/* Digits up to the end of the string; -1 when it is no port. */
static long parse_port(const char *text)
{
    long port = 0;

    if (*text == '\0')
        return -1;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        port = port * 10 + (*text - '0');
        if (port > 65535)
            return -1;
    }
    return port;
}

/* The address alone, "1.2.3.4" or "::1". */
static bool parse_host(const char *host, uint16_t port, struct endpoint *out)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&out->address.storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->address.storage;

    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        out->length = sizeof(*in);
        return true;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    out->length = sizeof(*in6);
    return true;
}

bool endpoint_parse(const char *text, struct endpoint *out)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *end, *colon = strrchr(text, ':');
    long port = 0;

    memset(out, 0, sizeof(*out));
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, out);
    if (text[0] == '/' || text[0] == '@')
        return parse_unix(text, out);
    if (text[0] == '[') {
        end = strchr(++text, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        port = end[1] == ':' ? parse_port(end + 2) : 0;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        end = colon;
        port = parse_port(colon + 1);
    } else {
        end = text + strlen(text); /* no port, or IPv6 without brackets */
    }
    if (port < 0 || (size_t)(end - text) >= sizeof(host))
        return false;
    memcpy(host, text, (size_t)(end - text));
    host[end - text] = '\0';
    return parse_host(host, (uint16_t)port, out);
}

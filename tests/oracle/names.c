/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <stdio.h>
#include <string.h>

const char *proto_here_name(enum proto_here proto)
{
    static const char *const names[] = {"tcp4",      "tcp6", "mptcp",   "unix",
                                        "seqpacket", "udp",  "unixgram"};
    return names[proto];
}

const char *resets_text(const struct resets *resets, uint16_t port, bool from, char *buffer,
                        size_t size)
{
    size_t length = 0;
    bool counted[ORACLE_RESETS] = {false};
    snprintf(buffer, size, "-");
    for (size_t i = 0; i < resets->count; i++) {
        unsigned same = 0;
        if (counted[i] || (resets->list[i].source == port) != from)
            continue;
        for (size_t j = i; j < resets->count; j++) {
            if ((resets->list[j].source == port) == from &&
                strcmp(resets->list[i].reason, resets->list[j].reason) == 0) {
                counted[j] = true;
                same++;
            }
        }
        const char *separator = length ? " " : "";
        int n = same > 1 ? snprintf(buffer + length, size - length, "%s%s*%u", separator,
                                    resets->list[i].reason, same)
                         : snprintf(buffer + length, size - length, "%s%s", separator,
                                    resets->list[i].reason);
        if (n < 0 || (size_t)n >= size - length)
            break;
        length += (size_t)n;
    }
    return buffer;
}

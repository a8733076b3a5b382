/* SPDX-License-Identifier: MIT */
#include "annotation.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

static const char *opening(const char *descriptor)
{
    descriptor += strspn(descriptor, "0123456789");
    return *descriptor == '<' ? descriptor + 1 : NULL;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

enum annotation annotation_of(const char *descriptor)
{
    static const char *const streams[] = {"TCP:[", "TCPv6:[", "UNIX-STREAM:["};
    static const char *const others[] = {"pipe:[", "anon_inode:", "/"};
    const char *text = opening(descriptor);
    if (!text)
        return ANNOTATION_NONE;
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (starts(text, streams[i]))
            return ANNOTATION_STREAM;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (starts(text, others[i]))
            return ANNOTATION_NO_SOCKET;
    return ANNOTATION_SOCKET;
}

const char *annotation_end(const char *descriptor)
{
    const char *at = opening(descriptor);
    if (!at)
        return descriptor + strspn(descriptor, "0123456789");
    for (int depth = 1; *at && depth; at++) {
        if (*at == '<')
            depth++;
        else if (*at == '>' && at[-1] != '-')
            depth--;
    }
    return at;
}

/* The first inode of "[123]" or "[123->124]"; 0 for addresses. */
static unsigned long inode_of(const char *descriptor)
{
    const char *text = opening(descriptor);
    text = text ? strchr(text, '[') : NULL;
    if (!text)
        return 0;
    char *end;
    unsigned long inode = strtoul(text + 1, &end, 10);
    return *end == ']' || *end == '-' ? inode : 0;
}

void inode_learn(struct inode_memory *memory, const char *descriptor, enum socket_kind kind)
{
    unsigned long inode = inode_of(descriptor);
    if (!inode)
        return;
    memory->known = grow(memory->known, memory->count, sizeof *memory->known);
    memory->known[memory->count++] = (struct inode_kind){inode, kind};
}

enum socket_kind received_kind(const struct inode_memory *memory, const char *descriptor,
                               bool *local)
{
    enum annotation annotation = annotation_of(descriptor);
    const char *text = opening(descriptor);
    *local = text && starts(text, "UNIX");
    if (annotation == ANNOTATION_NO_SOCKET)
        return NO_SOCKET;
    if (annotation == ANNOTATION_STREAM)
        return STREAM_SOCKET;
    unsigned long inode = inode_of(descriptor);
    for (size_t i = memory->count; inode && i-- > 0;)
        if (memory->known[i].inode == inode)
            return memory->known[i].kind;
    return UNKNOWN_KIND;
}

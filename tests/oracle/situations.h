/* SPDX-License-Identifier: MIT */
/* The situations in which a socket can be closed, the roads by which, and what Linux does. */
#ifndef SOFTCLOSE_TESTS_SITUATIONS_H
#define SOFTCLOSE_TESTS_SITUATIONS_H

#include "play.h"

struct situation {
    const char *name;
    const char *before, *after; /* steps before and after the close, see play.h */
    const char *outcome; /* to be predicted: "reset/unread", "fin"; a|b where kernels differ */
    const char *resets_before, *resets_at_close, *resets_late; /* by the program, NULL = none */
    const char *end;   /* what the peer notes; a|b where kernels differ */
    const char *skip;  /* roads that make no sense here, separated by spaces, NULL = none */
    const char *why;   /* they make no sense */
    const char *limit; /* why it cannot be predicted: no cell of the score; NULL = it can */
    long unread;       /* what the event has to say of it, 0 = not looked at */
    unsigned protos;   /* bits 1 << enum proto_here */
    bool racing;       /* the ends a|b may come about on the same kernel */
    bool blocks;       /* the close may wait for the steps after it */
};

extern const struct situation situations[];
extern const size_t situations_count;

struct road {
    const char *name; /* of closer.h */
    const char *via;  /* of the event */
    bool ends;        /* the program ends by it */
    int status;       /* exit status of the program then or later */
};

extern const struct road roads[];
extern const size_t roads_count;

#endif

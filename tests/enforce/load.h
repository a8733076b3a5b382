/* SPDX-License-Identifier: MIT */
/* What the clients of `load` ask of `load_server`. */
#ifndef SOFTCLOSE_TESTS_LOAD_H
#define SOFTCLOSE_TESTS_LOAD_H

#include <stdint.h>

enum {
    LOAD_ROADS = 12,
    LOAD_BY_CHILD = 10 /* and above: by the forking server */,
    LOAD_THREADS = 64
};

/* The server reads this and nothing more, waits, writes `size` bytes, and closes by `road`. */
struct load_request {
    uint32_t size, delay_us, road;
};

#endif

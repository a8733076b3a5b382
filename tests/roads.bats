#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Under enforce, roads to a closed socket that need more care than a close(): an exec that may fail,
# destructors that run at the very end, calls that close only some of what they name, streams with
# unflushed data. The oracle is the kernel's own record of resets, and what the peer received.

load enforce/script

@test "an exec that fails leaves every connection as it was, one that succeeds ends them in order" {
    try execs
}

@test "what destructors of libraries and exit handlers send at the very end arrives" {
    try last_words
}

@test "SO_LINGER {on, N} by every road; close_range(), dup2() and streams that need care" {
    try takes
}

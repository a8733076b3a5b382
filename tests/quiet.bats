#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Programs that lose data, or reset a connection, and say nothing of it. The short form; the long
# one is tests/enforce/quiet --trials 50.

load helpers
load enforce/script

@test "a TLS 1.3 client that closes with tickets unread loses nothing any more" {
    try quiet "TLS 1.3 client"
}

@test "socat -U, which shuts both halves and exits, loses nothing any more" {
    try quiet "socat -U"
}

@test "exim, which closes by fclose(), takes leave of an impatient client in order" {
    try quiet "exim, sync error"
}

@test "redis takes leave of a client that it does not understand, or that is killed, in order" {
    try quiet "redis, protocol error" "redis, CLIENT KILL"
}

@test "PostgreSQL takes leave of a session that is terminated in order" {
    skip_under_asan "the runtime alone makes postgres hang; loaded second, it is not ready when libcap-ng's constructor calls close()"
    try quiet "PostgreSQL, terminate_backend"
}

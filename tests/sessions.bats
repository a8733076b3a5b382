#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Servers whose connections pass through many processes: no session is cut, the last holder ends it
# in order. The short form; the long one is tests/enforce/sessions --sessions 40 --visits 200.

load helpers
load enforce/script

sessions() {
    try sessions --sessions 8 --visits 12 "$@"
}

@test "httpd with a process for each connection, and a graceful restart" {
    sessions "Apache prefork"
}

@test "nginx, and a reload" {
    sessions nginx
}

@test "PHP-FPM behind nginx, workers that end, and a reload" {
    skip_under_asan "PHP opens its modules with RTLD_DEEPBIND, which the runtime refuses; loaded second, it is not ready when libcap's constructor calls prctl()"
    sessions "PHP-FPM behind nginx"
}

@test "PostgreSQL, sessions that are terminated, and pgbench" {
    skip_under_asan "the runtime alone makes postgres hang; loaded second, it is not ready when libcap-ng's constructor calls close()"
    sessions PostgreSQL
}

@test "sshd, which executes itself for each connection" {
    skip_under_coverage "the filter of its child kills for its calls"
    sessions sshd
}

@test "inetd" {
    sessions inetd
}

@test "systemd's socket activation" {
    sessions "socket activation"
}

@test "vsftpd" {
    skip_under_coverage "it says on the connection which of its files it cannot write"
    skip_under_asan "vsftpd limits its address space, of which the runtime needs 16 TiB"
    sessions vsftpd
}

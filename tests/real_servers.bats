#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Real servers that answer an upload early with an error, over a slow link. The short form; the long
# one is tests/enforce/servers --trials 50 --upload 64MiB.

load enforce/script

@test "http.server: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB http.server
}

@test "node, which closes by syscall(): the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB node
}

@test "webrick: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB webrick
}

@test "java: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB java
}

@test "gunicorn: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB gunicorn
}

@test "uvicorn: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB uvicorn
}

@test "haproxy: the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB haproxy
}

@test "busybox httpd, which ends by _exit(): the early answer arrives whole, without a reset" {
    try servers --native-trials 2 --upload 4MiB busybox
}

@test "nginx, which lingers by itself, is none the worse" {
    try servers --native-trials 2 --upload 4MiB nginx
}

@test "httpd, which lingers by itself, is none the worse" {
    try servers --native-trials 2 --upload 4MiB httpd
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What audit costs, and enforce (SOFTCLOSE_TEST_MODE), in system calls: nothing where no socket is
# concerned.

setup()
{
    load helpers
    setup_interposition
}

# name|calls natively|calls added under $MODE, for each operation of interposition/costs.c.
measured()
{
    local count='/^getpgid\(0\)/ { inside = !inside; if (!inside) print calls; calls = 0; next }
        inside && !/^(---|\+\+\+)/ { calls++ }'
    strace -o native.trace "$P/costs" >names
    strace -o audited.trace -E LD_PRELOAD="$LIBRARY" -E SOFTCLOSE="$MODE" -E SOFTCLOSE_LOG="$LOG" \
        "$P/costs" >/dev/null
    paste -d'|' names <(awk "$count" native.trace) <(awk "$count" audited.trace) |
        awk -F'|' '{ printf "%s|%g|%g\n", $1, $2 / 100, ($3 - $2) / 100 }' >measured
    [ "$(wc -l <measured)" -eq "$(wc -l <names)" ]
}

@test "what is no socket makes no extra system call" {
    skip_if_instrumented
    measured
    # Sets of epoll descriptors are known under enforce: what is drained leaves them.
    local sets=nothing
    [ "$MODE" = audit ] || sets=epoll
    run awk -F'|' -v sets="$sets" '
        BEGIN {
            calls = "^(open|eventfd|epoll_create1|close of|dup2|dup3|fcntl|fopen|fclose|read|recv|"
            calls = calls "syscall)"
        }
        $1 !~ sets && $0 ~ calls && $3 != 0 { print $1 ": " $3 " added" }' measured
    assert_output ""
    local free
    free=$(awk -F'|' '$3 == 0 { printf "%s%s", separator, $1; separator = ", " }' measured)
    figure "0 added for: $free"
}

@test "what a socket costs" {
    skip_if_instrumented
    measured
    figure "system calls added under $MODE, for each call:"
    while IFS='|' read -r name _ added; do
        figure "  $name: $added"
    done < <(awk -F'|' '$3 != 0 && !/^\(/' measured)
    # A rise here is to be noticed, and decided on. Under enforce a repair comes on top: half-close,
    # a read of what is here, the hand-over, and before them: is there another thread, a TLS layer?
    local most=15
    [[ $MODE == enforce ]] && most=24
    run awk -F'|' -v most=$most '/^(close|shutdown|socket|accept)/ && $3 > most { print }' measured
    assert_output ""
}

@test "memory and address space" {
    skip_if_instrumented
    for limit in "" 400000; do
        native=$(ulimit -v "${limit:-unlimited}"
            grep -E '^Vm(Size|RSS)' /proc/self/status | awk '{ print $2 }' | xargs)
        audited=$(ulimit -v "${limit:-unlimited}"
            audited grep -E '^Vm(Size|RSS)' /proc/self/status | awk '{ print $2 }' | xargs)
        figure "VmSize VmRSS in KiB${limit:+ with ulimit -v $limit}:" \
            "natively $native, under $MODE $audited"
        read -ra n <<<"$native"
        read -ra a <<<"$audited"
        # Room that a program with a limit on its memory would miss.
        [ $((a[0] - n[0])) -le 32768 ]
        [ $((a[1] - n[1])) -le 2048 ]
    done
}

@test "mlockall works as far as natively" {
    compare prlimit --memlock=33554432 setpriv --reuid 65534 --clear-groups --bounding-set=-all \
        "$P/limits" mlockall
}

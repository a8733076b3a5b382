#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What audit costs in system calls: nothing where no socket is concerned.

setup()
{
    load helpers
    setup_interposition
}

# name|calls natively|calls added under audit, for each operation of interposition/costs.c.
measured()
{
    local count='/^getpgid\(0\)/ { inside = !inside; if (!inside) print calls; calls = 0; next }
        inside && !/^(---|\+\+\+)/ { calls++ }'
    strace -o native.trace "$P/costs" >names
    strace -o audited.trace -E LD_PRELOAD="$LIBRARY" -E SOFTCLOSE=audit -E SOFTCLOSE_LOG="$LOG" \
        "$P/costs" >/dev/null
    paste -d'|' names <(awk "$count" native.trace) <(awk "$count" audited.trace) |
        awk -F'|' '{ printf "%s|%g|%g\n", $1, $2 / 100, ($3 - $2) / 100 }' >measured
    [ "$(wc -l <measured)" -eq "$(wc -l <names)" ]
}

@test "what is no socket makes no extra system call" {
    measured
    run awk -F'|' '/^(open|eventfd|epoll_create1|close of|dup2|dup3|fcntl|fopen|fclose|read|recv|syscall)/ &&
        $3 != 0 { print $1 ": " $3 " added" }' measured
    assert_output ""
    figure "0 added for: $(awk -F'|' '$3 == 0 { printf "%s%s", separator, $1; separator = ", " }' measured)"
}

@test "what a socket costs" {
    measured
    figure "system calls added under audit, for each call:"
    while IFS='|' read -r name _ added; do
        figure "  $name: $added"
    done < <(awk -F'|' '$3 != 0 && !/^\(/' measured)
    # A rise here is to be noticed, and decided on.
    run awk -F'|' '/^(close|shutdown|socket|accept)/ && $3 > 20 { print }' measured
    assert_output ""
}

@test "memory and address space" {
    for limit in "" 400000; do
        native=$(ulimit -v "${limit:-unlimited}"; grep -E '^Vm(Size|RSS)' /proc/self/status | awk '{ print $2 }' | xargs)
        audited=$(ulimit -v "${limit:-unlimited}"; LD_PRELOAD="$LIBRARY" SOFTCLOSE=audit SOFTCLOSE_LOG="$LOG" \
            grep -E '^Vm(Size|RSS)' /proc/self/status | awk '{ print $2 }' | xargs)
        figure "VmSize VmRSS in KiB${limit:+ with ulimit -v $limit}: natively $native, under audit $audited"
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

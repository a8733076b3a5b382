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

# To $folder, where another user can read them whatever the rights on the build's folder are.
copy_for_others()
{
    [ "$(id -u)" -eq 0 ] || skip "not root"
    skip_if_instrumented
    local most
    most=$(ulimit -Hl)
    [ "$most" = unlimited ] || [ "$most" -ge 8192 ] || skip "RLIMIT_MEMLOCK is $most KiB at most"
    folder=$(mktemp -d)
    chmod 755 "$folder"
    cp "$SHIM" "$P/limits" "$folder"
    others_library=$folder/${SHIM##*/}
}

# lock_all KIB: a user without privilege and with that RLIMIT_MEMLOCK.
lock_all()
{
    prlimit --memlock=$(($1 * 1024)) setpriv --reuid 65534 --clear-groups --bounding-set=-all \
        "$folder/limits" mlockall
}

@test "mlockall works as far as natively" {
    copy_for_others
    export -f lock_all
    export folder
    LIBRARY=$others_library SOFTCLOSE_LOG=stderr compare bash -c 'lock_all 8192'
    rm -rf "$folder"
    run grep -c '"event":"process".*"exe":"limits"' audited.err
    assert_output 1
    run cat native.out
    assert_output "mlockall: 0"
}

least_to_lock() # the smallest RLIMIT_MEMLOCK, KiB, with which it can
{
    local low=0 high=8192 middle
    while [ $((high - low)) -gt 16 ]; do
        middle=$(((low + high) / 2))
        if "$@" lock_all "$middle" 2>/dev/null | grep -q "mlockall: 0"; then
            high=$middle
        else
            low=$middle
        fi
    done
    echo "$high"
}

covered()
{
    (export LD_PRELOAD="$others_library" SOFTCLOSE="$MODE" SOFTCLOSE_LOG=none && "$@")
}

# Known limit: everything that is mapped counts, whether it is ever used or not.
@test "mlockall wants up to 6 MiB more of RLIMIT_MEMLOCK" {
    copy_for_others
    local native under
    native=$(least_to_lock)
    under=$(least_to_lock covered)
    rm -rf "$folder"
    figure "mlockall: $native KiB natively, $under KiB under $MODE"
    [ "$under" -gt "$native" ]
    [ "$((under - native))" -le 6144 ]
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # bats
# Other preloaded libraries before softclose and after it, and programs with a runtime of their own:
# the program prints what it prints without softclose, every close is seen, and every answer that
# is cut without softclose arrives whole under enforce.

bats_require_minimum_version 1.5.0
load helpers

setup()
{
    setup_interposition
    lib=/usr/lib/$(gcc -print-multiarch)
    stacked=${P%/*}/compat/stacked
    peer=$SOURCE/tests/compat/stacked.py
    hidden=nothing
}

lacking() # FILE PACKAGE
{
    [[ -e $1 ]] || skip "no ${1##*/} (Debian package: $2)"
}

# runs NAME MODE LD_PRELOAD COMMAND...: what the peer saw goes to NAME. The variables of a layer stand
# in $settings, a command that starts the program in $wrapper.
runs()
{
    local name=$1 mode=$2 preload=$3 seen=()
    shift 3
    rm -f "$name.jsonl"
    if [[ $mode != off ]]; then
        seen=(--log "$PWD/$name.jsonl")
    fi
    timeout 120 python3 "$peer" "${seen[@]}" "${wrapper[@]}" env "${settings[@]}" \
        "LD_PRELOAD=$preload" SOFTCLOSE="$mode" SOFTCLOSE_LOG="$PWD/$name.jsonl" \
        SOFTCLOSE_SET='log.events=all' "$@" >"$name" 2>"$name.err" || {
        cat "$name" "$name.err"
        return 1
    }
}

# The six roads, the close of a child that is not the last, and nothing else. A library that takes
# close() from the C library's handle, not from the next in the chain, hides it from those behind it.
all_seen() # NAME
{
    local but=nothing
    # shellcheck disable=SC2053 # a pattern
    [[ $1 != $hidden ]] || but=' close '
    diff <(printf 'log: %s\n' 'released close 1' 'unread close 3' 'unread dup2 1' 'unread exit 1' \
        'unread fclose 1' | grep -v "$but") <(grep '^log:' "$1")
}

cut() { grep -c ': cut$' "$1"; }
whole() { grep -c ': whole$' "$1"; }

# behaves LAYER PROGRAM: LAYER is a preloaded library, or none where the program brings its own.
behaves()
{
    local layer=$1 order mode where
    shift
    local -A preload=([before]=$LIBRARY${layer:+:$layer} [after]=${layer:+$layer:}$LIBRARY)
    [[ -n $layer ]] || unset 'preload[after]'
    runs alone off "$layer" "$@"
    assert_equal "$(cut alone)" 6 # otherwise there is nothing to repair
    for order in "${!preload[@]}"; do
        for mode in audit enforce; do
            runs "$order.$mode" "$mode" "${preload[$order]}" "$@"
            echo "softclose $order ${layer:-the program} in mode $mode"
            all_seen "$order.$mode"
            diff <(sed 's/: cut$/: -/' alone) \
                <(grep -v '^log:' "$order.$mode" | sed -E 's/: (cut|whole)$/: -/')
        done
        assert_equal "$(cut "$order.audit")" 6
        # shellcheck disable=SC2053 # a pattern
        [[ $order.enforce == $hidden ]] || assert_equal "$(whole "$order.enforce")" "${most:-6}"
        where=${layer:+ $order ${layer##*/}}
        figure "${BATS_TEST_DESCRIPTION%%:*}: softclose$where: of 6 answers cut without it," \
            "$(whole "$order.enforce") are whole with enforce; closes logged:" \
            "$(awk '/^log:/ { n += $NF } END { print n }' "$order.enforce")"
    done
}

@test "nothing else: the roads are cut natively and repaired" {
    behaves '' "$stacked"
}

@test "jemalloc: before softclose and after it" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    lacking "$lib/libjemalloc.so.2" libjemalloc2
    behaves "$lib/libjemalloc.so.2" "$stacked"
}

@test "tcmalloc: before softclose and after it" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    lacking "$lib/libtcmalloc_minimal.so.4" libtcmalloc-minimal4
    behaves "$lib/libtcmalloc_minimal.so.4" "$stacked"
}

@test "mimalloc: before softclose and after it" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    lacking "$lib/libmimalloc.so.2" libmimalloc2.0
    behaves "$lib/libmimalloc.so.2" "$stacked"
}

@test "libeatmydata: before softclose and after it" {
    lacking "$lib/libeatmydata.so" libeatmydata1
    behaves "$lib/libeatmydata.so" "$stacked"
}

@test "faketime: before softclose and after it, at another time and at another speed" {
    lacking "$lib/faketime/libfaketimeMT.so.1" libfaketime
    settings=(FAKETIME='@2001-02-03 04:05:06')
    behaves "$lib/faketime/libfaketimeMT.so.1" "$stacked"
    settings=(FAKETIME='-10d x100')
    behaves "$lib/faketime/libfaketimeMT.so.1" "$stacked"
}

@test "torsocks: before softclose, which sees no close() then, and after it" {
    lacking "$lib/torsocks/libtorsocks.so" torsocks
    hidden='after.*'
    printf '%s\n' 'TorAddress 127.0.0.1' 'TorPort 9050' 'AllowInbound 1' \
        'AllowOutboundLocalhost 1' >torsocks.conf
    settings=(TORSOCKS_CONF_FILE="$PWD/torsocks.conf")
    behaves "$lib/torsocks/libtorsocks.so" "$stacked"
}

@test "proxychains: before softclose and after it" {
    lacking "$lib/libproxychains.so.4" proxychains4
    printf '%s\n' strict_chain quiet_mode 'localnet 127.0.0.0/255.0.0.0' '[ProxyList]' \
        'socks4 127.0.0.1 9050' >proxychains.conf
    settings=(PROXYCHAINS_CONF_FILE="$PWD/proxychains.conf")
    behaves "$lib/libproxychains.so.4" "$stacked"
}

@test "fakeroot: before softclose and after it" {
    lacking "$lib/libfakeroot/libfakeroot-sysv.so" fakeroot
    wrapper=(fakeroot --)
    behaves "$lib/libfakeroot/libfakeroot-sysv.so" "$stacked"
}

@test "heaptrack: before softclose and after it" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    lacking /usr/lib/heaptrack/libheaptrack_preload.so heaptrack
    settings=(DUMP_HEAPTRACK_OUTPUT="$PWD/heaptrack.%p")
    behaves /usr/lib/heaptrack/libheaptrack_preload.so "$stacked"
    assert [ -s "$(echo heaptrack.*)" ] || ls heaptrack.*
}

@test "valgrind: the program under memcheck" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    lacking /usr/bin/valgrind valgrind
    wrapper=(valgrind -q --error-exitcode=9 --trace-children=yes --trace-children-skip=/usr/bin/env)
    # Without a drain thread nobody can tell whether another thread is inside a call on the
    # connection: the close beside threads is left as it is.
    local most=5
    behaves '' "$stacked"
    run grep ': cut$' before.enforce
    assert_output --regexp '^[^ ]*thread[^ ]*: cut$'
}

@test "ASan: its runtime preloaded before softclose and after it" {
    gcc -fsanitize=address -g -o asan "$SOURCE/tests/compat/stacked.c" -pthread
    settings=(ASAN_OPTIONS=verify_asan_link_order=0)
    behaves "$(readlink -f "$(gcc -print-file-name=libasan.so)")" "$PWD/asan"
}

@test "ASan: its runtime within the program" {
    skip_under_asan "two runtimes that replace the allocator or the processor"
    gcc -fsanitize=address -static-libasan -g -o asan "$SOURCE/tests/compat/stacked.c" -pthread
    behaves '' "$PWD/asan"
}

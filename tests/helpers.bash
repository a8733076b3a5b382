# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # used by the tests; set by `run`
# What the tests share: programs of tests/interposition run natively and under audit or enforce,
# questions to the log, figures, a reason to skip.

setup_interposition()
{
    bats_load_library bats-support
    bats_load_library bats-assert
    bats_load_library bats-file
    : "${SOFTCLOSE_BUILD:?the build folder}"
    : "${SOFTCLOSE_LIB:?libsoftclose.so}"
    P="$SOFTCLOSE_BUILD/tests/interposition"
    LOG="$BATS_TEST_TMPDIR/log.jsonl"
    unset LD_PRELOAD TMPDIR "${!SOFTCLOSE_@}" SOFTCLOSE
    # Under enforce peers see the end in place of the reset. Everything is told, as under audit, and
    # no end of a process waits long for peers that are the process itself.
    ENDING=reset ENDINGS=resets SETTINGS=
    if [ "$MODE" = enforce ]; then
        ENDING=eof ENDINGS=ends
        SETTINGS="close.exit_wait=100ms"
        export SOFTCLOSE_SET="log.events=all;$SETTINGS"
    fi
    cd "$BATS_TEST_TMPDIR" || return 1
}

# The mode that a file's tests are about: CTest runs some files once in each.
MODE=${SOFTCLOSE_TEST_MODE:-audit}

# Seconds that a program may take (more with gcov, which writes its counts at every end).
LIMIT=${SOFTCLOSE_TEST_LIMIT:-60}

# What survives the cleaning of SOFTCLOSE_* by setup_interposition.
SHIM=${SOFTCLOSE_LIB:-}
LIBRARY=$SHIM                       # what is preloaded
RUNTIME=${SOFTCLOSE_TEST_RUNTIME:-} # of the sanitizer, in builds with one
SOURCE=${SOFTCLOSE_SOURCE:-$BATS_TEST_DIRNAME/..}

built_with() # asan or tsan
{
    nm -D "$SHIM" 2>/dev/null | grep -q "__$1_init"
}

if built_with tsan; then
    LIBRARY=$RUNTIME:$SHIM # it has to be first
fi

# The bats file's figures, in the output of tests/run.
figure()
{
    echo "# $*" >&3
}

# After `run` of a program that ends with 77 and "skipped: why" where it cannot run.
skip_if_it_cannot_run()
{
    if [ "$status" -eq 77 ]; then
        skip "${lines[0]#skipped: }"
    fi
}

# What a sanitizer's or gcov's runtime in the library makes different: imports, memory, calls.
skip_if_instrumented()
{
    if nm -D "$SHIM" | grep -qE '__(asan_init|tsan_init|ubsan_)' ||
        nm "$SHIM" | grep -q __gcov_; then
        skip "built with a sanitizer or for coverage"
    fi
}

# shellcheck source=tests/instrumented.bash
source "$BATS_TEST_DIRNAME/instrumented.bash"

# skip_under_asan WHY: what AddressSanitizer's runtime makes impossible.
skip_under_asan()
{
    if built_with asan; then
        skip "AddressSanitizer: $*"
    fi
}

# skip_under_tsan WHY: the same of ThreadSanitizer's.
skip_under_tsan()
{
    if built_with tsan; then
        skip "ThreadSanitizer: $*"
    fi
}

# For programs that leave a stack without returning (siglongjmp, cancelled threads): AddressSanitizer
# hears of it, and takes its marks off that stack, only where its runtime is loaded first.
asan_first()
{
    LIBRARY=${RUNTIME:+$RUNTIME:}$SHIM
}

# Runs a program under $MODE. Settings are given as variables of the caller: SOFTCLOSE_LOG...
audited()
{
    env SOFTCLOSE="${SOFTCLOSE:-$MODE}" SOFTCLOSE_LOG="${SOFTCLOSE_LOG-$LOG}" \
        LD_PRELOAD="$LIBRARY" "$@"
}

# What a native program says, as it is to be under $MODE: peers see the end where they saw a reset.
expected()
{
    sed -E "s/(^|: )reset$/\1$ENDING/; s/ resets$/ $ENDINGS/" "$@"
}

# Natively and under $MODE: standard output and exit status must be the same. Standard error goes to
# native.err and audited.err.
compare()
{
    local native=0 audited=0
    timeout "$LIMIT" "$@" >native.out 2>native.err </dev/null || native=$?
    audited timeout "$LIMIT" "$@" >audited.out 2>audited.err </dev/null || audited=$?
    diff <(expected native.out) audited.out
    assert_equal "$audited" "$native"
}

# Runs a program where a search through /proc finds it and its family only: elsewhere on the machine
# there may be processes that cannot be searched, or descriptors that wait in UNIX sockets, and then
# the true answer is "unknown".
alone()
{
    if unshare --net --pid --fork --mount-proc true 2>/dev/null; then
        # shellcheck disable=SC2016 # for the inner shell
        unshare --net --pid --fork --mount-proc setsid \
            sh -c 'ip link set lo up && "$@"; exit $?' sh "$@"
    else
        "$@"
    fi
}

# events FILTER: what jq makes of all events of the log, one list.
events()
{
    jq -rcs "$1" "$LOG"
}

# Descriptors, anonymous memory and files that a running process has.
descriptors_of()
{
    find "/proc/$1/fd" -mindepth 1 -printf '%f %l\n' | sort -n
}

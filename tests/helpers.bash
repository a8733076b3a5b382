# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # used by the tests
# What the tests of the preloaded library share: programs of tests/interposition run natively and
# under audit, and questions to the log.

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
    cd "$BATS_TEST_TMPDIR" || return 1
}

# What survives the cleaning of SOFTCLOSE_* by setup_interposition.
LIBRARY=${SOFTCLOSE_LIB:-}
SOURCE=${SOFTCLOSE_SOURCE:-$BATS_TEST_DIRNAME/..}

# The bats file's figures, in the output of tests/run.
figure()
{
    echo "# $*" >&3
}

# Runs a program under audit. Settings are given as variables of the caller: SOFTCLOSE_LOG...
audited()
{
    env SOFTCLOSE="${SOFTCLOSE:-audit}" SOFTCLOSE_LOG="${SOFTCLOSE_LOG-$LOG}" \
        LD_PRELOAD="$LIBRARY" "$@"
}

# Natively and under audit: standard output and exit status must be the same. Standard error goes to
# native.err and audited.err.
compare()
{
    local native=0 audited=0
    timeout 60 "$@" >native.out 2>native.err </dev/null || native=$?
    audited timeout 60 "$@" >audited.out 2>audited.err </dev/null || audited=$?
    diff native.out audited.out
    assert_equal "$audited" "$native"
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

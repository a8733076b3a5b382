# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # used by the tests
# What the tests of the program `softclose` share.

setup_tools()
{
    bats_load_library bats-support
    bats_load_library bats-assert
    bats_load_library bats-file
    : "${SOFTCLOSE_BUILD:?the build folder}"
    SOFTCLOSE="$SOFTCLOSE_BUILD/tools/softclose"
    DATA="$BATS_TEST_DIRNAME/data"
    unset SOFTCLOSE_LOG SOFTCLOSE_POLICY SOFTCLOSE_SET LD_PRELOAD NO_COLOR
    cd "$BATS_TEST_TMPDIR" || return 1
}

# shellcheck source=tests/instrumented.bash
source "$BATS_TEST_DIRNAME/instrumented.bash"

# Polls until a command succeeds; fails after a minute.
wait_until()
{
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        if "$@"; then
            return 0
        fi
        sleep 0.05
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# T for stopped, S for sleeping...
state_of()
{
    sed -E 's/^.*\) (.).*$/\1/' "/proc/$1/stat"
}

is_state()
{
    [[ $(state_of "$1") == "$2" ]]
}

# has_lines COUNT WORD FILE: at least so many lines with the word.
has_lines()
{
    [[ $(grep -c "$2" "$3") -ge $1 ]]
}

# Waits for a background job of this shell.
ends_with()
{
    local status=0
    wait "$1" || status=$?
    assert_equal "$status" "$2"
}

child_of()
{
    local children
    read -r -a children <"/proc/$1/task/$1/children"
    echo "${children[0]:-}"
}

compile()
{
    local name=$1
    shift
    echo 'int main(void) { return 0; }' >"$name.c"
    cc "$@" -o "$name" "$name.c"
}

# event NAME [FIELDS]: a line of a log, with what every event has; FIELDS begin with a comma.
event()
{
    local time=2026-11-20T10:00:00.000000000Z
    printf '{"v":1,"ts":"%s","event":"%s","pid":1,"tid":1,"exe":"x"%s}\n' "$time" "$1" "${2:-}"
}

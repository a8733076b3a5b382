#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # shared with the files *.suite
# Runs one suite once, in whatever mode the environment says, and writes one line for each case:
# `ok NAME`, `fail NAME<TAB>why` or `skip NAME<TAB>why`. Started by tests/compat/run only.
#
# usage: suite.bash describe|prepare|cases SUITE [PART [CASE]...]
#
# Variables: results (where the lines go), common (what prepare made), scratch (the working folder).
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export here LC_ALL=C.UTF-8 TZ=UTC
patience=60 # seconds for a condition that comes at once when all is well

# What a file NAME.suite sets or overrides.
needs=() packages=() parts=() short=() serial=() # serial: what one machine bears only once
limit=600 # seconds for one part in one mode
available() { :; } # what names of commands and files do not tell
prepare() { :; }   # once, natively, in $common
cases() { :; }     # PART [CASE]...; without cases all of them

poll() # COMMAND...: until it succeeds
{
    local tries
    for ((tries = 0; tries < patience * 20; tries++)); do
        if "$@" 2>/dev/null; then return 0; fi
        sleep 0.05
    done
    echo "waited in vain for: $*" >&2
    return 1
}

port_open() # PORT
{
    (exec 3<>"/dev/tcp/127.0.0.1/$1")
}

gone() # PID
{
    ! grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$1/status"
}

serve() # COMMAND...: in the background, its pid in $server
{
    "$@" </dev/null >>"$scratch/server.out" 2>&1 &
    server=$!
}

ends() # PID [SIGNAL]: it is told to end, does so, and its status is printed
{
    local status=0
    kill -s "${2:-TERM}" "$1" || return 1
    poll gone "$1" || return 1
    wait "$1" || status=$?
    echo "status $status"
}

wanted=()
check() # NAME COMMAND...: the case is ok when the command succeeds
{
    local name=$1 why status=0
    shift
    if ((${#wanted[@]} > 0)) && [[ " ${wanted[*]} " != *" $name "* ]]; then
        return 0
    fi
    why=$("$@" 2>&1 </dev/null) || status=$?
    if ((status == 0)); then
        echo "ok $name" >>"$results"
    else
        printf 'fail %s\t%s\n' "$name" "status $status: $(tail -c 300 <<<"$why" | tr '\t\n' '  ')" \
            >>"$results"
    fi
}

same() # FILE FILE
{
    cmp "$1" "$2"
}

what=$1 suite=$2
shift 2
# shellcheck source=/dev/null
. "$here/$suite.suite"
case $what in
describe)
    absent=()
    for need in "${needs[@]}"; do
        command -v "$need" >/dev/null || [[ -e $need ]] || absent+=("$need")
    done
    ((${#absent[@]} > 0)) || available >/dev/null 2>&1 || absent+=('all that it needs')
    printf '%s\t%s\n' parts "${parts[*]:-$suite}" short "${short[*]}" serial "${serial[*]}" limit "$limit" \
        packages "${packages[*]}" absent "${absent[*]}"
    ;;
prepare) cd "$common" && prepare ;;
cases)
    part=$1
    shift
    wanted=("$@")
    cd "$scratch" && cases "$part" "$@"
    ;;
esac

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run` says before the start what cannot be covered.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats: sets stderr, each test is a subshell

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

teardown()
{
    if [[ -n ${SHARED:-} ]]; then
        rm -rf "$SHARED"
    fi
}

@test "static programs are named before they start" {
    compile static -static
    compile static-pie -static-pie
    local program
    for program in static static-pie; do
        run -125 "$SOFTCLOSE" run "./$program"
        assert_line --partial "cannot run ./$program: is linked statically"
        assert_line --partial "what to do: use a dynamically linked build"
    done
}

@test "a script is judged by its interpreter" {
    compile static -static
    printf '#! %s/static -x\n' "$PWD" >script
    printf '#!%s/script\n' "$PWD" >outer
    printf '#!/nonexistent/interpreter\n' >broken
    printf '#!/bin/sh\nexit 4\n' >good
    printf 'exit 3\n' >bare
    chmod +x script outer broken good bare
    run -125 "$SOFTCLOSE" run ./script
    assert_line --partial "its interpreter $PWD/static: is linked statically"
    run -125 "$SOFTCLOSE" run ./outer
    run -126 "$SOFTCLOSE" run ./broken
    assert_output --partial "(/nonexistent/interpreter)"
    run -4 "$SOFTCLOSE" run ./good
    run -3 "$SOFTCLOSE" run ./bare
}

@test "a privileged program is named, unless its caller has those rights" {
    local privileged as_user=()
    privileged=$(command -v su)
    if [[ $EUID -eq 0 ]]; then
        # nobody must reach the program: bats' folder is closed to others
        SHARED=$(mktemp -d)
        # one of our own: AddressSanitizer is not ready when a library of su's begins
        mkdir "$SHARED/tools" "$SHARED/shim" "$SHARED/work"
        privileged="$SHARED/work/privileged"
        cp "$(type -P true)" "$privileged"
        chmod u+s "$privileged"
    fi
    [[ -u $privileged ]] || skip "su is not setuid here"
    findmnt -n -o OPTIONS -T "$privileged" | grep -qw nosuid && skip "mounted nosuid"
    if [[ $EUID -eq 0 ]]; then
        run -0 "$SOFTCLOSE" run -q "$privileged" --version
        cp "$SOFTCLOSE" "$SHARED/tools/"
        cp "$SOFTCLOSE_BUILD/shim/libsoftclose.so" "$SHARED/shim/"
        chmod 755 "$SHARED" "$SHARED"/*
        chmod 777 "$SHARED/work"
        cd "$SHARED/work"
        SOFTCLOSE="$SHARED/tools/softclose"
        as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    fi
    run -125 "${as_user[@]}" "$SOFTCLOSE" run "$privileged" --version
    assert_line --partial "cannot run $privileged: has other rights than its caller"
    assert_line --partial "what to do: start softclose as the user"
    # without new privileges the bit has no effect
    run -0 "${as_user[@]}" setpriv --no-new-privs "$SOFTCLOSE" run -q "$privileged" --version
    if [[ $EUID -eq 0 ]]; then
        cp "$(type -P true)" capable
        setcap cap_net_raw+ep capable || skip "no file capabilities in this file system"
        run -125 "${as_user[@]}" "$SOFTCLOSE" run ./capable
        assert_line --partial "has other rights"
        run -0 "$SOFTCLOSE" run -q ./capable
        cd /
    fi
}

@test "programs for another processor, word size or C library are named" {
    compile native
    local byte
    for byte in 001@4 377@18; do # EI_CLASS 32 bit; an unknown e_machine
        cp native other
        printf '%b' "\\0${byte%@*}" | dd of=other bs=1 seek="${byte#*@}" conv=notrunc status=none
        run -125 "$SOFTCLOSE" run ./other
        assert_line --partial "was built for another processor"
    done
    cp "$(cc -print-file-name=ld-linux-x86-64.so.2)" ld-musl-x86_64.so.1 ||
        skip "the test knows only the loader of x86-64"
    compile musl -Wl,--dynamic-linker="$PWD/ld-musl-x86_64.so.1"
    run -125 "$SOFTCLOSE" run ./musl
    assert_line --partial "uses another C library than glibc ($PWD/ld-musl-x86_64.so.1)"
    rm ld-musl-x86_64.so.1
    run -126 "$SOFTCLOSE" run ./musl
    assert_line --partial "the dynamic loader it needs is not installed"
}

@test "the loader as a command is no static program" {
    local loader
    loader=$(LC_ALL=C readelf -l "$(type -P true)" |
        sed -n 's/.*Requesting program interpreter: \(.*\)\]/\1/p')
    run -0 "$SOFTCLOSE" run -q "$loader" "$(type -P true)"
}

@test "a Go program is warned about and run" {
    compile native
    echo x >section
    objcopy --add-section .go.buildinfo=section native go
    run -0 "$SOFTCLOSE" run ./go
    assert_line --partial "warning: ./go is a Go program"
    run -0 "$SOFTCLOSE" run -q ./go
    assert_output ""
}

@test "the library is looked for beside the program, and where is said when it is missing" {
    mkdir bin
    cp "$SOFTCLOSE" bin/
    SOFTCLOSE_LIB=/nonexistent run -125 bin/softclose run touch started
    assert_line "softclose: cannot find libsoftclose.so; looked for:"
    assert_line --partial "$PWD/bin/../shim/libsoftclose.so"
    assert_not_exists started
    mkdir 'a b' 'a b/tools' 'a b/shim'
    cp "$SOFTCLOSE" 'a b/tools/'
    cp "$SOFTCLOSE_BUILD/shim/libsoftclose.so" 'a b/shim/'
    run -125 'a b/tools/softclose' run touch started
    assert_output --partial "LD_PRELOAD allows no colon or space"
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run`: where the log is and what reaches the library.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats: sets stderr, each test is a subshell

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

@test "the user's own LD_PRELOAD is kept, behind the library" {
    local own
    own=$(cc -print-file-name=libm.so.6)
    LD_PRELOAD="$own" run -0 "$SOFTCLOSE" run -q env
    assert_line --regexp "^LD_PRELOAD=/.*/libsoftclose\.so:$own\$"
    run -0 "$SOFTCLOSE" run -q env
    assert_line --regexp '^LD_PRELOAD=/[^:]*/libsoftclose\.so$'
}

@test "mode, policy and keys reach the library" {
    printf '[close]\ndrain = block\n' >my.ini
    run -0 "$SOFTCLOSE" run -q --policy my.ini --set log.sites=0 --set close.drain=inline env
    assert_line "SOFTCLOSE=audit"
    assert_line "SOFTCLOSE_POLICY=$(realpath my.ini)"
    assert_line "SOFTCLOSE_SET=log.sites=0;close.drain=inline"
    run -0 "$SOFTCLOSE" run -q --enforce env
    assert_line "SOFTCLOSE=enforce"
}

@test "by default one log for the whole tree, named after the program, in the working directory" {
    cat >tree.sh <<'SHELL'
#!/bin/sh
cd /
/bin/true
(cat /dev/null)
SHELL
    chmod +x tree.sh
    run -0 "$SOFTCLOSE" run ./tree.sh
    local logs=(softclose.*)
    assert_equal "${#logs[@]}" 1
    assert_regex "${logs[0]}" '^softclose\.tree\.sh\.[0-9]+\.jsonl$'
    assert_equal "$(stat -c %a "${logs[0]}")" 600
    assert_output --partial "next: softclose report ${logs[0]}"
    # sh, true and cat each began in it
    run -0 jq -r 'select(.event == "process") | .pid' "${logs[0]}"
    assert [ "$(sort -u <<<"$output" | wc -l)" -ge 3 ]
}

@test "an explicit %p makes one log for each process" {
    run -0 "$SOFTCLOSE" run --log 'each.%p.jsonl' sh -c '/bin/true; /bin/true; :'
    local logs=(each.*)
    assert_equal "${#logs[@]}" 3
    assert_output --partial "next: softclose report each.*.jsonl"
}

@test "%e, %h, %t and %% in --log are expanded once" {
    local before
    before=$(date +%s)
    run -0 "$SOFTCLOSE" run -q --log 'a.%e.%h.%%.%t.x' sh -c '/bin/true; :'
    local logs=(a.*)
    assert_equal "${#logs[@]}" 1
    assert_regex "${logs[0]}" "^a\.sh\.$(uname -n)\.%\.[0-9]+\.x\$"
    local time=${logs[0]%.x}
    assert [ "${time##*.}" -ge "$before" ]
}

@test "a per cent sign in the working directory is no specifier" {
    mkdir '100%pure %e'
    cd '100%pure %e'
    run -0 "$SOFTCLOSE" run -q --log log true
    assert_file_not_empty log
    run -0 "$SOFTCLOSE" run -q --log 'each.%p' sh -c '/bin/true; :'
    local logs=(each.*)
    assert_equal "${#logs[@]}" 2
}

@test "the name of a log is quoted for the shell where it must be" {
    run -0 "$SOFTCLOSE" run --log "it's a log" true
    assert_line "softclose: next: softclose report 'it'\\''s a log'"
}

@test "a log that cannot be written is refused before the start" {
    run -125 "$SOFTCLOSE" run --log /nonexistent/log touch started
    assert_output --partial "cannot write the log /nonexistent/log: No such file or directory"
    ln -s target link
    run -125 "$SOFTCLOSE" run --log link touch started
    assert_output --partial "symbolic link"
    run -125 "$SOFTCLOSE" run --log . touch started
    assert_not_exists started
    assert_not_exists target
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Whatever the SOFTCLOSE* variables hold: one clear line on standard error, and the program runs
# exactly as without softclose; with SOFTCLOSE_STRICT=1 it does not begin, status 125.

setup()
{
    load helpers
    setup_interposition
}

# A program with an output, a status and a connection that is closed with unread data.
program()
{
    env LD_PRELOAD="$LIBRARY" "$@" "$P/limits" three 2>errors >output
}

# Settings in the arguments; the line must match $1.
assert_one_line()
{
    local expected=$1 status=0
    shift
    program "$@" || status=$?
    assert_equal "$status" 3
    assert_equal "$(cat output)" "three"
    run cat errors
    assert_output --regexp "$expected"
    assert_equal "${#lines[@]}" 1
    assert_output --regexp '^softclose: .*; the program runs without softclose$'

    status=0
    program "$@" SOFTCLOSE_STRICT=1 || status=$?
    assert_equal "$status" 125
    assert_equal "$(cat output)" ""
    run cat errors
    assert_output --regexp "$expected"
    assert_equal "${#lines[@]}" 1
    assert_output --regexp 'SOFTCLOSE_STRICT=1'
}

long()
{
    printf 'x%.0s' $(seq "$1")
}

@test "an unknown SOFTCLOSE" {
    assert_one_line "SOFTCLOSE='loud' is not known; allowed: off, audit, enforce" SOFTCLOSE=loud
    assert_one_line "SOFTCLOSE='AUDIT' is not known" SOFTCLOSE=AUDIT
    assert_one_line "is not known" SOFTCLOSE="$(long 5000)"
    assert_one_line "is not known" SOFTCLOSE=$'a\nb'
}

@test "logs that cannot be written" {
    mkdir directory
    ln -s elsewhere link
    mkfifo fifo
    assert_one_line "nowhere/log'.*no such directory" SOFTCLOSE=audit SOFTCLOSE_LOG=/nowhere/log
    assert_one_line "directory'.*is a directory" SOFTCLOSE=audit SOFTCLOSE_LOG="$PWD/directory"
    assert_one_line "link'.*symbolic link" SOFTCLOSE=audit SOFTCLOSE_LOG="$PWD/link"
    assert_not_exists elsewhere
    touch elsewhere
    assert_one_line "link'.*symbolic link" SOFTCLOSE=audit SOFTCLOSE_LOG="$PWD/link"
    assert_equal "$(stat -c %s elsewhere)" 0
    assert_one_line "fifo'.*FIFO that nobody reads" SOFTCLOSE=audit SOFTCLOSE_LOG="$PWD/fifo"
    assert_one_line "too long" SOFTCLOSE=audit SOFTCLOSE_LOG="$(long 300)"
    assert_one_line "too long" SOFTCLOSE=audit SOFTCLOSE_LOG="$(long 5000)"
    assert_one_line "unix:/nowhere/socket'" SOFTCLOSE=audit SOFTCLOSE_LOG=unix:/nowhere/socket
    assert_one_line "too long" SOFTCLOSE=audit SOFTCLOSE_LOG="unix:/$(long 200)"
    assert_one_line "unix:'.*empty" SOFTCLOSE=audit SOFTCLOSE_LOG=unix:
    perl -MSocket -e 'socket(S, AF_UNIX, SOCK_DGRAM, 0); bind(S, pack_sockaddr_un("deaf"))'
    assert_one_line "deaf'.*nobody listens" SOFTCLOSE=audit SOFTCLOSE_LOG="unix:$PWD/deaf"
}

@test "a log that this user may not write" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to become somebody else"
    work=$(mktemp -d /tmp/softclose.XXXXXX)
    cp "$LIBRARY" "$P/limits" "$work"
    chmod -R go+rx "$work"
    touch "$work/log"
    run setpriv --reuid 65534 --regid 65534 --clear-groups env LD_PRELOAD="$work/$(basename "$LIBRARY")" \
        SOFTCLOSE=audit SOFTCLOSE_LOG="$work/log" "$work/limits" three
    rm -r "$work"
    assert_equal "$status" 3
    assert_line --regexp "log'.*permission denied"
    assert_line three
    assert_equal "$(grep -vc '^profiling:' <<<"$output")" 2 # gcov may not write there either
}

@test "policies" {
    printf '[close]\nhalf_close = sometimes\n[nonsense]\nkey = 1\n' >wrong.ini
    : >unreadable.ini
    assert_one_line "missing.ini'.*No such file" SOFTCLOSE=audit SOFTCLOSE_POLICY="$PWD/missing.ini"
    assert_one_line "wrong.ini:2: .*more" SOFTCLOSE=audit SOFTCLOSE_POLICY="$PWD/wrong.ini"
    assert_one_line "cannot read the policy" SOFTCLOSE=audit SOFTCLOSE_POLICY="$PWD"
    assert_one_line "no regular file" SOFTCLOSE=audit SOFTCLOSE_POLICY=/dev/zero
    head -c 65536 /dev/urandom >noise.ini
    assert_one_line "noise.ini:[0-9]+: " SOFTCLOSE=audit SOFTCLOSE_POLICY="$PWD/noise.ini"
    assert_one_line "SOFTCLOSE_SET" SOFTCLOSE=audit SOFTCLOSE_SET=nonsense
    assert_one_line "SOFTCLOSE_SET" SOFTCLOSE=audit SOFTCLOSE_SET="close.drain_idle=never"
    assert_one_line "SOFTCLOSE_SET" SOFTCLOSE=audit SOFTCLOSE_SET="$(long 70000)=1"
}

@test "switches" {
    assert_one_line "SOFTCLOSE_FOLLOW='2' is not known; allowed: 0, 1" SOFTCLOSE=audit SOFTCLOSE_FOLLOW=2
    assert_one_line "SOFTCLOSE_FOLLOW" SOFTCLOSE=audit SOFTCLOSE_FOLLOW=yes
    run program SOFTCLOSE=audit SOFTCLOSE_STRICT=2 SOFTCLOSE_LOG="$LOG"
    assert_equal "$status" 3
    assert_equal "$(wc -l <errors)" 1
    assert_equal "$(cat output)" three
    run cat errors
    assert_output --partial "SOFTCLOSE_STRICT='2' is not known; allowed: 0, 1"
}

@test "a full disk: the count of events not written" {
    status=0
    program SOFTCLOSE=audit SOFTCLOSE_LOG=/dev/full || status=$?
    assert_equal "$status" 3
    run cat errors
    # What would have been written is what a good log holds.
    program SOFTCLOSE=audit SOFTCLOSE_LOG="$LOG" || :
    figure "/dev/full: $output"
    assert_output "softclose: $(wc -l <"$LOG") events could not be written to '/dev/full' (full, closed or not writable); the program was not affected"
}

@test "a disk that becomes full while the program runs" {
    asan_first
    [ "$(id -u)" -eq 0 ] || skip "needs root to mount a small disk"
    mkdir small
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m bash -c '
        mount -t tmpfs -o size=64k none small || exit 77
        env LD_PRELOAD="$0" SOFTCLOSE=audit SOFTCLOSE_LOG=small/log "$1/signals" cancel >/dev/null 2>errors
        echo $? >status
        cp small/log kept' "$LIBRARY" "$P" || skip "no small disk here"
    assert_equal "$(cat status)" 0
    written=$(wc -l <kept)
    run cat errors
    figure "64 KiB hold $written lines; $output"
    assert_output --regexp '^softclose: [0-9]+ events could not be written'
    # Every line but the last one is whole.
    head -n -1 kept | jq -es 'length' >/dev/null
}

@test "a log in a UNIX socket" {
    command -v socat >/dev/null || skip "no socat"
    socat -u UNIX-RECV:"$PWD/receiver" CREATE:received &
    receiver=$!
    for _ in $(seq 200); do
        [ -S receiver ] && break
        sleep 0.05
    done
    status=0
    program SOFTCLOSE=audit SOFTCLOSE_LOG="unix:$PWD/receiver" || status=$?
    assert_equal "$status" 3
    assert_equal "$(cat errors)" ""
    for _ in $(seq 200); do
        grep -q '"event":"summary"' received && break
        sleep 0.05
    done
    kill "$receiver"
    run jq -rs 'map(.event) | unique | join(" ")' received
    assert_output "close process summary"
}

@test "none: no file, no line, and the program is covered all the same" {
    status=0
    program SOFTCLOSE=audit SOFTCLOSE_LOG=none TMPDIR="$PWD" || status=$?
    assert_equal "$status" 3
    assert_equal "$(cat errors)" ""
    run find . -name '*jsonl'
    assert_output ""
    MODE=enforce ENDING=eof SOFTCLOSE_LOG=none compare "$P/changes" limit nofile 64
    assert_equal "$(grep -c ': eof$' audited.out)" "$(grep -c ': reset$' native.out)"
    assert_not_equal "$(grep -c ': reset$' native.out)" 0
}

@test "files: mode 0600, appended to, %p %e %h %t %% expanded, default in TMPDIR" {
    umask 0
    program SOFTCLOSE=audit SOFTCLOSE_LOG="$PWD/%e.%p.%h.%t.%%.%x.jsonl" || :
    run bash -c 'echo limits.*'
    assert_output --regexp "^limits\.[0-9]+\.$(uname -n)\.[0-9]+\.%\.%x\.jsonl\$"
    assert_equal "$(stat -c %a limits.*)" 600
    echo '{"v":1,"event":"mine"}' >"$LOG"
    chmod 640 "$LOG"
    program SOFTCLOSE=audit SOFTCLOSE_LOG="$LOG" || :
    assert_equal "$(head -1 "$LOG")" '{"v":1,"event":"mine"}'
    assert_equal "$(stat -c %a "$LOG")" 640
    [ "$(wc -l <"$LOG")" -gt 2 ]
    program SOFTCLOSE=audit TMPDIR="$PWD" || :
    run bash -c 'echo softclose.*'
    assert_output --regexp '^softclose\.limits\.[0-9]+\.jsonl$'
}

@test "a child's own file (%p) lies where its parent's does, wherever the child has gone" {
    mkdir elsewhere
    LD_PRELOAD="$LIBRARY" SOFTCLOSE=audit SOFTCLOSE_LOG='log.%p' "$P/limits" wander elsewhere
    assert_equal "$(find elsewhere -type f)" ""
    assert_equal "$(find . -name 'log.*' | wc -l)" 2
}

@test "a program with rights that its caller does not have reads none of the variables" {
    [ "$(id -u)" -eq 0 ] || skip "needs root to make a setuid program"
    work=$(mktemp -d /tmp/softclose.XXXXXX)
    cp "$LIBRARY" "$work/libsoftclose.so"
    cp "$P/limits" "$work/plain"
    # The loader ignores LD_PRELOAD then; so the library is linked in.
    echo 'int main(void) { return 3; }' >linked.c
    gcc linked.c -o "$work/linked" -Wl,--no-as-needed "$work/libsoftclose.so" -Wl,-rpath,"$work"
    cp "$work/linked" "$work/privileged"
    chmod -R go+rx "$work"
    chmod u+s "$work/privileged"
    findmnt -no OPTIONS --target "$work" | grep -q nosuid && skip "setuid has no effect in /tmp"
    other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    run "${other[@]}" env SOFTCLOSE=nonsense SOFTCLOSE_STRICT=1 "$work/linked"
    plain="$status ${#lines[@]}"
    run "${other[@]}" env SOFTCLOSE=nonsense SOFTCLOSE_STRICT=1 "$work/privileged"
    privileged="$status ${#lines[@]}"
    run "${other[@]}" env SOFTCLOSE=audit SOFTCLOSE_LOG=/tmp/softclose.privileged.%p.jsonl "$work/privileged"
    rm -r "$work"
    assert_equal "$plain" "125 1"
    assert_equal "$privileged" "3 0"
    assert_equal "$status ${#lines[@]}" "3 0"
    run bash -c 'ls /tmp/softclose.privileged.* 2>/dev/null'
    assert_output ""
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Known limits that no other file's tests hold, and docs/limits.md, which names a test for each: what
# is not seen or not mended stays what it is natively, and what comes after it is right again.

setup()
{
    load helpers
    setup_interposition
    ENDING=reset # limits are what enforce does not change
}

# what_is_told SOCK: via and outcome of the closes of that socket.
what_is_told()
{
    events "map(select(.event == \"close\" and .sock == $1) | .via + \" \" + .outcome) | join(\", \")"
}

# close_unseen HOW...: the program closes one connection by that way, then one of the same number
# with close(). Sets first and second to what was told of them.
close_unseen()
{
    local socks
    rm -f "$LOG"
    "$P/unseen" "$@" >native.out 2>native.err
    SOFTCLOSE_SET="log.events=all" audited "$P/unseen" "$@" >audited.out 2>audited.err
    mapfile -t socks < <(grep -xE '[0-9]+' audited.err)
    first=$(what_is_told "${socks[0]}") second=$(what_is_told "${socks[1]}")
    figure "$1: of the first '$first' is told, of the next '$second'"
}

@test "a close by an instruction of the program's own: not seen, what comes after it is" {
    for MODE in audit enforce; do
        close_unseen own
        assert_equal "$first" ""
        assert_equal "$second" "close reset"
        assert_equal "$(head -1 audited.out)" "$(head -1 native.out)"
    done
}

@test "RTLD_DEEPBIND and dlmopen: such a library's closes are not seen, those of dlopen() are" {
    close_unseen plain "$P/plugin.so"
    assert_equal "$first" "close reset"
    for how in deepbind dlmopen; do
        for MODE in audit enforce; do
            close_unseen "$how" "$P/plugin.so"
            assert_equal "$first" ""
            assert_equal "$second" "close reset"
            assert_equal "$(head -1 audited.out)" "$(head -1 native.out)"
        done
    done
}

@test "death by abort() and SIGKILL: as natively, and the process has no summary" {
    for how in abort kill; do
        for MODE in audit enforce; do
            rm -f "$LOG"
            SOFTCLOSE_SET="log.events=all" compare "$P/unseen" "$how"
            run events 'group_by(.pid) | map(select(any(.event == "summary") | not)) | length'
            assert_output 1
        done
        figure "$(cat audited.out)"
    done
}

@test "a copy taken by pidfd_getfd() is not seen: enforce takes the other for the last" {
    run "$P/unseen" taken
    skip_if_it_cannot_run
    assert_output "status 0, the peer sees none, a write through the copy: works"
    MODE=audit compare "$P/unseen" taken
    MODE=enforce run audited "$P/unseen" taken
    assert_output "status 0, the peer sees eof, a write through the copy: Broken pipe"
    SOFTCLOSE_SET="close.half_close=never" MODE=enforce compare "$P/unseen" taken
}

@test "kTLS: a connection whose records the kernel encrypts ends in order" {
    run "$P/unseen" ktls
    skip_if_it_cannot_run
    MODE=audit compare "$P/unseen" ktls
    MODE=enforce ENDING=eof compare "$P/unseen" ktls
}

@test "a process killed between close() and its event: at most that one close is not told" {
    # shellcheck disable=SC2016 # perl's
    SOFTCLOSE_SET="log.events=all" run audited perl -MSocket -e '
        for (1 .. 100) {
            pipe(my $from, my $to); socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0);
            my $pid = fork;
            if (!$pid) { for (;;) { socketpair(my $c, my $d, AF_UNIX, SOCK_STREAM, 0);
                syswrite $to, "x"; close $c; syswrite $to, "c"; close $d; syswrite $to, "c"; } }
            close $to; sysread $from, my $first, 1; select undef, undef, undef, rand 0.002;
            kill 9, $pid; waitpid $pid, 0;
            my $all = $first; while (sysread $from, my $more, 65536) { $all .= $more }
            print "$pid ", ($all =~ tr/c//), "\n";
        }'
    assert_success
    local missed=0 closes=0 pid count told
    while read -r pid count; do
        told=$(grep "\"pid\":$pid," "$LOG" | grep -c '"event":"close".*"via":"close"' || :)
        # the two that perl closes of its parent's may come on top
        [ "$told" -ge $((count - 1)) ]
        closes=$((closes + count)) missed=$((missed + (told < count)))
    done <<<"$output"
    figure "100 processes killed in $closes closes: $missed were killed before the event of their last"
}

@test "a killing filter set by an instruction of the program's own: the next close of a socket kills it" {
    for MODE in audit enforce; do
        rm -f "$LOG"
        SOFTCLOSE_SET="log.events=all" compare "$P/limits" filter own-errno
        assert_equal "$(events 'map(select(.event == "close" and .role == "accepted")) | length')" 0
        run audited "$P/limits" filter own
        assert_equal "$status" $((128 + 31)) # SIGSYS
        assert_output filtered
        MODE=off compare "$P/limits" filter own
        figure "$MODE: killed after '$output'; a filter that refuses with an errno: status 4 as natively"
    done
}

@test "every limit of docs/limits.md names a test that is there, or says why there is none" {
    local page="$SOURCE/docs/limits.md" file test rows=0 named=0
    while IFS= read -r row; do
        rows=$((rows + 1))
        if [[ $row == *"| none: "* ]]; then
            continue
        fi
        [[ $row =~ \`tests/([a-z_]+\.bats)\`:\ ([^|]*[^| ])\ *\|$ ]] || fail "no test in: $row"
        while IFS= read -r entry; do
            [[ $entry =~ ^\`tests/([a-z_]+\.bats)\`:\ (.*)$ ]] || fail "not 'file: test' in: $row"
            file=${BASH_REMATCH[1]} test=${BASH_REMATCH[2]}
            grep -qxF "@test \"$test\" {" "$SOURCE/tests/$file" || fail "$file has no test '$test'"
            named=$((named + 1))
        done < <(sed 's/.*| *\(`tests\)/\1/; s/ *|$//; s/<br>/\n/g' <<<"$row")
    done < <(grep '^| \*\*' "$page")
    figure "$rows limits, $named tests named"
    [ "$rows" -ge 25 ]
}

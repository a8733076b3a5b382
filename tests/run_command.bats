#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run`: usage, exit status, streams, what was seen.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # bats: sets stderr, each test is a subshell

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

# --- usage ---

@test "help and version come on stdout, after each command too" {
    local arguments
    for arguments in "--help" "run --help" "report --help"; do
        # shellcheck disable=SC2086 # two words
        run --separate-stderr "$SOFTCLOSE" $arguments
        assert_success
        assert_output --partial "Usage: softclose"
        assert_equal "$stderr" ""
    done
    for arguments in "--version" "run --version" "report --version"; do
        # shellcheck disable=SC2086 # two words
        run "$SOFTCLOSE" $arguments
        assert_success
        assert_output --regexp '^softclose [0-9]+\.[0-9]+\.[0-9]+$'
    done
}

@test "no line of the help is wider than 90 columns" {
    local arguments
    for arguments in "--help" "run --help" "report --help"; do
        # shellcheck disable=SC2086 # two words
        run awk 'length > 90 { print; bad = 1 } END { exit bad }' <("$SOFTCLOSE" $arguments)
        assert_success
    done
}

@test "an unknown command is refused with the list of those there are" {
    run -2 --separate-stderr "$SOFTCLOSE" top
    assert_equal "$stderr" "softclose: no command 'top' in this version; there are: run, report, check, explain, doctor"
    assert_output ""
    run -2 "$SOFTCLOSE"
    run -2 "$SOFTCLOSE" --frobnicate
}

@test "bad usage of run ends with 125 and starts nothing" {
    local bad
    for bad in "" "--frobnicate" "--engine=magic" "--engine=seccomp" "--report=json" "--verify" \
        "--fail-on=colour" "--fail-on=unread>x" "--fail-on=>1" "--set=novalue" "--set==x" \
        "--policy=/nonexistent" "--set=close.drain=sideways" "--color=pink" "--log=-"; do
        run -125 --separate-stderr "$SOFTCLOSE" run ${bad:+"$bad"} ${bad:+touch started}
        assert_regex "$stderr" 'softclose'
        assert_not_exists started
    done
}

@test "every error of a policy file is named with its line" {
    printf '[close]\ndrain = sideways\nnonsense = 1\n' >bad.ini
    run -125 --separate-stderr "$SOFTCLOSE" run --policy bad.ini touch started
    assert_regex "$stderr" 'bad\.ini:2: '
    assert_regex "$stderr" 'bad\.ini:3: '
    assert_not_exists started
    chmod 0 bad.ini
    if [[ $EUID -ne 0 ]]; then
        run -125 "$SOFTCLOSE" run --policy bad.ini true
        assert_output --partial 'cannot read the policy'
    fi
}

# --- exit status ---

@test "the program's exit status is passed on" {
    run -0 "$SOFTCLOSE" run true
    run -1 "$SOFTCLOSE" run false
    run -42 "$SOFTCLOSE" run sh -c 'exit 42'
    run -125 "$SOFTCLOSE" run sh -c 'exit 125'
}

@test "127 for a program that is not found, 126 for one that cannot be executed" {
    run -127 "$SOFTCLOSE" run no-such-program
    assert_output --partial "cannot run no-such-program: not found"
    run -127 "$SOFTCLOSE" run ./no-such-program
    run -127 "$SOFTCLOSE" run ""
    echo 'plain text' >text
    run -126 "$SOFTCLOSE" run ./text
    assert_output --partial "cannot run ./text: cannot be executed"
    run -126 "$SOFTCLOSE" run /
    assert_output --partial "is a directory"
    PATH="$PWD:$PATH" run -126 "$SOFTCLOSE" run text
}

@test "run dies of the signal the program died of, without a second core" {
    local signal
    for signal in TERM KILL HUP USR1 SEGV ABRT; do
        # a shell in between tells death by signal from an exit status
        run -0 bash -c 'set +m; "$0" run -q sh -c "ulimit -c 0; kill -$1 \$\$"; echo "$?"' \
            "$SOFTCLOSE" "$signal"
        assert_line "$((128 + $(kill -l "$signal")))"
        run python3 - "$SOFTCLOSE" "$signal" <<'PYTHON'
import signal, subprocess, sys
number = signal.Signals["SIG" + sys.argv[2]]
ended = subprocess.run([sys.argv[1], "run", "-q", "sh", "-c", "ulimit -c 0; kill -%d $$" % number])
sys.exit(0 if ended.returncode == -number else 1)
PYTHON
        assert_success
    done
}

@test "a SIGCHLD that the caller ignores does not hide the status, and stays ignored for the program" {
    run -7 env --ignore-signal=CHLD "$SOFTCLOSE" run -q sh -c 'exit 7'
    run -0 env --ignore-signal=CHLD "$SOFTCLOSE" run -q grep SigIgn /proc/self/status
    local under=$output
    run -0 env --ignore-signal=CHLD grep SigIgn /proc/self/status
    assert_equal "$under" "$output"
}

@test "the program's signal mask and dispositions are those of the caller" {
    run -0 "$SOFTCLOSE" run -q grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status
    local under=$output
    run -0 grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status
    assert_equal "$under" "$output"
}

# --- streams and descriptors ---

@test "standard input and output are the program's, byte for byte" {
    head -c 3000000 /dev/urandom >in
    "$SOFTCLOSE" run -q cat <in >out
    cmp in out
    head -c 300000 in | "$SOFTCLOSE" run -q cat | cmp - <(head -c 300000 in)
    run --separate-stderr "$SOFTCLOSE" run -q sh -c 'echo talk >&2; echo data'
    assert_output data
    assert_equal "$stderr" talk
}

@test "run says where the log is on stderr, nothing with -q" {
    run -0 --separate-stderr "$SOFTCLOSE" run --log my.jsonl true
    assert_output ""
    assert_equal "$stderr" "softclose: log: my.jsonl
softclose: next: softclose report my.jsonl"
    run -0 "$SOFTCLOSE" run -q --log my.jsonl true
    assert_output ""
}

@test "the program inherits no pipe of run" {
    run -0 sh -c "ls -l /proc/self/fd | grep -c 'pipe:' || :"
    local natively=$output
    run -0 "$SOFTCLOSE" run -q sh -c "ls -l /proc/self/fd | grep -c 'pipe:' || :"
    assert_output "$natively"
}

@test "run holds no pipe open that the program has closed" {
    mkfifo pipe
    "$SOFTCLOSE" run -q sh -c 'exec >&- <&- 5>&-; until test -e finished; do sleep 0.05; done' \
        >pipe 5>pipe 3>&- &
    local pid=$!
    timeout 60 cat pipe # comes to its end only when nobody holds the other end
    touch finished
    ends_with "$pid" 0
}

@test "works with closed standard streams" {
    # a shell in between: what bats closes for a command, its own pipes may take
    cat >closed.sh <<'SHELL'
"$0" run -q sh -c 'test -e /proc/self/fd/0 || echo closed' <&-
"$0" run -q sh -c 'test ! -e /proc/self/fd/1 && exit 8' <&- >&- 2>&-
SHELL
    run -8 bash -c '. ./closed.sh' "$SOFTCLOSE"
    assert_output closed
}

# --- what was seen ---

@test "--report prints the report on stderr" {
    run -0 --separate-stderr "$SOFTCLOSE" run --report perl "$DATA/reset_self.pl"
    assert_output ""
    assert_regex "$stderr" 'HOW THE CONNECTIONS ENDED'
    assert_regex "$stderr" 'reset +unread'
    assert_regex "$stderr" 'bytes that had arrived'
}

@test "--fail-on turns success into status 3, by cause or outcome, above its number" {
    local program=(perl "$DATA/reset_self.pl" linger)
    run -3 "$SOFTCLOSE" run -q --fail-on unread "${program[@]}"
    assert_line "softclose: unread: 1 close, more than 0 (--fail-on)"
    run -3 "$SOFTCLOSE" run -q --fail-on linger-zero "${program[@]}"
    run -3 "$SOFTCLOSE" run -q --fail-on 'reset>1' "${program[@]}"
    run -0 "$SOFTCLOSE" run -q --fail-on 'reset>2' --fail-on bad-fd "${program[@]}"
    assert_output ""
}

@test "--fail-on leaves every other status alone and looks only at this run" {
    run -0 "$SOFTCLOSE" run -q --log one.jsonl perl "$DATA/reset_self.pl"
    run -0 "$SOFTCLOSE" run -q --log one.jsonl --fail-on reset true
    run -4 "$SOFTCLOSE" run -q --fail-on reset sh -c 'perl "$0"; exit 4' "$DATA/reset_self.pl"
}

@test "--fail-on and --report want one log that can be read back" {
    local log
    for log in none stderr unix:/nonexistent 'x.%p'; do
        run -125 "$SOFTCLOSE" run --log "$log" --fail-on reset touch started
        run -125 "$SOFTCLOSE" run --log "$log" --report touch started
    done
    assert_not_exists started
    run -125 "$SOFTCLOSE" run -q --log /dev/null --fail-on reset true
    assert_output --partial "not a regular file"
}

@test "an option that several commands have is refused by each in the same words" {
    local command
    declare -A status_of=([run]=125 [report]=2 [check]=2 [explain]=2 [doctor]=2)
    for command in "${!status_of[@]}"; do
        run -"${status_of[$command]}" --separate-stderr "$SOFTCLOSE" "$command" --color=blue
        assert_equal "$output" ""
        assert_equal "$stderr" "softclose: --color must be auto, always or never, not 'blue'
Try 'softclose $command --help'."
        run -"${status_of[$command]}" "$SOFTCLOSE" "$command" --nonsense
        assert_line "Try 'softclose $command --help'."
        run -0 "$SOFTCLOSE" "$command" --version
        assert_output --regexp '^softclose [0-9.]+$'
        run -0 "$SOFTCLOSE" "$command" --help
        assert_line --regexp "^Usage: softclose $command "
    done
    for command in run check explain; do
        run -"${status_of[$command]}" "$SOFTCLOSE" "$command" --set=nothing
        assert_line "softclose: --set wants KEY=VALUE, not 'nothing'"
    done
}

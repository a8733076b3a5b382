#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `softclose run` behaves like the program it runs.
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
    assert_equal "$stderr" "softclose: no command 'top' in this version; there are: run, report"
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

# --- signals ---

trapper='
trap "echo got $1 >>got; exit 9" "$1"
echo ready >ready
while :; do sleep 0.05; done'

@test "signals sent to run reach the program, once" {
    local signal
    for signal in TERM INT HUP QUIT USR1 USR2 WINCH ALRM; do
        rm -f ready got
        # no job control: bash starts background jobs with INT and QUIT ignored, env undoes that
        env --default-signal="$signal" "$SOFTCLOSE" run -q sh -c "$trapper" trapper "$signal" \
            3>&- &
        local pid=$!
        wait_until test -e ready
        kill "-$signal" "$pid"
        ends_with "$pid" 9
        assert_equal "$(cat got)" "got $signal"
    done
}

@test "a value sent with sigqueue is passed on" {
    run -0 python3 - "$SOFTCLOSE" <<'PYTHON'
import ctypes, os, signal, subprocess, sys
program = r"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
print("ready", flush=True)
import ctypes
class Info(ctypes.Structure):
    _fields_ = [("signo", ctypes.c_int), ("errno", ctypes.c_int), ("code", ctypes.c_int),
                ("pad", ctypes.c_int), ("pid", ctypes.c_int), ("uid", ctypes.c_uint),
                ("value", ctypes.c_int), ("rest", ctypes.c_char * 100)]
info = Info()
libc = ctypes.CDLL(None)
mask = (ctypes.c_ulong * 16)(1 << (signal.SIGRTMIN - 1))
libc.sigwaitinfo(mask, ctypes.byref(info))
print(info.value, flush=True)
"""
child = subprocess.Popen([sys.argv[1], "run", "-q", sys.executable, "-c", program],
                         stdout=subprocess.PIPE, text=True)
assert child.stdout.readline() == "ready\n"
ctypes.CDLL(None).sigqueue(child.pid, int(signal.SIGRTMIN), ctypes.c_void_p(4242))
assert child.stdout.readline() == "4242\n"
assert child.wait() == 0
PYTHON
}

# Writes the name of each signal it gets to "got", a line each, until SIGTERM; with an argument it
# first sends that signal to its own process group that many times, each time after the one before.
counter='
import os, signal, sys
signals = [signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM]
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
got = open("got", "w", buffering=1)
open("ready", "w").write("ready\n")
times = int(sys.argv[1]) if len(sys.argv) > 1 else 0
while True:
    if times > 0:
        times -= 1
        os.kill(0, signal.SIGUSR2)
    number = signal.sigwaitinfo(signals).si_signo
    if number == signal.SIGTERM:
        sys.exit(6)
    print(signal.Signals(number).name, file=got)'

@test "a signal that the program sends to its own process group is not delivered twice" {
    # setsid: a process group of its own, with run and the program in it
    setsid "$SOFTCLOSE" run -q python3 -c "$counter" 20 3>&- &
    local pid=$!
    wait_until test -e ready
    wait_until has_lines 20 SIGUSR2 got
    # run takes its signals one after the other: when this one has come, every doubled one has, too
    kill -USR1 "$pid"
    wait_until grep -q SIGUSR1 got
    kill -TERM "$pid"
    ends_with "$pid" 6
    assert_equal "$(grep -c SIGUSR2 got)" 20
}

@test "^C at a terminal reaches the program once" {
    run -0 python3 - "$SOFTCLOSE" "$counter" <<'PYTHON'
import os, pty, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["softclose", "run", "-q", "python3", "-c", sys.argv[2]])
def wait_for(path, word, count):
    for _ in range(1200):
        if os.path.exists(path) and open(path).read().count(word) >= count:
            return
        time.sleep(0.05)
    sys.exit("waited in vain for " + path)
wait_for("ready", "ready", 1)
for times in range(1, 21):
    os.write(terminal, b"\x03")
    wait_for("got", "SIGINT", times)
os.kill(pid, signal.SIGUSR1)  # when it has come, every doubled one has, too
wait_for("got", "SIGUSR1", 1)
os.kill(pid, signal.SIGTERM)
status = os.waitpid(pid, 0)[1]
times = open("got").read().count("SIGINT")
sys.exit(0 if times == 20 and os.WEXITSTATUS(status) == 6 else "%d, status %x" % (times, status))
PYTHON
}

@test "run stops and goes on with the program" {
    # a process group of its own: SIGTSTP does nothing in an orphaned one, as CI's may be
    set -m
    "$SOFTCLOSE" run -q sh -c 'echo ready >ready; until test -e finished; do sleep 0.05; done' 3>&- &
    set +m
    local pid=$! program
    wait_until test -e ready
    program=$(child_of "$pid")
    kill -TSTP "$pid"
    wait_until is_state "$program" T
    wait_until is_state "$pid" T
    kill -CONT "$pid"
    wait_until is_state "$pid" S
    touch finished
    ends_with "$pid" 0
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

# --- environment and log ---

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

# --- what cannot be covered ---

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
    local su as_user=()
    su=$(command -v su)
    [[ -u $su ]] || skip "su is not setuid here"
    findmnt -n -o OPTIONS -T "$su" | grep -qw nosuid && skip "mounted nosuid"
    if [[ $EUID -eq 0 ]]; then
        run -0 "$SOFTCLOSE" run -q "$su" --version
        # nobody must reach the program: bats' folder is closed to others
        SHARED=$(mktemp -d)
        mkdir "$SHARED/tools" "$SHARED/shim" "$SHARED/work"
        cp "$SOFTCLOSE" "$SHARED/tools/"
        cp "$SOFTCLOSE_BUILD/shim/libsoftclose.so" "$SHARED/shim/"
        chmod 755 "$SHARED" "$SHARED"/*
        chmod 777 "$SHARED/work"
        cd "$SHARED/work"
        SOFTCLOSE="$SHARED/tools/softclose"
        as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    fi
    run -125 "${as_user[@]}" "$SOFTCLOSE" run "$su" --version
    assert_line --partial "cannot run $su: has other rights than its caller"
    assert_line --partial "what to do: start softclose as the user"
    # without new privileges the bit has no effect
    run -0 "${as_user[@]}" setpriv --no-new-privs "$SOFTCLOSE" run -q "$su" --version
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

# --- enforce ---

# start_server COUNT KEEP COMMAND...: early_answer.py under the command; sets `server`, `port`.
start_server()
{
    local count=$1 keep=$2
    shift 2
    rm -f port out go
    "$@" python3 "$DATA/early_answer.py" port "$count" ${keep:+"$keep"} >out 3>&- &
    server=$!
    wait_until test -e port
    port=$(cat port)
}

# start_clients COUNT: each writes what it got to a file of its own.
start_clients()
{
    local i
    clients=()
    for ((i = 0; i < $1; i++)); do
        python3 "$DATA/late_reader.py" "$port" go >"client.$i" 3>&- &
        clients+=($!)
    done
}

# Sets `output`, as run does.
end_clients()
{
    touch go
    wait "${clients[@]}"
    output=$(sort client.* | uniq -c | sed 's/^ *//')
    rm client.*
}

@test "--enforce: a server whose answers are natively reset delivers them whole" {
    start_server 5 "" env
    start_clients 5
    wait_until grep -q closed out
    end_clients
    assert_output --regexp '^([0-9]+ [0-9]{1,5} reset)'
    refute_output --partial "end of file"
    ends_with "$server" 0

    start_server 5 "" "$SOFTCLOSE" run -q --enforce --log log
    start_clients 5
    wait_until grep -q closed out
    end_clients
    assert_output "5 100000 end of file"
    ends_with "$server" 0
    run -0 jq -r 'select(.event == "close" and .outcome == "reset") | "\(.cause) \(.action)"' log
    assert_equal "$(sort <<<"$output" | uniq -c | sed 's/^ *//')" "5 unread drain-background"
    assert_equal "$(jq -r 'select(.event == "drain") | .result' log | grep -c .)" 5
}

@test "--enforce: the exit status stays what it is" {
    run -42 "$SOFTCLOSE" run -q --enforce sh -c 'perl "$0" && exit 42' "$DATA/reset_self.pl"
    run -0 "$SOFTCLOSE" run -q --enforce perl "$DATA/reset_self.pl" linger
    run -143 bash -c 'set +m; "$0" run -q --enforce sh -c "kill -TERM \$\$"; exit $?' "$SOFTCLOSE"
    run -127 "$SOFTCLOSE" run -q --enforce no-such-program
}

@test "--enforce with close.on_signal: a program that dies of the signal delivers, and dies of it" {
    local key
    for key in close.on_signal=TERM log.sites=8; do
        start_server 3 keep "$SOFTCLOSE" run -q --enforce --set "$key" --log "$key.log"
        start_clients 3
        wait_until grep -q ready out
        kill -TERM "$server"
        ends_with "$server" 143
        end_clients
        if [[ $key == close.on_signal* ]]; then
            assert_output "3 100000 end of file"
        else
            assert_output --partial "reset"
            refute_output --partial "end of file"
        fi
    done
}

@test "--enforce --report tells what was repaired" {
    run -0 --separate-stderr "$SOFTCLOSE" run --enforce --report perl "$DATA/reset_self.pl" linger
    assert_output ""
    assert_regex "$stderr" 'enforce: the policy was applied'
    assert_regex "$stderr" 'WHAT ENFORCE DID'
    assert_regex "$stderr" 'Repaired: 2 of 2 resets\.'
    assert_regex "$stderr" '1 +1 +close +drain-background'
    assert_regex "$stderr" 'SO_LINGER +linger-off'
    assert_regex "$stderr" 'DRAINS'
}

@test "--fail-on counts only what --enforce has not repaired" {
    local program=(perl "$DATA/reset_self.pl" linger)
    local all=(--fail-on reset --fail-on unread --fail-on linger-zero --fail-on exposed)
    run -3 "$SOFTCLOSE" run -q "${all[@]}" "${program[@]}"
    run -0 "$SOFTCLOSE" run -q --enforce "${all[@]}" "${program[@]}"
    assert_output ""
    run -3 "$SOFTCLOSE" run -q --enforce --set linger.zero=allow "${all[@]}" "${program[@]}"
    assert_output "softclose: reset: 1 close, more than 0 (--fail-on)
softclose: linger-zero: 1 close, more than 0 (--fail-on)"
    run -3 "$SOFTCLOSE" run -q --enforce --set close.half_close=never --fail-on 'unread>0' \
        "${program[@]}"
    assert_output "softclose: unread: 1 close, more than 0 (--fail-on)"
    run -0 "$SOFTCLOSE" run -q --enforce --set linger.zero=allow --fail-on 'reset>1' "${program[@]}"
}

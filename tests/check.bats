#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# softclose check: what is valid, what is not and why, and that what it prints can be read again.

# shellcheck disable=SC2154 # stderr and lines are set by run
bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

# check's errors for a policy given on standard input; status 2, nothing on stdout.
refused()
{
    cat >p.ini
    run -2 --separate-stderr "$SOFTCLOSE" check p.ini
    assert_equal "$output" ""
    assert_equal "${#stderr_lines[@]}" "$1"
}

# Without comments, which name lines that have moved.
bare()
{
    sed 's/  ; .*//' "$1"
}

@test "without a file it prints the built-in policy, which is valid and means the same" {
    run -0 --separate-stderr "$SOFTCLOSE" check
    assert_equal "$stderr" ""
    assert_line '; drain_idle = 5s  ; built-in, role connected: 1s'
    assert_line '; events = changes  ; built-in, mode audit: all'
    assert_equal "$(grep -c '; built-in' <<<"$output")" 14
    "$SOFTCLOSE" check >copy.ini
    "$SOFTCLOSE" check copy.ini >again.ini
    diff copy.ini again.ini
    # with every value uncommented it is a policy of the same values
    sed 's/^; //; s/  ; .*//' copy.ini >values.ini
    "$SOFTCLOSE" check values.ini >set.ini
    diff <(bare set.ini) values.ini
    "$SOFTCLOSE" check --audit >audit.ini
    run -1 diff copy.ini audit.ini
    assert_line --partial '; events = all  ; built-in'
}

@test "each value names its line; keys set over the file replace what it says" {
    printf '[close]\n\ndrain = block\n[rule a]\nrole = connected\nlinger.zero = allow\n' >p.ini
    run -0 "$SOFTCLOSE" check p.ini
    assert_line 'drain = block  ; [close] line 3'
    assert_line '[rule a]  ; line 4'
    run -0 "$SOFTCLOSE" check --set close.drain=inline p.ini --set linger.zero=log
    assert_line 'drain = inline  ; --set'
    assert_line 'zero = log  ; --set'
    refute_output --partial 'rule a'
    run -0 "$SOFTCLOSE" check -q p.ini
    assert_output ""
    diff <("$SOFTCLOSE" check p.ini) <("$SOFTCLOSE" check --policy=p.ini)
    # shellcheck disable=SC2094 # only read
    run -0 "$SOFTCLOSE" check - <p.ini
    assert_line 'drain = block  ; [close] line 3'
    run -0 "$SOFTCLOSE" check <(cat p.ini)
    assert_line 'drain = block  ; [close] line 3'
}

@test "every error is named, with line, what was found, what is allowed, the nearest name" {
    refused 6 <<'INI'
[close]
drian = block
drain_idle = 5
[rule one]
prgram = x
log.sites = 1
[rule two]
role = any
[sutdown]
[rule three]
peer = 10.0.0.256
log.sites = 3
INI
    assert_regex "${stderr_lines[0]}" '^p\.ini:2: unknown key `drian`; did you mean `drain`\? allowed'
    assert_regex "${stderr_lines[1]}" '^p\.ini:3: `5` is no value of `close.drain_idle`; allowed: 1ms'
    assert_regex "${stderr_lines[2]}" '^p\.ini:5: unknown key `prgram`; did you mean `program`\?'
    assert_regex "${stderr_lines[3]}" '^p\.ini:9: unknown section \[sutdown\]; did you mean `shutdown`'
    assert_regex "${stderr_lines[4]}" '^p\.ini:11: `10.0.0.256` is no value of `peer`'
    assert_regex "${stderr_lines[5]}" '^p\.ini:7: rule `two` sets no key'
}

@test "a rule that can never apply is named with the one that covers it" {
    refused 1 <<'INI'
[rule all]
peer = 10.0.0.0/8
close.drain = none
[rule some]
peer = 10.1.2.3:443
close.drain = block
INI
    assert_regex "$stderr" '^p\.ini:4: rule `some` can never apply: rule `all` \(line 1\) comes first'
}

@test "rules that cover one together are found, too" {
    refused 1 <<'INI'
[rule low]
peer = 10.0.0.0/9
close.drain = none
[rule high]
peer = 10.128.0.0/9, ::1
close.drain = inline
[rule all]
peer = 10.0.0.0/8:443
close.drain = block
INI
    assert_regex "$stderr" '^p\.ini:7: rule `all` can never apply: the rules before it match at least as much together'
}

@test "what --set leaves of the rules is a valid policy" {
    printf '[rule a]\nprogram=x\nlog.sites=1\n[rule b]\nprogram=x\nlog.sites=2\nlinger.zero=allow\n' >p.ini
    "$SOFTCLOSE" check --set linger.zero=log p.ini >left.ini
    run -0 "$SOFTCLOSE" check -q left.ini
    assert_output ""
    run -0 grep -c '^\[rule' left.ini
    assert_output 1
}

@test "errors of the file and of --set are named together; the version of a policy is no key" {
    printf 'version = 9\n[close]\ndrain = blok\n' >p.ini
    run -2 --separate-stderr "$SOFTCLOSE" check --set close.drain=blck p.ini
    assert_equal "${#stderr_lines[@]}" 3
    assert_regex "$stderr" 'p\.ini:1: `version` stands before any section; allowed: close, linger'
    assert_regex "$stderr" '--set: `blck` is no value of `close.drain`; did you mean `block`\?'
}

@test "what is no policy: absent, a directory, unreadable, binary, endless, enormous" {
    run -2 "$SOFTCLOSE" check absent.ini
    assert_output "absent.ini: cannot read the policy: No such file or directory"
    run -2 "$SOFTCLOSE" check .
    assert_output ".: cannot read the policy: it is a directory"
    run -2 "$SOFTCLOSE" check "$SOFTCLOSE"
    assert_regex "$output" ':1: not a text file: it holds a NUL byte$'
    run -2 timeout 20 "$SOFTCLOSE" check /dev/zero
    assert_output "/dev/zero: cannot read the policy: it is larger than 16 MiB"
    head -c 17000000 /dev/zero | tr '\0' 'x' >endless.ini
    run -2 "$SOFTCLOSE" check endless.ini
    assert_output "endless.ini: cannot read the policy: it is larger than 16 MiB"
    head -c 16000000 endless.ini >long.ini
    run -2 "$SOFTCLOSE" check long.ini
    assert_output --partial 'long.ini:1: the line is 16000000 bytes long'
    printf '\376\377\0[' >utf16.ini
    run -2 "$SOFTCLOSE" check utf16.ini
    assert_output "utf16.ini:1: not a text file: it holds a NUL byte"
    if [[ $EUID -eq 0 ]]; then
        printf '' >closed.ini
        chmod 0 closed.ini
        chmod 755 .
        run -2 setpriv --reuid 65534 --clear-groups "$SOFTCLOSE" check closed.ini
        output=$(grep -v '^profiling:' <<<"$output") # of gcov, which may not write there
        assert_output "closed.ini: cannot read the policy: Permission denied"
    fi
}

@test "CRLF, a byte order mark and a missing last newline are read" {
    printf '\357\273\277[close]\r\ndrain = block\r\n[rule a]\r\nrole = any,\r\n  accepted\r\nlog.sites = 1' >p.ini
    run -0 "$SOFTCLOSE" check p.ini
    assert_line 'drain = block  ; [close] line 2'
    assert_line 'role = any'
}

# memory KIB: as a limit; AddressSanitizer reserves terabytes.
memory()
{
    nm -D "$SOFTCLOSE_LIB" | grep -q __asan_init && echo unlimited || echo "$1"
}

@test "100,000 rules are one clear error, in bounded memory and time" {
    awk 'BEGIN { for (n = 0; n < 100000; n++)
        printf "[rule r%d]\nprogram = p%d\npeer = 10.%d.%d.0/24:80-90\nlog.sites = 1\n", n, n, n / 256 % 256, n % 256 }' >many.ini
    # /usr/bin/time is not installed everywhere: the limit is the measure
    run -2 bash -c 'ulimit -v $0; exec timeout 20 "$1" check many.ini' "$(memory 100000)" "$SOFTCLOSE"
    assert_output "many.ini:4001: too many rules: at most 1000 are allowed"
    head -n 4000 many.ini >most.ini
    run -0 bash -c 'ulimit -v $0; exec timeout 20 "$1" check -q most.ini' "$(memory 100000)" "$SOFTCLOSE"
}

# instructions FILE: that check needs for it, and what it wrote: every error is a line of its own.
instructions()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$SOFTCLOSE" check "$1" >/dev/null 2>out ||
        true
    sed -n 's/.*Collected : //p' out
}

# junk KIND SIZE: so many bytes of it
junk()
{
    case $1 in
    lines) yes a ;;
    keys) echo '[close]'; yes 'dra=' ;;
    rules) yes '[rule a]' ;;
    sections) yes '[clos]' ;;
    values) printf '[rule a]\nlog.sites=1\npeer='; yes x, | tr -d '\n' ;;
    bytes) yes $'\001' ;;
    random) yes 'x=[a];:,b [c] d=e' ;;
    esac 2>/dev/null | head -c "$2"
}

@test "junk costs what it is long: ten times as much, ten times the instructions, in 16 MiB as well" {
    skip_under_coverage "it writes its files with write(2), too"
    command -v valgrind >/dev/null || skip "no valgrind"
    local kind few many
    for kind in lines keys rules sections values bytes random; do
        junk $kind 2000 >few.ini
        junk $kind 20000 >many.ini
        few=$(instructions few.ini)
        many=$(instructions many.ini)
        echo "# check: junk of $kind: $((few / 2)) instructions a 1,000 bytes, then $(((many - few) / 18))" >&3
        assert [ "$((many - few))" -le $((12 * few)) ]
        assert [ "$(((many - few) / 18000))" -le 6000 ] # a byte
        # Errors are not written one character at a time.
        run bash -c 'strace -f -e trace=write -o calls "$1" check many.ini >/dev/null 2>errors' - "$SOFTCLOSE"
        assert [ "$(wc -l <calls)" -le $(($(stat -c %s errors) / 4096 + 3)) ]
    done
    junk keys 16777216 >most.ini
    run -2 bash -c 'set -o pipefail; ulimit -v $0; "$1" check most.ini 2>&1 | tail -n 1' \
        "$(memory 100000)" "$SOFTCLOSE"
    assert_equal "$output" "most.ini:3355443: expected \`key = value\`, \`[section]\` or a comment"
}

@test "peers may stand on one long line" {
    { printf '[rule peers]\nclose.drain = none\npeer = '
      seq -s ', ' -f '10.1.%g.0/24' 0 255; } >p.ini
    run -0 "$SOFTCLOSE" check p.ini
    assert_output --partial '10.1.255.0/24'
    bare <("$SOFTCLOSE" check p.ini) >one
    "$SOFTCLOSE" check p.ini >again.ini
    bare <("$SOFTCLOSE" check again.ini) >two
    diff one two
}

@test "a file that others may write is warned of by check and run, and noted by the library" {
    printf '[close]\ndrain = block\n' >p.ini
    chmod 666 p.ini
    run -0 --separate-stderr "$SOFTCLOSE" check -q p.ini
    assert_equal "$stderr" \
        "softclose: warning: the policy p.ini can be written by others than its owner and root (chmod go-w)"
    : >log
    chmod 620 log
    run -0 --separate-stderr "$SOFTCLOSE" run -q --policy p.ini --log log true
    assert_equal "${#stderr_lines[@]}" 2
    assert_regex "$stderr" 'warning: the policy p\.ini can be written'
    assert_regex "$stderr" 'warning: the log log can be written'
    assert_equal "$(jq -r 'select(.event == "note") | .code + " " + .path' log)" \
        "policy-writable $PWD/p.ini
log-writable $PWD/log"
    chmod 644 p.ini
    chmod 600 log
    : >log
    run -0 --separate-stderr "$SOFTCLOSE" run -q --policy p.ini --log log true
    assert_equal "$stderr" ""
    assert_equal "$(jq -r 'select(.event == "note") | .code' log)" ""
}

@test "run refuses a bad policy before the program starts, from an option or from the environment" {
    printf '[close]\ndrain = sideways\n' >bad.ini
    run -125 --separate-stderr "$SOFTCLOSE" run --policy bad.ini touch started
    assert_regex "$stderr" '^softclose: bad\.ini:2: `sideways` is no value'
    run -125 --separate-stderr env SOFTCLOSE_POLICY=bad.ini "$SOFTCLOSE" run touch started
    assert_regex "$stderr" '^softclose: bad\.ini:2: '
    run -125 --separate-stderr env SOFTCLOSE_SET=close.drian=block "$SOFTCLOSE" run touch started
    assert_regex "$stderr" '^softclose: SOFTCLOSE_SET: unknown key `close.drian`; did you mean `close.drain`'
    run -125 --separate-stderr "$SOFTCLOSE" run --policy <(echo) touch started
    assert_regex "$stderr" 'cannot read the policy: it is no regular file'
    mkfifo pipe.ini
    run -125 --separate-stderr timeout 20 "$SOFTCLOSE" run --policy pipe.ini touch started
    assert_regex "$stderr" 'pipe\.ini: cannot read the policy: it is no regular file'
    assert_not_exists started
}

@test "bad usage ends with 2 and says what to do" {
    local bad
    for bad in "--frobnicate" "--set=x" "--set==x" "--set" "--color=pink" "--polizy=x"; do
        run -2 --separate-stderr "$SOFTCLOSE" check "$bad"
        assert_regex "$stderr" "Try 'softclose check --help'"
        assert_equal "$output" ""
    done
    printf '' >p.ini
    run -2 --separate-stderr "$SOFTCLOSE" check p.ini p.ini
    assert_regex "$stderr" "one POLICY at a time, not also 'p.ini'"
    run -2 "$SOFTCLOSE" check --policy p.ini p.ini
    assert_line --partial 'one POLICY at a time'
    run -2 --separate-stderr bash -c '"$1" check >/dev/full' - "$SOFTCLOSE"
    assert_regex "$stderr" 'cannot write the policy: No space left on device'
    run -0 "$SOFTCLOSE" check --help
    assert_line --partial 'Usage: softclose check'
    run -0 "$SOFTCLOSE" check --version
    assert_regex "$output" '^softclose [0-9.]+$'
}

@test "a hostile file name or value does not reach the terminal" {
    local name=$'a\033[2J.ini'
    printf '[close]\ndrain = \302\2331;31m\n' >"$name"
    run -2 "$SOFTCLOSE" check "$name"
    refute_output --partial $'\033'
    refute_output --partial $'\302\233'
    run -0 "$SOFTCLOSE" check --color=always
    assert_output --partial $'\033[1m[close]'
}

# Rules that cover each other are errors, so a few generated policies are not valid: they must be
# refused for that reason only.
@test "generated policies: what check prints is read back as the same policy" {
    local seed=${SOFTCLOSE_TEST_SEED:-$RANDOM} count=${SOFTCLOSE_TEST_POLICIES:-50} n valid=0
    echo "# round trip: SOFTCLOSE_TEST_SEED=$seed" >&3
    python3 "$DATA/generate_policy.py" "$seed" "$count" .
    for ((n = 0; n < count; n++)); do
        if ! "$SOFTCLOSE" check $n.ini >b.ini 2>errors; then
            run ! grep -vE 'can never (apply|match)' errors
            continue
        fi
        "$SOFTCLOSE" check b.ini >c.ini
        diff <(bare b.ini) <(bare c.ini)
        # and it means the same for 100 connections: every value, and what is decided
        "$SOFTCLOSE" explain -q --policy $n.ini --event @events.jsonl | sed -E 's/[^ ]*\.ini:[0-9]+//' >one
        "$SOFTCLOSE" explain -q --policy b.ini --event @events.jsonl | sed -E 's/[^ ]*\.ini:[0-9]+//' >two
        diff one two
        assert_equal "$(grep -c '^action' one)" 100
        valid=$((valid + 1))
    done
    echo "# round trip: $valid of $count generated policies valid, each compared for 100 connections" >&3
    assert [ "$valid" -ge $((count * 4 / 5)) ]
}

@test "the library alone: one line and the program untouched, or with SOFTCLOSE_STRICT=1 status 125" {
    awk 'BEGIN { for (n = 0; n < 100000; n++) printf "[rule r%d]\npeer = :%d\nlog.sites = 1\n", n, n % 65536 + 1 }' >many.ini
    printf '[rule a]\npeer = 10.0.0.0/8\nlog.sites = 1\n[rule b]\npeer = 10.1.0.0/16\nlog.sites = 2\n' >covered.ini
    printf '\377\376[\0c\0' >utf16.ini
    mkfifo pipe.ini
    local file expected
    while read -r file expected; do
        run -0 --separate-stderr bash -c 'ulimit -v $0; exec timeout 60 env "$@"' "$(memory 60000)" \
            LD_PRELOAD="$SOFTCLOSE_LIB" SOFTCLOSE=enforce SOFTCLOSE_LOG=none \
            SOFTCLOSE_POLICY="$file" /bin/echo ran
        assert_equal "$output" "ran"
        assert_regex "$stderr" "softclose: .*$expected.*; the program runs without softclose"
        assert_equal "${#stderr_lines[@]}" 1
        run -125 --separate-stderr env LD_PRELOAD="$SOFTCLOSE_LIB" SOFTCLOSE=enforce \
            SOFTCLOSE_LOG=none SOFTCLOSE_STRICT=1 SOFTCLOSE_POLICY=$file /bin/echo ran
        assert_equal "$output" ""
        assert_regex "$stderr" "softclose: .*$expected.*SOFTCLOSE_STRICT=1"
    done <<'ROWS'
many.ini many.ini:3001: too many rules: at most 1000 are allowed
covered.ini covered.ini:4: rule `b` can never apply
utf16.ini utf16.ini:1: not a text file
pipe.ini no regular file
ROWS
}

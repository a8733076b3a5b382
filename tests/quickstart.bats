#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tools/quickstart from beginning to end, and the installing that it shares with tests/run.
# shellcheck disable=SC2016 # single quotes are for inner shells

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
    PROJECT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
}

@test "quickstart builds, shows the loss, ends with the report, leaves nothing running" {
    local before after
    before=$(pgrep -x socat | sort || :)
    SECONDS=0
    # into a file: a process left running would hold a pipe open, and the test with it
    timeout 600 "$PROJECT/tools/quickstart" >shown 2>&1 3>&- || {
        cat shown
        false
    }
    echo "took $SECONDS s"
    assert [ "$SECONDS" -lt 180 ]
    run -0 cat shown
    assert_line --regexp '^softclose [0-9.]+$'
    # three times natively, three times under audit: never the whole file
    assert_equal "$(grep -c 'of 2097152 bytes: curl: (' <<<"$output")" 6
    # three times under enforce: always
    assert_equal "$(grep -c ' 2097152 of 2097152 bytes: whole$' <<<"$output")" 3
    # Each is told as a reset, or, when the request comes only after the close, as exposed to one.
    run awk '/ reset +unread$| exposed +peer-open$/ && !over { sum += $1 } /WHAT --enforce/ { over = 1 }
        END { print sum }' shown
    assert_output 3
    run -0 cat shown
    assert_line --regexp '^  Would be repaired by --enforce: ([0-3]) of \1 resets?'
    # some of the three may have been read empty by the drain of their SHUT_RDWR already
    assert_line --regexp '^  Repaired: ([0-9]) of \1 (reset|exposed)'
    assert_line --regexp '^PROGRAMS: 1 of 1$'
    after=$(pgrep -x socat | sort || :)
    assert_equal "$after" "$before"
}

@test "quickstart tells what it does, and refuses arguments" {
    run -0 "$PROJECT/tools/quickstart" --help
    assert_line "Usage: tools/quickstart"
    run -1 "$PROJECT/tools/quickstart" nonsense
}

# A Debian in which nothing is installed but what "have" lists.
pretend()
{
    mkdir -p bin
    cat >bin/dpkg-query <<'SHELL'
#!/bin/sh
for package; do :; done
grep -qx "$package" have && echo installed
SHELL
    cat >bin/apt-get <<'SHELL'
#!/bin/sh
echo "$@" >>called
case "$*" in
*update*) touch updated ;;
*install*) test -e updated ;;
esac
SHELL
    printf '#!/bin/sh\nexec "$@"\n' >bin/sudo
    chmod +x bin/*
    echo gcc >have
}

@test "only what is missing is installed, and said" {
    pretend
    touch updated
    PATH="$PWD/bin:$PATH" run -0 bash -c 'source "$0"; install_missing "to test" gcc curl jq' \
        "$PROJECT/tools/dependencies.sh"
    assert_output "Installing to test: curl jq"
    run -0 cat called
    assert_output --regexp ' install --no-install-recommends curl jq$'
    rm called
    PATH="$PWD/bin:$PATH" run -0 bash -c 'source "$0"; install_missing "to test" gcc' \
        "$PROJECT/tools/dependencies.sh"
    assert_output ""
    assert_not_exists called
}

@test "absent package lists are fetched first" {
    pretend
    PATH="$PWD/bin:$PATH" run -0 bash -c 'source "$0"; install_missing "to test" curl' \
        "$PROJECT/tools/dependencies.sh"
    assert_line "Fetching the package lists first"
    assert_equal "$(grep -c install called)" 2
}

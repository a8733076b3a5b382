#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The smoke form of tests/bench: what softclose adds, in instructions, system calls and memory, which
# are the same in every run, and never in time. The limits are ratchets: what is reached today may not rise;
# who lowers a figure lowers its limit.

setup() {
    load helpers
    setup_interposition
    skip_if_instrumented
    SOFTCLOSE_BUILD="${P%/tests/interposition}" SOFTCLOSE_LIB="$LIBRARY" \
        run "$SOURCE/tests/bench/counts"
    skip_if_it_cannot_run
    assert_success
    counts=$output
}

# value_of WHAT WHERE: that figure of tests/bench/counts.
value_of() {
    awk -F'|' -v what="$1" -v where="$2" '$1 == what && $2 == where { print $3 }' <<<"$counts"
}

# assert_at_most LIMIT WHAT WHERE
assert_at_most() {
    local value
    value=$(value_of "$2" "$3")
    figure "$2, $3: $value (at most $1)"
    assert awk -v value="$value" -v limit="$1" \
        'BEGIN { exit !(value ~ /^-?[0-9.]+$/ && value + 0 <= limit) }'
}

@test "what softclose adds to a close, to a connection and to a fork" {
    # More than through a wrapper that does nothing. The lines of the log that end the run make it
    # differ by less than one.
    assert_at_most 12 "instructions added to a close" audit
    # Socket to close, both ends, with only resets logged.
    assert_at_most 6250 "instructions added to a connection" audit
    # open() and close(), nothing else.
    assert_at_most 2 "system calls of a close" native
    assert_at_most 2 "system calls of a close" audit
    assert_at_most 2 "system calls of a close" enforce
    # Both ends: socket, connect, accept, two sends, two answers, two closes and a read of the end.
    assert_at_most 10 "system calls of a connection" native
    assert_at_most 38 "system calls of a connection" audit
    # Before a connection is touched: has the process other threads, which may be inside a call on it?
    assert_at_most 38 "system calls of a connection" enforce
    # Ids by descriptor, and the table; with the library's own pages, of which 3 MiB may be taken.
    assert_at_most 176 "bytes of an open socket" audit
    assert_at_most 3072 "KiB added with 10,000 sockets" audit
    assert_at_most 128 "bytes of a draining connection" enforce
    # The same however many sockets are open.
    local mode few
    for mode in audit enforce; do
        assert_at_most 2 "system calls of a fork" "native, 1000 sockets"
        assert_at_most 3 "system calls of a fork" "$mode, 1000 sockets"
        assert_at_most 1700 "instructions added to a fork" "$mode, 10 sockets"
        few=$(value_of "instructions added to a fork" "$mode, 10 sockets")
        # Means of a few forks: some differ by an instruction or two.
        assert_at_most "$(awk -v few="$few" 'BEGIN { print few + 2 }')" \
            "instructions added to a fork" "$mode, 1000 sockets"
    done
    # A child that ends with all that its parent goes on using, nothing of which is to be told.
    assert_at_most 22 "system calls of a child's end" "enforce, 10 sockets"
    assert_at_most 22 "system calls of a child's end" "enforce, 1000 sockets"
    # Matched at the first close of a connection, and kept with it: then 1,000 rules cost what one
    # costs.
    assert_at_most 1100 "instructions of a decision" "first, rules: 1"
    assert_at_most 300 "instructions of a decision" "again, rules: 1"
    assert_at_most 140000 "instructions of a decision" "first, rules: 1000"
    assert_at_most 300 "instructions of a decision" "again, rules: 1000"
}

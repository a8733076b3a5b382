#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Nothing changes: every cell of the matrix natively and under audit. The peer receives the same
# bytes and sees the same end, the kernel sends the same resets for the same reasons and counts
# them alike, the program gets the same return values and errno and ends with the same status.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    oracle="$SOFTCLOSE_BUILD/tests/oracle"
}

# A library that changes one thing; its C source is read from standard input.
changing() {
    gcc -shared -fPIC -D_GNU_SOURCE -x c - -o "$BATS_TEST_TMPDIR/changing.so"
    SOFTCLOSE_LIB="$BATS_TEST_TMPDIR/changing.so" run "$oracle/matrix" --unchanged \
        --only 'late-fin-acked/tcp4/exit'
    skip_if_it_cannot_run
}

@test "audit changes nothing that the program or its peer can see" {
    run "$oracle/matrix" --unchanged
    skip_if_it_cannot_run
    echo "# ${lines[-1]}" >&3
    assert_success
}

@test "a library that prints something is found out" {
    changing <<'END'
#include <unistd.h>
__attribute__((constructor)) static void start(void) { (void)!write(2, "hello\n", 6); }
END
    assert_failure 1
    assert_line --partial "1 compared, 1 differing"
    assert_line --partial "stderr natively"
}

@test "a library that takes the lowest descriptor is found out" {
    changing <<'END'
#include <unistd.h>
__attribute__((constructor)) static void start(void) { (void)!dup(2); }
END
    assert_failure 1
    assert_line --partial "printed natively"
}

@test "a library that resets connections is found out" {
    changing <<'END'
#include <sys/socket.h>
#include <dlfcn.h>
int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    const struct linger linger = {1, 0};
    int (*next)(int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "accept");
    int accepted = next(fd, address, length);
    setsockopt(accepted, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    return accepted;
}
END
    assert_failure 1
    assert_line --partial "1 compared, 1 differing"
}

@test "a library that changes the exit status is found out" {
    changing <<'END'
#include <unistd.h>
__attribute__((destructor)) static void end(void) { _exit(9); }
END
    assert_failure 1
    assert_line --partial "wait status"
}

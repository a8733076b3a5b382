#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Random programs natively, under audit and under enforce: see tests/stress.

setup() {
    load helpers
    bats_load_library bats-support
    bats_load_library bats-assert
    : "${SOFTCLOSE_BUILD:?the build folder}" "${SOFTCLOSE_LIB:?libsoftclose.so}"
    random="$SOFTCLOSE_BUILD/tests/stress/random"
    asan_first # the programs jump and cancel
    SOFTCLOSE_LIB=$LIBRARY
    programs="${SOFTCLOSE_SOURCE:-$BATS_TEST_DIRNAME/..}/tests/stress/programs"
}

figures() {
    printf '# %s\n' "${lines[@]}" | grep -E '^# (enforce:|  exempt|seed |FOUND)' >&3
}

# broken OPTION...: random with a library in front of softclose's that spoils something; its C
# source is read from standard input.
broken() {
    gcc -shared -fPIC -D_GNU_SOURCE -x c - -o "$BATS_TEST_TMPDIR/broken.so"
    SOFTCLOSE_LIB="$BATS_TEST_TMPDIR/broken.so:$SOFTCLOSE_LIB" \
        run "$random" --seed 1 --programs 400 --jobs 1 "$@"
    skip_if_it_cannot_run
}

# found FAILURE MOST: as that, and shrunk to MOST operations at most.
found() {
    local small
    assert_failure 1
    assert_line --regexp "^FOUND seed [0-9]+: $1"
    small=$(sed -n 's/^smallest program found: \([0-9]*\) of.*/\1/p' <<<"$output" | sort -n | head -1)
    echo "# $(grep -m1 FOUND <<<"$output"), shrunk to $small operations" >&3
    assert [ "$small" -le "$2" ]
}

@test "programs of fixed seeds" {
    run "$random" --seed 1 --programs 100 --seconds 15 --jobs 4
    skip_if_it_cannot_run
    figures
    assert_success
}

@test "programs of fresh seeds" {
    run "$random" --programs 100 --seconds 15 --jobs 4
    skip_if_it_cannot_run
    figures
    assert_success
}

@test "programs that failed once" {
    for program in "$programs"/*.txt; do
        run "$random" --program "$program"
        skip_if_it_cannot_run
        assert_success
    done
}

@test "a clobbered errno is found" {
    broken --mode audit <<'END'
#include <dlfcn.h>
#include <errno.h>
int close(int fd)
{
    int result = ((int (*)(int))dlsym(RTLD_NEXT, "close"))(fd);
    if (result == 0)
        errno = 0;
    return result;
}
END
    found "audit differs" 2
}

@test "a linger that does not read back as set is found" {
    broken --mode enforce --seed 30 <<'END'
#include <dlfcn.h>
#include <sys/socket.h>
int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    static int (*libc)(int, int, int, void *, socklen_t *);
    if (!libc)
        libc = dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "getsockopt");
    return libc(fd, level, name, value, length);
}
END
    found "enforce returns something else" 3
}

@test "a road that is not drained is found" {
    broken --mode enforce --seed 30 <<'END'
#include <dlfcn.h>
int dup3(int from, int to, int flags)
{
    static int (*libc)(int, int, int);
    if (!libc)
        libc = dlsym(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD), "dup3");
    return libc(from, to, flags);
}
END
    found "enforce (lost bytes or EOF|let a reset out)" 6
}

#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The library as the dynamic loader and its neighbours see it: what it exports, what it imports,
# and other libraries that stand in the same places.

setup()
{
    load helpers
    setup_interposition
}

# The functions that shim/entry defines for others, so that the list cannot drift.
entry_points()
{
    # SPAWN_NAME(name) stands for the newest version of a function that has several.
    sed -nE 's/SPAWN_NAME\(([a-z_]+)\)/\1/; s/^EXPORT [^(]*[ *]([A-Za-z_0-9]+)\(.*/\1/p' \
        "$SOURCE"/shim/entry/*.c | sort
}

# Every road to a closed socket, every way to get one, what else a close depends on, and ends; then
# the same functions by the other names that libc gives them.
listed='
close close_range closefrom dup dup2 dup3 fcntl fclose freopen shutdown setsockopt getsockopt
socket socketpair accept accept4 connect recvmsg recvmmsg sendmsg sendmmsg epoll_create epoll_create1
posix_spawn posix_spawnp popen system execl execle execlp execv execve execvp execvpe execveat fexecve
fork _Fork daemon clone unshare setns exit _exit _Exit __cxa_at_quick_exit sigaction signal prctl syscall
fcntl64 freopen64 sysv_signal __sysv_signal bsd_signal ssignal sigset
'

@test "exported are exactly the entry points" {
    skip_if_instrumented
    # Without the names of versions, and the assembler's own names for functions that have several.
    nm -D --defined-only "$LIBRARY" |
        awk '$2 != "A" { sub(/@.*/, "", $3); sub(/^(new|old)_/, "", $3); print $3 }' | sort -u >exported
    entry_points | sort -u | diff exported -
    figure "$(wc -l <exported) symbols exported"
    # The list itself, written out: nothing is exported that nobody has thought about.
    tr -s ' \n' '\n' <<<"$listed" | sed '/^$/d' | sort -u | diff exported -
    # vfork() cannot be wrapped, and quick_exit() runs handlers.
    run grep -xE 'vfork|quick_exit|abort|malloc|free' exported
    assert_output ""
}

# Imported names, and why. What follows is never called, or only before main: see the next test.
imports='
__errno_location strlen strnlen strcmp strncmp strchr strrchr strcspn strspn strstr memchr
memcmp memcpy memmove mempcpy memset stpcpy __ctype_b_loc : text, no state
strerrorname_np strerrordesc_np sigabbrev_np sigaddset sigemptyset sigfillset : tables, no state
clock_gettime time : vDSO
dlsym dlvsym dladdr dladdr1 dl_iterate_phdr getenv getauxval __environ environ : at the start
mmap inet_pton snprintf vsnprintf __snprintf_chk __vsnprintf_chk : reading the policy, at the start
__register_atfork __cxa_atexit __cxa_finalize : handlers, registered at the start
_r_debug : the list of modules, only read
__libc_single_threaded : only read
_dl_find_object : the unwinder, without a lock
fileno fflush : of the stream that the program closes
_IO_iter_begin _IO_iter_end _IO_iter_next _IO_iter_file _IO_list_lock _IO_list_unlock : at the end
__fpending fflush_unlocked ftrylockfile funlockfile : of its streams, without waiting
pthread_testcancel pthread_setcancelstate : close() is a cancellation point
__stack_chk_fail __memcpy_chk __read_chk abort : never, unless something is broken already
fopen64 fgets open fstat lseek __fgets_chk : in inih and libmd, functions that nobody calls
pthread_once : in libgcc, at the first walk of the stack: at the start (sites_start)
malloc realloc calloc free pthread_mutex_lock pthread_mutex_unlock __pthread_key_create : in libgcc, for unwind tables registered at run time: there are none
'

@test "every import has a reason" {
    skip_if_instrumented
    nm -D --undefined-only "$LIBRARY" | awk '{ sub(/@.*/, "", $2); print $2 }' |
        grep -vxE '_ITM_.*|__gmon_start__' | sort -u >imported
    awk -F' : ' 'NF { print $1 }' <<<"$imports" | tr ' ' '\n' | sort -u >known
    run comm -23 imported known
    assert_output ""
    figure "$(wc -l <imported) symbols imported, each for a reason"
}

@test "no allocator, stdio, lock or loader once the program runs" {
    skip_if_instrumented
    run env LD_PRELOAD="$LIBRARY $P/guard.so" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" "$P/costs"
    assert_success
    resets=$(events 'map(select(.outcome == "reset" and (.site | length) > 1)) | length')
    figure "$(events 'map(select(.event == "close")) | length') closes, $resets of them unwound: none of malloc, stdio, mutex, dl_iterate_phdr, dladdr"
    [ "$resets" -gt 50 ]
}

@test "needs libc only, is bound at the start, has no text relocations and no executable stack" {
    skip_if_instrumented
    run bash -c "readelf -dW '$LIBRARY' | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'"
    assert_output --regexp '^libc\.so\.6(
ld-linux.*)?$'
    run readelf -dW "$LIBRARY"
    assert_output --partial "BIND_NOW"
    refute_output --partial "TEXTREL"
    run bash -c "readelf -lW '$LIBRARY' | awk '/GNU_STACK/ { print \$7 }'"
    assert_output "RW"
    run readelf -lW "$LIBRARY"
    assert_output --partial "GNU_RELRO"
    figure "size $(stat -c %s "$LIBRARY"), $(nm -D --defined-only --size-sort "$LIBRARY" | wc -l) dynamic symbols"
}

@test "loads with LD_BIND_NOW, and LD_DEBUG=unused finds nothing" {
    skip_if_instrumented
    LD_BIND_NOW=1 compare "$P/limits" three
    ldd -u -r "$LIBRARY" >unused 2>&1 || :
    run cat unused
    refute_output --partial "undefined symbol"
    refute_output --partial "Unused"
    run env LD_DEBUG=unused,statistics LD_DEBUG_OUTPUT="$PWD/debug" LD_PRELOAD="$LIBRARY" \
        SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" "$P/limits" three
    assert_equal "$status" 3
    run cat debug.*
    refute_output --partial "error"
}

@test "programs bound at the start and lazily" {
    printf '#include "pair.h"\n#include <unistd.h>\nint main(void) { struct pair p = pair_make(5); return close(p.subject); }\n' >program.c
    for binding in now lazy; do
        gcc -D_GNU_SOURCE -I"$SOURCE/tests/interposition" program.c \
            "$SOURCE/tests/interposition/pair.c" -o "$binding" -Wl,-z,"$binding"
        rm -f "$LOG"
        compare "./$binding"
        run events "map(select(.exe == \"$binding\" and .outcome == \"reset\")) | length"
        assert_output 1
    done
}

@test "unusual arguments, errno after success, variable arguments, old symbol versions" {
    compare "$P/calls"
    figure "$(wc -l <audited.out) calls with the same results and errno"
    # Nothing among them has ended the log.
    run events "map(select(.event == \"close\" and .sock == $(tail -1 audited.err)) | .outcome) | join(\" \")"
    assert_output "reset"
}

@test "another preloaded library, before and after" {
    for order in "$LIBRARY $P/chain.so" "$P/chain.so $LIBRARY"; do
        rm -f "$LOG"
        LD_PRELOAD="$P/chain.so" "$P/calls" >native.out 2>native.err </dev/null
        LD_PRELOAD="$order" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" "$P/calls" >audited.out \
            2>audited.err </dev/null
        diff <(expected native.out) audited.out
        # The other library has counted the same closes and shutdowns. (Its children count too.)
        diff <(grep '^chain' native.err | tail -1) <(grep '^chain' audited.err | tail -1)
        sock=$(grep -E '^[0-9]+$' audited.err | tail -1)
        run events "map(select(.event == \"close\" and .sock == $sock) | .outcome) | join(\" \")"
        assert_output "reset"
        run events 'map(select(.event == "shutdown")) | length > 0'
        assert_output true
    done
    figure "$(tail -1 audited.err)"
}

@test "another thread is within dlopen() and holds the loader's lock" {
    compare "$P/loader" wait "$P/plugin.so"
    run events 'map(select(.exe == "loader" and .outcome == "reset")) | length'
    assert_output 1
}

@test "a library that closed a connection and was unloaded" {
    MALLOC_PERTURB_=165 compare "$P/loader" unload "$P/plugin.so"
    run events '[.[] | .maps // [] | .[].module] | unique | map(select(test("^(/.*|linux-vdso.*|\\[vdso\\])$") | not))'
    assert_output "[]"
}

@test "preloaded twice, by two names" {
    cp "$LIBRARY" ./libsoftclose.so
    run env LD_PRELOAD="$LIBRARY ./libsoftclose.so" SOFTCLOSE="$MODE" SOFTCLOSE_LOG="$LOG" "$P/limits" three
    assert_equal "$status" 3
    assert_output three
}

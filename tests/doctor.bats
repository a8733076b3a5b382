#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# softclose doctor: what it says of programs and processes of each kind, and that it says nothing
# where there is nothing to be said.

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
}

# compile_text NAME [OPTION...]: a program of the C text on standard input.
compile_text()
{
    local name=$1
    shift
    gcc -x c - -o "$name" "$@"
}

hello='#include <unistd.h>
int main(void) { return close(0); }'

@test "an ordinary program can be covered, and the command is told" {
    compile_text plain <<<"$hello"
    run -0 --separate-stderr "$SOFTCLOSE" doctor ./plain
    assert_equal "$stderr" ""
    assert_line 'good    ./plain can be covered, engine preload'
    assert_line 'use:    softclose run --audit -- ./plain'
    refute_line --regexp '^(missed|bad)'
    run -0 "$SOFTCLOSE" doctor -q ./plain
    assert_output ""
    # the command it tells is a command
    run -0 bash -c "PATH=$(dirname "$SOFTCLOSE"):\$PATH; $("$SOFTCLOSE" doctor ./plain | sed -n 's/^use: *//p')"
}

@test "what cannot be preloaded into is bad: static, static-pie, setuid, another C library, 32 bits" {
    compile_text static -static <<<"$hello"
    compile_text pie -static-pie <<<"$hello"
    for program in static pie; do
        run -0 "$SOFTCLOSE" doctor ./$program
        assert_line --regexp "^bad     ./$program is linked statically.*; use a dynamically linked build"
        refute_line --partial 'use:'
    done
    compile_text foreign -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 <<<"$hello"
    run -0 "$SOFTCLOSE" doctor ./foreign
    assert_line --regexp '^bad     ./foreign \(/lib/ld-musl-x86_64.so.1\) (uses another C library|the dynamic loader it needs is not installed)'
    compile_text other <<<"$hello"
    printf '\x28' | dd of=other bs=1 seek=18 conv=notrunc status=none # e_machine: ARM
    run -0 "$SOFTCLOSE" doctor ./other
    assert_line --regexp '^bad     ./other was built for another processor'
    compile_text privileged <<<"$hello"
    chmod 755 . privileged
    chown nobody privileged
    chmod u+s privileged
    run -0 "$SOFTCLOSE" doctor ./privileged
    assert_line --regexp '^bad     ./privileged has other rights'
}

@test "a close instruction of its own is missed, in the program and in a library" {
    local own='int own(int fd) { int r; __asm__ volatile("mov $3, %%eax; syscall" : "=a"(r) : "D"(fd) : "rcx", "r11"); return r; }'
    if [[ $(uname -m) == aarch64 ]]; then
        own='int own(int fd) { register int x0 __asm__("x0") = fd; __asm__ volatile("mov x8, #57; svc #0" : "+r"(x0) :: "x8"); return x0; }'
    fi
    compile_text direct <<<"$own int main(void) { return own(0); }"
    run -0 "$SOFTCLOSE" doctor -q ./direct
    assert_output 'missed  ./direct has a close(2) instruction of its own: what it closes that way is not seen'
    compile_text libown.so -shared -fPIC <<<"$own"
    compile_text user -L. -lown "-Wl,-rpath,$PWD" <<<'int own(int); int main(void) { return own(0); }'
    run -0 "$SOFTCLOSE" doctor -q ./user
    assert_output "missed  $PWD/libown.so has a close(2) instruction of its own: what it closes that way is not seen"
    # libc has one too, and is what softclose stands in front of
    compile_text plain <<<"$hello"
    run -0 "$SOFTCLOSE" doctor -q ./plain
    assert_output ""
}

@test "io_uring, seccomp filters, dlmopen and syscall(2) are told of" {
    compile_text libseccomp.so.2 -shared -fPIC -Wl,-soname,libseccomp.so.2 <<<'int seccomp_load(void *c) { return c != 0; }'
    compile_text liburing.so.2 -shared -fPIC -Wl,-soname,liburing.so.2 <<<'int io_uring_submit(void *r) { return r != 0; }'
    compile_text many -L. -l:libseccomp.so.2 -l:liburing.so.2 "-Wl,-rpath,$PWD" -D_GNU_SOURCE <<'C'
#include <dlfcn.h>
#include <unistd.h>
int seccomp_load(void *), io_uring_submit(void *);
int main(int argc, char **argv)
{
    if (argc > 9)
        syscall(1, dlmopen(LM_ID_NEWLM, argv[1], 2));
    return seccomp_load(0) + io_uring_submit(0);
}
C
    run -0 "$SOFTCLOSE" doctor ./many
    assert_line --regexp '^missed  it can use io_uring'
    assert_line --regexp '^missed  it can install a seccomp filter'
    assert_line --regexp '^missed  it can load libraries with dlmopen'
    assert_line --regexp '^good    it may close through syscall\(2\)'
    # and the same without: nothing of it is said of a program that does none of this
    compile_text plain <<<"$hello"
    run -0 "$SOFTCLOSE" doctor ./plain
    refute_line --regexp 'io_uring|seccomp|dlmopen|syscall'
}

@test "a library that is missing is told" {
    compile_text libgone.so -shared -fPIC <<<'int gone(void) { return 0; }'
    compile_text wants -L. -lgone <<<'int gone(void); int main(void) { return gone(); }'
    rm libgone.so
    run -0 "$SOFTCLOSE" doctor -q ./wants
    assert_output 'bad     it wants the library libgone.so, which is not found'
}

@test "a Go program is told by its sections" {
    compile_text gopher <<<"$hello"
    echo build >note
    objcopy --add-section .go.buildinfo=note gopher
    run -0 "$SOFTCLOSE" doctor -q ./gopher
    assert_output --partial 'missed  it is a Go program'
}

@test "a script is looked at through its interpreter" {
    printf '#!/bin/sh\n:\n' >script
    chmod +x script
    run -0 "$SOFTCLOSE" doctor ./script
    assert_line 'good    ./script is a script; /bin/sh runs it and can be covered, engine preload'
}

@test "a process: not covered, covered, inert, and its sockets" {
    sleep 60 &
    local pid=$!
    wait_until grep -q sleep "/proc/$pid/comm"
    run -0 "$SOFTCLOSE" doctor "$pid"
    kill "$pid"
    assert_line --partial 'libsoftclose.so is not loaded'
    assert_line 'note    it has 0 sockets open now'
    assert_line 'use:    softclose run --audit -- sleep 60'

    local library="$SOFTCLOSE_LIB"
    LD_PRELOAD=$library SOFTCLOSE=audit SOFTCLOSE_LOG=none \
        perl -MSocket -e 'socket($a, AF_INET, SOCK_STREAM, 0); socketpair($b, $c, AF_UNIX, SOCK_STREAM, 0);
            open $ready, ">", "ready"; sleep 60' &
    pid=$!
    wait_until test -e ready
    run -0 "$SOFTCLOSE" doctor "$pid"
    kill "$pid"
    assert_line 'good    libsoftclose.so is loaded and SOFTCLOSE=audit was set at its start'
    assert_line 'note    it has 3 sockets open now'

    rm ready
    LD_PRELOAD=$library perl -e 'open $ready, ">", "ready"; sleep 60' &
    pid=$!
    wait_until test -e ready
    run -0 "$SOFTCLOSE" doctor "$pid"
    kill "$pid"
    assert_line 'note    libsoftclose.so is loaded but inert: SOFTCLOSE was not set at its start'
}

@test "a process that is inert because SOFTCLOSE is off, and one whose environment cannot be read" {
    local library="$SOFTCLOSE_LIB" mode pid
    for mode in off aduit; do
        LD_PRELOAD=$library SOFTCLOSE=$mode perl -e 'open $ready, ">", $ARGV[0]; sleep 60' "$mode" \
            2>errors &
        pid=$!
        wait_until test -e "$mode"
        run -0 "$SOFTCLOSE" doctor "$pid"
        kill "$pid"
        assert_line "note    libsoftclose.so is loaded but inert: SOFTCLOSE was '$mode' at its start"
    done
    # Of another user's process root sees the maps without CAP_DAC_*, the environment not.
    local blind=(setpriv "--bounding-set=-dac_override,-dac_read_search")
    chmod 777 .
    [[ $EUID -eq 0 ]] && "${blind[@]}" true || skip "not root"
    LD_PRELOAD=$library SOFTCLOSE=audit SOFTCLOSE_LOG=none setpriv --reuid=65534 --clear-groups \
        sleep 60 &
    pid=$!
    wait_until grep -q sleep "/proc/$pid/comm"
    run -0 "${blind[@]}" "$SOFTCLOSE" doctor "$pid"
    kill "$pid"
    assert_line 'note    libsoftclose.so is loaded, but in which mode cannot be seen (its environment: Permission denied)'
}

@test "a process where torsocks stands before softclose, and one where it stands after it" {
    local torsocks order pid
    torsocks=/usr/lib/$(gcc -print-multiarch)/torsocks/libtorsocks.so
    [[ -e $torsocks ]] || skip "no libtorsocks.so (Debian package: torsocks)"
    for order in "$torsocks $SOFTCLOSE_LIB" "$SOFTCLOSE_LIB:$torsocks"; do
        LD_PRELOAD=$order SOFTCLOSE=audit SOFTCLOSE_LOG=none sleep 60 &
        pid=$!
        wait_until grep -q sleep "/proc/$pid/comm"
        wait_until grep -q libsoftclose "/proc/$pid/maps"
        run -0 "$SOFTCLOSE" doctor "$pid"
        kill "$pid"
        assert_line 'good    libsoftclose.so is loaded and SOFTCLOSE=audit was set at its start'
        if [[ $order == "$torsocks"* ]]; then
            assert_line --partial 'missed  torsocks was preloaded before softclose'
        else
            refute_line --partial torsocks
        fi
    done
}

# One process for each of what may be missed in a running one.
waiting='#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int count, char **words)
{
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, all};
    char ring[120] = {0};
    int failed = 0;
    if (strcmp(words[1], "filter") == 0)
        failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program);
    else if (strcmp(words[1], "ring") == 0)
        failed = syscall(425, 4, ring) < 0;
    else if (strcmp(words[1], "deepbind") == 0)
        failed = !dlopen(words[2], RTLD_NOW | RTLD_DEEPBIND);
    else if (strcmp(words[1], "dlmopen") == 0)
        failed = !dlmopen(LM_ID_NEWLM, words[2], RTLD_NOW);
    fclose(fopen(words[count - 1], "w"));
    return failed ? failed : pause();
}'

# doctor_of COMMAND...: what is said of that process once it is ready.
doctor_of()
{
    rm -f ready
    LD_PRELOAD=$SOFTCLOSE_LIB SOFTCLOSE=audit SOFTCLOSE_LOG=none "$@" ready &
    local pid=$!
    wait_until test -e ready
    run -0 "$SOFTCLOSE" doctor "$pid"
    kill "$pid"
}

@test "processes under a filter, with a ring, with a second C library, without any, with other rights" {
    local plugin="$SOFTCLOSE_BUILD/tests/interposition/plugin.so" unlike
    compile_text waiting <<<"$waiting"
    declare -A said=(
        [filter]='missed  it runs under a seccomp filter'
        [ring]='missed  it has an io_uring open'
        [dlmopen]='missed  it has loaded libraries with dlmopen'
    )
    for what in filter ring dlmopen deepbind none; do
        doctor_of ./waiting "$what" "$plugin"
        assert_line --partial 'SOFTCLOSE=audit was set at its start'
        assert_line --regexp "^use:    softclose run --audit -- ./waiting $what "
        # what holds of the program stands there each time
        assert_line --partial 'loaded with RTLD_DEEPBIND calls libc past softclose'
        for unlike in "${!said[@]}"; do
            if [[ $unlike == "$what" ]]; then
                assert_line --partial "${said[$unlike]}"
            else
                refute_line --partial "${said[$unlike]}"
            fi
        done
    done

    compile_text still -static <<<'#include <stdio.h>
        #include <unistd.h>
        int main(int count, char **words) { fclose(fopen(words[count - 1], "w")); return pause(); }'
    doctor_of ./still none
    assert_line --partial 'libsoftclose.so is not loaded'
    assert_line --partial 'still is linked statically'
    refute_line --partial 'use:'

    [[ $EUID -eq 0 ]] || skip "not root: no process with other rights"
    chmod 777 .
    setcap cap_net_bind_service+ep waiting
    doctor_of setpriv --reuid=65534 --clear-groups ./waiting none
    assert_line --partial 'libsoftclose.so is not loaded'
    assert_line --partial 'bad     it has rights that its caller did not have'
    run -0 setpriv --reuid=65534 --clear-groups "$SOFTCLOSE" doctor ./waiting
    assert_line --regexp '^bad     ./waiting has other rights'
    refute_line --partial 'use:'
}

@test "a file that cannot be looked into is told, and nothing is claimed of it" {
    compile_text bare <<<'int main(void) { return 0; }'
    run -0 "$SOFTCLOSE" doctor ./bare
    assert_line --partial 'neither it nor its libraries call close()'
    # without section headers: e_shoff, e_shnum and e_shstrndx
    printf '\0\0\0\0\0\0\0\0' | dd of=bare bs=1 seek=40 conv=notrunc status=none
    printf '\0\0\0\0' | dd of=bare bs=1 seek=60 conv=notrunc status=none
    run -0 ./bare
    run -0 "$SOFTCLOSE" doctor ./bare
    assert_line 'good    ./bare can be covered, engine preload'
    assert_line 'note    ./bare cannot be looked into: it has no section headers'
    refute_line --partial 'neither it nor its libraries'
}

@test "the machine itself" {
    run -0 "$SOFTCLOSE" doctor
    assert_line "good    library $SOFTCLOSE_LIB"
    assert_line --partial 'SO_COOKIE'
    assert_line --partial 'MADV_WIPEONFORK'
    assert_line --regexp '^(good|missed)  .*/proc'
    SOFTCLOSE=enforce TMPDIR=/proc/none run -0 "$SOFTCLOSE" doctor
    assert_line 'note    SOFTCLOSE=enforce is set here'
    assert_line --regexp '^missed  logs go to /proc/none by default'
}

@test "bad usage: status 2 and one line that says what to do" {
    run -2 --separate-stderr "$SOFTCLOSE" doctor nosuchprogram
    assert_equal "$stderr" 'softclose: doctor: nosuchprogram: not found; check the name and PATH'
    run -2 --separate-stderr "$SOFTCLOSE" doctor 2147483647
    assert_equal "${#stderr_lines[@]}" 1
    run -2 --separate-stderr "$SOFTCLOSE" doctor 99999999999
    assert_regex "$stderr" 'is no process number'
    run -2 "$SOFTCLOSE" doctor a b
    run -2 "$SOFTCLOSE" doctor --color=blue
    run -2 "$SOFTCLOSE" doctor --nonsense
}

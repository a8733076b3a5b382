/* SPDX-License-Identifier: MIT */
/*
 * Small programs for the edges of what a process may have.
 *
 * limits mlockall    locks all memory, as daemons that keep time do
 * limits three       prints "three", closes a connection with unread data, ends with status 3
 * limits filter prctl|seccomp|listener|own|own-errno|none
 *                    filters its own system calls (or not) and closes a connection; own: by an
 *                    instruction of its own, and with own-errno nothing is killed but refused
 * limits wander DIRECTORY
 *                    a child closes a socket after it has gone to that directory
 * limits numbers N PROGRAM [ARGUMENT...]
 *                    runs it with RLIMIT_NOFILE N (soft and hard) and nothing open but 0, 1, 2
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

static long own_seccomp(const struct sock_fprog *filter)
{
#if defined(__x86_64__)
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(SYS_seccomp), "D"(SECCOMP_SET_MODE_FILTER), "S"(0L), "d"(filter)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x0 __asm__("x0") = SECCOMP_SET_MODE_FILTER;
    register long x1 __asm__("x1") = 0;
    register const struct sock_fprog *x2 __asm__("x2") = filter;
    register long x8 __asm__("x8") = SYS_seccomp;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x8) : "memory");
    return x0;
#endif
}

/* Everything but write, close and the end of the process kills it. */
static void filter(const char *how)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct rlimit no_core = {0, 0};
    struct sock_fprog all = {sizeof program / sizeof *program, program};
    struct pair pair = pair_make(10);
    unsigned action = SECCOMP_RET_ERRNO;
    long result = 0;

    if (strcmp(how, "own-errno") == 0)
        program[4].k = SECCOMP_RET_ERRNO | EPERM;
    pair_must(setrlimit(RLIMIT_CORE, &no_core), "setrlimit");
    pair_must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL); /* fails */
    if (strcmp(how, "prctl") == 0)
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all);
    else if (strcmp(how, "seccomp") == 0)
        result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all);
    else if (strcmp(how, "listener") == 0)
        result =
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &all);
    else if (strncmp(how, "own", 3) == 0)
        result = own_seccomp(&all);
    if (result < 0 || write(1, "filtered\n", 9) != 9 || close(pair.subject) != 0)
        _exit(1);
    _exit(4);
}

int main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "";

    if (strcmp(what, "mlockall") == 0) {
        printf("mlockall: %d\n", mlockall(MCL_CURRENT | MCL_FUTURE));
    } else if (strcmp(what, "three") == 0) {
        struct pair pair = pair_make(10);
        close(pair.subject);
        puts("three");
        return 3;
    } else if (strcmp(what, "filter") == 0 && count > 2) {
        filter(arguments[2]);
    } else if (strcmp(what, "wander") == 0 && count > 2) {
        pid_t pid = fork();
        if (pid == 0) {
            pair_must(chdir(arguments[2]), "chdir");
            close(pair_listen());
            exit(0);
        }
        waitpid(pid, NULL, 0);
    } else if (strcmp(what, "numbers") == 0 && count > 3) {
        struct rlimit limit = {strtoul(arguments[2], NULL, 10), strtoul(arguments[2], NULL, 10)};
        closefrom(3);
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
            execvp(arguments[3], arguments + 3);
        perror(arguments[3]);
        return 1;
    } else {
        return 2;
    }
    return 0;
}

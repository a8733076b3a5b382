/* SPDX-License-Identifier: MIT */
/* What a program can set and read back, and the programs that it starts. */
#include "subject.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

long do_linger(const int *a)
{
    const struct linger linger = {a[1], a[2]};
    return CALL(setsockopt(slot(a[0]), SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

long do_get_linger(const int *a)
{
    struct linger linger = {-7, -7};
    socklen_t size = (unsigned)a[1] % (sizeof linger + 1);
    int result = CALL(getsockopt(slot(a[0]), SOL_SOCKET, SO_LINGER, &linger, &size));

    note(" %d %d size %u", linger.l_onoff, linger.l_linger, (unsigned)size);
    return result;
}

struct option {
    int level, name;
};

static const struct option options[] = {
    {SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_REUSEADDR}, {IPPROTO_TCP, TCP_LINGER2}, {999, 999},
    {SOL_SOCKET, SO_ERROR},     {SOL_SOCKET, SO_TYPE},      {SOL_SOCKET, SO_ACCEPTCONN},
};

enum { OPTIONS = sizeof options / sizeof *options };

long do_set(const int *a)
{
    const struct option *option = &options[(unsigned)a[1] % OPTIONS];
    return CALL(setsockopt(slot(a[0]), option->level, option->name, &a[2], sizeof a[2]));
}

long do_get(const int *a)
{
    unsigned which = (unsigned)a[1] % (OPTIONS + 3);
    int fd = slot(a[0]), value = -7, result;
    socklen_t size = sizeof value;
    struct tcp_info info = {0};

    if (which < OPTIONS) {
        result = CALL(getsockopt(fd, options[which].level, options[which].name, &value, &size));
    } else if (which < OPTIONS + 2) {
        result = CALL(ioctl(fd, which == OPTIONS ? SIOCINQ : SIOCOUTQ, &value));
    } else {
        size = offsetof(struct tcp_info, tcpi_rto);
        result = CALL(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
        value = info.tcpi_state;
    }
    int error = call_errno;
    note(" %d", value);
    note_connection(fd);
    call_errno = error;
    return result;
}

long do_nonblock(const int *a)
{
    int fd = slot(a[0]);
    int flags = fcntl(fd, F_GETFL);
    return CALL(fcntl(fd, F_SETFL, a[1] ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

long do_flags(const int *a)
{
    int fd = slot(a[0]);
    note(" %x", (unsigned)fcntl(fd, F_GETFD));
    return CALL(fcntl(fd, F_GETFL));
}

long do_cloexec(const int *a)
{
    return CALL(fcntl(slot(a[0]), F_SETFD, a[1] ? FD_CLOEXEC : 0));
}

long do_names(const int *a)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    int fd = slot(a[0]);

    int result = CALL(getsockname(fd, (struct sockaddr *)&address, &length));
    note(" %d %u", address.ss_family, (unsigned)length);
    length = sizeof address;
    note(" peer %d %u", CALL(getpeername(fd, (struct sockaddr *)&address, &length)),
         (unsigned)length);
    int error = call_errno;
    note_connection(fd);
    call_errno = error;
    return result;
}

static void nothing(int number)
{
    (void)number;
}

long do_sigaction(const int *a)
{
    static const int numbers[] = {SIGUSR2, SIGHUP, SIGINT, SIGTERM, SIGALRM, SIGKILL};
    void (*const handlers[])(int) = {SIG_DFL, SIG_IGN, nothing};
    struct sigaction action = {.sa_handler = handlers[(unsigned)a[1] % 3],
                               .sa_flags = a[1] & 4 ? SA_RESTART : 0},
                     before = {0}, after = {0};
    int number = numbers[(unsigned)a[0] % 6];
    int result = CALL(sigaction(number, &action, &before)), error = call_errno;

    sigaction(number, NULL, &after);
    for (int i = 0; i < 3; i++)
        note("%s%s", before.sa_handler == handlers[i] ? " b" : "",
             after.sa_handler == handlers[i] ? " a" : "");
    note(" %x %x", (unsigned)before.sa_flags, (unsigned)after.sa_flags);
    call_errno = error;
    return result;
}

long do_rlimit(const int *a)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 64 + (rlim_t)((unsigned)a[0] % 1000);
    return CALL(setrlimit(RLIMIT_NOFILE, &limit));
}

long do_get_rlimit(const int *a)
{
    struct rlimit limit = {0};
    int result = CALL(getrlimit(RLIMIT_NOFILE, &limit));

    (void)a;
    note(" %u %u", (unsigned)limit.rlim_cur, (unsigned)limit.rlim_max);
    return result;
}

static long spawn(const char *path)
{
    char *const arguments[] = {(char *)path, NULL};
    pid_t pid = -1;
    int status = -1, result = CALL(posix_spawn(&pid, path, NULL, NULL, arguments, environ));

    if (result == 0)
        waitpid(pid, &status, 0);
    note(" %x", (unsigned)status);
    return result;
}

static long vforked(void)
{
    int status = -1;
    pid_t pid = vfork();

    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    errno = FIRST_NUMBER;
    int result = waitpid(pid, &status, 0) == pid;
    call_errno = errno;
    note(" %x", (unsigned)status);
    return result;
}

long do_spawn(const int *a)
{
    FILE *stream;

    switch (a[0]) {
    case 0:
        return spawn("/bin/true");
    case 1:
        return CALL(system("exit 3"));
    case 2:
        stream = CALL(popen("exit 4", "r"));
        note(" %d", stream ? fileno(stream) : -1);
        return stream ? CALL(pclose(stream)) : -1;
    case 3:
        return vforked();
    case 4:
        return spawn("/bin/missing");
    default:
        return CALL(execl("/bin/missing", "missing", (char *)NULL));
    }
}

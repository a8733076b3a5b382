/* SPDX-License-Identifier: MIT */
/*
 * Calls that are easily broken by whoever stands between a program and libc: unusual arguments,
 * errno after success, variable arguments, old symbol versions, streams without a descriptor. One
 * line each, the same whatever is preloaded.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

extern char **environ;

/* errno is set to this before each call, so that both a change on success and a zero show up. */
enum { BEFORE = ENOTNAM };

static const char *last_error;

/* Hidden from the compiler, which would warn of what is done on purpose. */
static const char *volatile no_path;
static FILE *(*volatile open_program)(const char *command, const char *type) = popen;

static void said(const char *call, long result)
{
    int error = errno;

    last_error = error == BEFORE ? "" : error == 0 ? "errno 0" : strerrorname_np(error);
    printf("%s: %ld %s\n", call, result, last_error);
    errno = BEFORE;
}

#define SAY(call) (errno = BEFORE, said(#call, (long)(call)))
#define SAY_OPEN(call) (errno = BEFORE, said(#call, (call) >= 0 ? 0 : -1))

static void descriptors(void)
{
    int file = open("/dev/null", O_RDWR), connection = socket(AF_INET, SOCK_STREAM, 0), copy;

    SAY(close(-1));
    SAY(close(77));
    SAY(close(1 << 29));
    SAY(dup2(connection, connection) == connection);
    SAY(dup2(file, file) == file);
    SAY(dup2(77, 77));
    SAY(dup2(77, connection));
    SAY(dup2(-1, -1));
    SAY(dup3(connection, connection, 0));
    SAY(dup3(connection, 40, O_CLOEXEC));
    SAY(fcntl(40, F_GETFD));
    SAY(dup2(connection, 40));
    SAY(fcntl(40, F_GETFD));
    SAY(close(40));
    SAY(close(40));
    SAY_OPEN(copy = dup(connection));
    SAY(fcntl(copy, F_SETFL, O_NONBLOCK));
    SAY((fcntl(connection, F_GETFL) & O_NONBLOCK) != 0);
    SAY(fcntl(file, F_DUPFD, 50));
    SAY(fcntl(connection, F_DUPFD_CLOEXEC, 51));
    SAY(fcntl(50, F_SETOWN, getpid()));
    SAY(fcntl(51, F_GETFD));
    SAY(fcntl(77, F_DUPFD, 0));
    SAY(fcntl(file, 9999, 0));
    SAY(close_range(50, 51, 0));
    SAY(close(51));
    SAY(syscall(SYS_close, 51));
    SAY(syscall(SYS_close, -1));
    SAY(close(copy));
    SAY(close(connection));
    SAY(close(connection));
    SAY(close(file));
}

static void locks(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10};
    FILE *stream = tmpfile();

    SAY(fcntl(fileno(stream), F_SETLK, &lock));
    SAY(fcntl(fileno(stream), F_GETLK, &lock));
    SAY(lock.l_type);
    SAY(fclose(stream));
}

static void sockets(void)
{
    struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    struct linger linger = {1, 0};
    struct pair pair = pair_make(5);
    int listener = pair_listen(), file = open("/dev/null", O_RDONLY), ends[2];

    SAY(socket(1234, SOCK_STREAM, 0));
    SAY(socketpair(AF_INET, SOCK_STREAM, 0, ends));
    SAY(accept(file, NULL, NULL));
    SAY(accept(-1, NULL, NULL));
    SAY(accept(pair.subject, NULL, NULL));
    SAY(accept4(listener, NULL, NULL, 12345));
    SAY(fcntl(listener, F_SETFL, O_NONBLOCK));
    SAY(accept(listener, NULL, (socklen_t *)8));
    SAY(accept4(listener, NULL, NULL, 0));
    SAY(connect(pair.subject, NULL, 0));
    SAY(connect(pair.subject, (void *)8, sizeof unspecified));
    SAY(connect(file, &unspecified, sizeof unspecified));
    SAY(connect(pair.subject, &unspecified, 1));
    SAY(shutdown(pair.subject, 99));
    SAY(shutdown(pair.subject, -1));
    SAY(shutdown(file, SHUT_RD));
    SAY(shutdown(-1, SHUT_RD));
    SAY(shutdown(listener, SHUT_WR));
    SAY(shutdown(pair.subject, SHUT_WR));
    SAY(setsockopt(pair.subject, SOL_SOCKET, SO_LINGER, NULL, sizeof linger));
    SAY(setsockopt(pair.subject, SOL_SOCKET, SO_LINGER, &linger, 1));
    SAY(setsockopt(pair.subject, SOL_SOCKET, SO_LINGER, (void *)8, sizeof linger));
    SAY(setsockopt(file, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    SAY(setsockopt(pair.peer, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    SAY(connect(pair.peer, &unspecified, sizeof unspecified));
    SAY(close(pair.peer));
    SAY(close(pair.subject));
    SAY(recvmsg(listener, NULL, 0));
    SAY(sendmsg(listener, NULL, 0));
    SAY(recvmmsg(listener, NULL, 1, MSG_DONTWAIT, NULL));
    SAY(sendmmsg(listener, NULL, 1, 0));
    SAY(close(listener));
    SAY(close(file));
}

static void rights(void)
{
    char control[CMSG_SPACE(2 * sizeof(int))] = {0}, byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int))};
    struct mmsghdr several = {.msg_hdr = message};
    int ends[2], got;

    SAY(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    *CMSG_FIRSTHDR(&message) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &ends[0], sizeof(int));
    SAY(sendmsg(ends[0], &message, 0));
    SAY(sendmsg(ends[0], &message, 0));
    SAY(sendmmsg(ends[0], &several, 1, 0));
    message.msg_controllen = sizeof control;
    SAY(recvmsg(ends[1], &message, MSG_CMSG_CLOEXEC));
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    SAY(fcntl(got, F_GETFD));
    SAY(close(got));
    several.msg_hdr.msg_controllen = 1; /* too small for anything */
    SAY(recvmmsg(ends[1], &several, 1, 0, NULL));
    SAY(several.msg_hdr.msg_flags & MSG_CTRUNC);
    several.msg_hdr.msg_controllen = sizeof control;
    SAY(recvmmsg(ends[1], &several, 1, 0, NULL));
    SAY(close(ends[0]));
    SAY(close(ends[1]));
}

static ssize_t cookie_read(void *cookie, char *bytes, size_t size)
{
    (void)cookie;
    (void)bytes;
    (void)size;
    return 0;
}

static void streams(void)
{
    char memory[16] = "abc", *grown;
    size_t size;
    struct pair pair = pair_make(5);
    FILE *stream;

    SAY(fclose(fmemopen(memory, sizeof memory, "r")));
    SAY(fclose(open_memstream(&grown, &size)));
    SAY(fclose(fopencookie(NULL, "r", (cookie_io_functions_t){.read = cookie_read})));
    SAY(freopen("/nowhere/at/all", "r", fopen("/dev/null", "r")) == NULL);
    SAY(freopen(NULL, "r", fopen("/dev/null", "r")) != NULL);
    SAY(fclose(open_program("exit 3", "r")));
    SAY(pclose(popen("exit 3", "r")));
    SAY(popen("true", "nonsense") == NULL);
    SAY(system("exit 4"));
    SAY(system(NULL));
    stream = fdopen(pair.subject, "r+");
    fputs("buffered", stream);
    SAY(fclose(stream));
    SAY(close(pair.subject));
    SAY(recv(pair.peer, memory, sizeof memory, MSG_DONTWAIT));
    stream = fdopen(pair.peer, "r+");
    SAY(freopen("/dev/null", "r", stream) == stream);
    SAY(fclose(stream));
    pair = pair_make(5);
    stream = fdopen(pair.subject, "r+");
    SAY(freopen(NULL, "r", stream) == NULL);
    SAY(close(pair.peer));
}

static void run(const char *how, ...)
{
    char echo[] = "echo", one[] = "1", two[] = "2", set[] = "A=b", *path = getenv("PATH");
    char *arguments[] = {echo, one, two, NULL}, *environment[] = {set, NULL}, *bad[] = {NULL};
    pid_t pid;
    int status = 0;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int echo_fd = open("/bin/echo", O_PATH | O_CLOEXEC);
        if (strcmp(how, "execl") == 0)
            execl("/bin/echo", "echo", "1", "2", "3", "4", "5", "6", "7", "8", (char *)NULL);
        else if (strcmp(how, "execlp") == 0)
            execlp("echo", "echo", "1", "2", "3", "4", "5", "6", "7", "8", (char *)NULL);
        else if (strcmp(how, "execle") == 0)
            execle("/usr/bin/env", "env", (char *)NULL, environment);
        else if (strcmp(how, "execle long") == 0)
            execle("/bin/sh", "sh", "-c", "echo $A $0 $1 $2", "x", "y", "z", (char *)NULL,
                   environment);
        else if (strcmp(how, "execv") == 0)
            execv("/bin/echo", arguments);
        else if (strcmp(how, "execvp") == 0)
            execvp("echo", arguments);
        else if (strcmp(how, "execvpe") == 0)
            execvpe("echo", arguments, environment);
        else if (strcmp(how, "execveat") == 0)
            execveat(echo_fd, "", arguments, environment, AT_EMPTY_PATH);
        else if (strcmp(how, "fexecve") == 0)
            fexecve(echo_fd, arguments, environment);
        else if (strcmp(how, "not found") == 0)
            execvp("no-such-program", arguments);
        else if (strcmp(how, "empty name") == 0)
            execvp("", arguments);
        else if (strcmp(how, "no path") == 0)
            execve(no_path, bad, bad);
        else if (strcmp(how, "directory") == 0)
            execv("/", arguments);
        else if (strcmp(how, "unset PATH") == 0 && path != NULL && unsetenv("PATH") == 0)
            execlp("echo", "echo", "found", (char *)NULL);
        _exit(errno);
    }
    waitpid(pid, &status, 0);
    printf("%s: status %x\n", how, status);
}

static void programs(void)
{
    const char *how[] = {"execl",   "execlp",    "execle",   "execle long", "execv",
                         "execvp",  "execvpe",   "fexecve",  "not found",   "empty name",
                         "no path", "directory", "execveat", "unset PATH"};

    for (size_t i = 0; i < sizeof how / sizeof *how; i++)
        run(how[i]);
}

#if defined(__x86_64__)
/* glibc kept this for programs linked before 2011: it hands what is no program to the shell. */
extern int old_posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                           const posix_spawnattr_t *attributes, char *const arguments[],
                           char *const environment[]);
__asm__(".symver old_posix_spawn, posix_spawn@GLIBC_2.2.5");
#else
#define old_posix_spawn posix_spawn
#endif

static void spawns(void)
{
    char path[] = "/tmp/calls.XXXXXX", text[] = "exit 5\n", name[] = "script";
    char *arguments[] = {name, NULL};
    int fd = mkstemp(path), status = 0;
    pid_t pid;

    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, 0700) != 0)
        pair_fail("script");
    close(fd);
    SAY(posix_spawn(&pid, "/nowhere/at/all", NULL, NULL, arguments, environ));
    SAY(posix_spawnp(&pid, "no-such-program", NULL, NULL, arguments, environ));
    SAY(posix_spawn(NULL, "/bin/true", NULL, NULL, arguments, environ));
    wait(&status);
    SAY(posix_spawn(&pid, path, NULL, NULL, arguments, environ));
    SAY(old_posix_spawn(&pid, path, NULL, NULL, arguments, environ));
    wait(&status);
    SAY(status);
    unlink(path);
}

static int returns_seven(void *argument)
{
    return *(int *)argument;
}

static void varied(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    struct sock_fprog *nothing = NULL;
    int seven = 7, status = 0, parent_tid = 0;
    char name[16] = "";
    unsigned action = SECCOMP_RET_ERRNO;
    pid_t pid;

    SAY(prctl(PR_SET_NAME, "renamed"));
    SAY(prctl(PR_GET_NAME, name));
    printf("%s\n", name);
    SAY(prctl(PR_SET_PDEATHSIG, 0));
    SAY(prctl(-1, 1, 2, 3, 4));
    SAY(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nothing));
    SAY(prctl(PR_SET_SECCOMP, 99));
    SAY(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
    SAY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
    SAY(syscall(99999));
    SAY((syscall(SYS_mmap, NULL, 4096L, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L) != -1));
    SAY(syscall(SYS_mmap, NULL, 0L, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L));
    SAY(syscall(SYS_getpid) == getpid());
    SAY(syscall(SYS_socket, 1234, 0, 0));
    SAY(syscall(SYS_shutdown, -1, 0));
    SAY(syscall(SYS_dup3, 1, 1, 0));
    SAY((pid = clone(returns_seven, stack + sizeof stack, CLONE_PARENT_SETTID | SIGCHLD, &seven,
                     &parent_tid)) > 0);
    SAY(parent_tid == pid);
    SAY(waitpid(pid, &status, 0) == pid);
    SAY(WEXITSTATUS(status));
    SAY(clone(returns_seven, NULL, SIGCHLD, &seven));
    SAY(syscall(SYS_clone3, 8L, 88L)); /* no such address */
    SAY(syscall(SYS_clone3, NULL, 88L));
    SAY(syscall(SYS_clone3, &seven, 1L));
    SAY(unshare(CLONE_FILES | 1));
    SAY((pid = vfork()) >= 0);
    if (pid == 0)
        _exit(3);
    SAY(waitpid(pid, &status, 0) == pid);
    SAY(WEXITSTATUS(status));
}

/* What a seccomp question must not do: end the log. */
static void last(void)
{
    struct pair pair = pair_make(5);

    fprintf(stderr, "%llu\n", (unsigned long long)pair_cookie(pair.subject));
    SAY(close(pair.subject));
    printf("peer: %s\n", pair_view(pair.peer));
    SAY(fcloseall());
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    descriptors();
    locks();
    sockets();
    rights();
    streams();
    programs();
    spawns();
    varied();
    last();
    return 0;
}

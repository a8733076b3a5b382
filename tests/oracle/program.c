/* SPDX-License-Identifier: MIT */
/* The program under test: started natively or with the shim, told what to do, asked how it went. */
#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* tests/programs/closer beside our own directory in the build tree */
static const char *closer_path(void)
{
    static char path[512];
    if (!path[0]) {
        ssize_t length = readlink("/proc/self/exe", path, sizeof path - 40);
        for (int up = 0; up < 2 && length > 0; up++)
            while (length > 0 && path[--length] != '/')
                ;
        snprintf(path + (length > 0 ? length : 0), 40, "/programs/closer");
    }
    return path;
}

/* What it inherits: /dev/null, two outputs, commands, answers, the holders' socket; no more. */
static void settle_descriptors(const int wanted[6])
{
    int high[6];
    for (int i = 0; i < 6; i++)
        high[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, 100);
    for (int i = 0; i < 6; i++)
        dup2(high[i], i);
    close_range(6, ~0U, 0);
}

static void settle_environment(const struct scenario *scenario)
{
    clearenv();
    if (scenario->shim) {
        setenv("LD_PRELOAD", scenario->shim, 1);
        setenv("SOFTCLOSE", scenario->mode ? scenario->mode : "audit", 1);
        setenv("SOFTCLOSE_LOG", scenario->log, 1);
        if (scenario->set)
            setenv("SOFTCLOSE_SET", scenario->set, 1);
    }
}

static void become(const struct scenario *scenario, const int wanted[6])
{
    char *const argv[] = {(char[]){"closer"}, strdup(proto_here_name(scenario->proto)), NULL};
    const char *path = closer_path();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    settle_descriptors(wanted);
    settle_environment(scenario);
    execve(path, argv, environ);
    _exit(127);
}

bool program_start(struct program *program, const struct scenario *scenario)
{
    int commands[2], answers[2], hold[2];
    *program = (struct program){.pid = -1};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    program->out = memfd_create("stdout", MFD_CLOEXEC);
    program->err = memfd_create("stderr", MFD_CLOEXEC);
    if (null < 0 || pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, hold) != 0)
        return false;
    int wanted[6] = {null, program->out, program->err, commands[0], answers[1], hold[1]};
    program->pid = fork();
    if (program->pid == 0)
        become(scenario, wanted);
    close(null);
    close(commands[0]);
    close(answers[1]);
    close(hold[1]);
    program->commands = commands[1];
    program->answers = answers[0];
    program->hold = hold[0];
    program->pid_fd = program->pid > 0 ? (int)syscall(SYS_pidfd_open, program->pid, 0) : -1;
    return program->pid_fd >= 0;
}

bool program_tell(const struct program *program, const char *command)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s\n", command);
    return write(program->commands, line, (size_t)length) == length;
}

/* Its end of the pipe is closed a moment before the process has ended. */
static enum answer hung_up(const struct program *program)
{
    struct pollfd poll_fd = {.fd = program->pid_fd, .events = POLLIN};
    return poll(&poll_fd, 1, ORACLE_WAIT_MS) == 1 ? ANSWER_GONE : ANSWER_NO;
}

enum answer program_answer(const struct program *program, long *number)
{
    char line[80];
    size_t length = 0;
    for (;;) {
        struct pollfd poll_fds[] = {{.fd = program->answers, .events = POLLIN},
                                    {.fd = program->pid_fd, .events = POLLIN}};
        if (poll(poll_fds, 2, 4 * ORACLE_WAIT_MS) <= 0)
            return ANSWER_NO;
        if (!(poll_fds[0].revents & POLLIN))
            return hung_up(program);
        if (read(program->answers, line + length, 1) != 1)
            return hung_up(program);
        if (line[length] == '\n' || length + 2 == sizeof line)
            break;
        length++;
    }
    line[length] = '\0';
    if (number)
        *number = length > 3 ? strtol(line + 3, NULL, 10) : 0;
    return strncmp(line, "ok", 2) == 0 ? ANSWER_OK : ANSWER_NO;
}

enum answer program_ask(const struct program *program, const char *command, long *number)
{
    if (!program_tell(program, command))
        return ANSWER_GONE;
    return program_answer(program, number);
}

static void slurp(int fd, char *out, size_t size)
{
    ssize_t length = pread(fd, out, size - 1, 0);
    out[length > 0 ? length : 0] = '\0';
    close(fd);
}

void program_release(struct program *program)
{
    if (program->commands >= 0)
        close(program->commands);
    if (program->hold >= 0)
        close(program->hold);
    program->commands = program->hold = -1;
}

/* No more commands and no holders: it ends by itself, and so does a child it may have left. */
bool program_finish(struct program *program, struct truth *truth)
{
    struct pollfd poll_fd = {.fd = program->pid_fd, .events = POLLIN};
    bool ended = true;
    if (program->pid <= 0)
        return false;
    program_release(program);
    if (poll(&poll_fd, 1, 2 * ORACLE_WAIT_MS) != 1) {
        kill(program->pid, SIGKILL);
        ended = false;
    }
    waitpid(program->pid, &truth->status, 0);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    close(program->pid_fd);
    close(program->answers);
    slurp(program->out, truth->printed, sizeof truth->printed);
    slurp(program->err, truth->complained, sizeof truth->complained);
    return ended;
}

/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_FD = 3, DEEPEST_FAMILY = 64 };

struct message {
    enum launch_stage stage;
    int error;
    int64_t prepared;
};

struct signals {
    sigset_t taken, before;
    struct sigaction child_before; /* SIGCHLD may come to us ignored, which would lose the status */
};

/* Everything that can be sent to us is taken off the queue by sigwaitinfo(). Faults of our own are
 * not: blocked, they would end us all the same. */
static void signals_take(struct signals *signals)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    struct sigaction default_action = {.sa_handler = SIG_DFL};
    sigfillset(&signals->taken);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&signals->taken, faults[i]);
    sigaction(SIGCHLD, &default_action, &signals->child_before);
    sigprocmask(SIG_BLOCK, &signals->taken, &signals->before);
}

static void signals_give_back(const struct signals *signals)
{
    sigaction(SIGCHLD, &signals->child_before, NULL);
    sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

/* --- the child --- */

static void tell(int fd, enum launch_stage stage, int error, int64_t prepared)
{
    struct message message = {stage, error, prepared};
    ssize_t written = write(fd, &message, sizeof message);
    (void)written; /* the parent is gone: nobody to tell */
}

/* execv, and for a file of no known format /bin/sh, as execvp does. */
static void execute(const char *path, char *const argv[])
{
    execv(path, argv);
    if (errno != ENOEXEC)
        return;
    size_t count = 0;
    while (argv[count])
        count++;
    char **shell = calloc(count + 3, sizeof *shell);
    if (!shell)
        return;
    shell[0] = (char *)"/bin/sh";
    shell[1] = (char *)path;
    for (size_t i = 1; i < count; i++)
        shell[i + 1] = argv[i];
    execv(shell[0], shell);
}

static void run_child(const struct launch *launch, const struct signals *signals, int report)
{
    int64_t prepared = launch->prepare(launch->context);
    if (prepared < 0) {
        tell(report, LAUNCH_PREPARE, (int)-prepared, 0);
        _exit(125);
    }
    tell(report, LAUNCH_RAN, 0, prepared);
    signals_give_back(signals);
    execute(launch->path, launch->argv);
    tell(report, LAUNCH_EXEC, errno, 0);
    _exit(126);
}

/* --- the parent --- */

static void read_report(struct launch *launch, int fd)
{
    struct message message;
    ssize_t got;
    launch->stage = LAUNCH_PREPARE;
    launch->error = EIO; /* if the child dies without a word */
    do {
        got = read(fd, &message, sizeof message);
        if (got != (ssize_t)sizeof message)
            continue;
        launch->stage = message.stage;
        launch->error = message.error;
        if (message.stage == LAUNCH_RAN)
            launch->prepared = message.prepared;
    } while (got > 0 || (got < 0 && errno == EINTR));
}

/* A pipe whose end we kept would never report its end to the other side. */
static void let_go_of_descriptors(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    close_range(STDERR_FILENO + 1, ~0U, 0);
}

static pid_t parent_of(pid_t pid)
{
    char path[40];
    char text[512];
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *name_end = strrchr(text, ')'); /* the name before it may hold anything */
    if (name_end && strlen(name_end) > 4)
        parent = strtol(name_end + 4, NULL, 10);
    return (pid_t)parent;
}

/* Does it come from the program itself or one of its children? */
static bool from_within(pid_t sender, pid_t child)
{
    for (int depth = 0; sender > 1 && depth < DEEPEST_FAMILY; depth++) {
        if (sender == child)
            return true;
        sender = parent_of(sender);
    }
    return false;
}

/*
 * A signal of the terminal (SI_KERNEL: ^C, ^\, ^Z, a new window size, a hang-up) went to every
 * process of the foreground group, so the program has it already. So it has what it or its
 * children sent to their process group.
 */
static bool to_pass_on(const siginfo_t *info, pid_t child)
{
    static const int of_terminal[] = {SIGINT,  SIGQUIT, SIGTSTP,  SIGTTIN,
                                      SIGTTOU, SIGHUP,  SIGWINCH, SIGCONT};
    if (info->si_code > 0) {
        for (size_t i = 0; i < sizeof of_terminal / sizeof *of_terminal; i++)
            if (info->si_signo == of_terminal[i])
                return false;
        return true; /* a timer set before softclose was executed */
    }
    return !from_within(info->si_pid, child);
}

static void pass_on(const siginfo_t *info, pid_t child)
{
    if (info->si_code == SI_QUEUE)
        sigqueue(child, info->si_signo, info->si_value);
    else
        kill(child, info->si_signo);
}

/* Stops as the program stopped, so that the shell sees the job stopped; returns when continued. */
static void stop_too(int number)
{
    sigset_t only;
    sigset_t pending;
    struct sigaction action = {.sa_handler = SIG_DFL};
    struct sigaction before;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGCONT))
        return; /* continued already: raising a stop signal now would discard that */
    if (number == SIGSTOP) {
        raise(SIGSTOP);
        return;
    }
    sigemptyset(&only);
    sigaddset(&only, number);
    sigaction(number, &action, &before);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    sigprocmask(SIG_BLOCK, &only, NULL);
    sigaction(number, &before, NULL);
}

/* After we were continued: was the program, too (by a signal to the group)? */
static bool still_stopped(pid_t child)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WCONTINUED | WNOHANG) != 0 || info.si_pid == 0;
}

static int supervise(pid_t child, const struct signals *signals)
{
    bool stopped = false;
    for (;;) {
        int status;
        while (waitpid(child, &status, WNOHANG | WUNTRACED) == child) {
            if (!WIFSTOPPED(status))
                return status;
            stopped = true;
            stop_too(WSTOPSIG(status));
        }
        siginfo_t info;
        int number = sigwaitinfo(&signals->taken, &info);
        if (number < 0 || number == SIGCHLD)
            continue;
        if (number == SIGCONT && stopped) {
            stopped = false;
            if (still_stopped(child))
                kill(child, SIGCONT);
        } else if (to_pass_on(&info, child)) {
            pass_on(&info, child);
        }
    }
}

/* A pipe above the standard streams, even where some of those are closed. */
static int make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, REPORT_FD);
    close(low[0]);
    close(low[1]);
    return ends[0] < 0 || ends[1] < 0 ? -1 : 0;
}

void launch_run(struct launch *launch)
{
    struct signals signals;
    int ends[2];
    launch->stage = LAUNCH_FORK;
    if (make_pipe(ends) < 0) {
        launch->error = errno;
        return;
    }
    signals_take(&signals);
    launch->pid = fork();
    if (launch->pid < 0) {
        launch->error = errno;
        signals_give_back(&signals);
        return;
    }
    if (launch->pid == 0)
        run_child(launch, &signals, ends[1]);
    close(ends[1]);
    read_report(launch, ends[0]);
    let_go_of_descriptors();
    launch->status = supervise(launch->pid, &signals);
}

int launch_end_like(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    struct sigaction action = {.sa_handler = SIG_DFL};
    const struct rlimit no_core = {0};
    sigset_t only;
    setrlimit(RLIMIT_CORE, &no_core);
    prctl(PR_SET_DUMPABLE, 0); /* a core_pattern with a pipe ignores the limit */
    sigaction(number, &action, NULL);
    sigemptyset(&only);
    sigaddset(&only, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    return 128 + number; /* only if the kernel would not let us die of it */
}

/* SPDX-License-Identifier: MIT */
/*
 * actions: what a program sees of its signals' actions, whoever else has set one. Every function
 * that sets an action, before and after the program's own handler; what was inherited; blocked
 * signals; deaths. Prints what it finds: with and without softclose the same.
 *
 *   actions inherited     what the caller has left for SIGTERM; then the default, and dies of it
 *   actions first         does SIGTERM arrive at all (not at the first process of a PID namespace)?
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* they are what is tested */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

static void information(int number, siginfo_t *information, void *context)
{
    (void)context;
    handled = information->si_pid == getpid() ? number : -1;
}

static const char *name_of(sighandler_t action)
{
    return action == SIG_DFL                                     ? "default"
           : action == SIG_IGN                                   ? "ignore"
           : action == SIG_ERR                                   ? "error"
           : action == SIG_HOLD                                  ? "hold"
           : action == handler                                   ? "handler"
           : action == (sighandler_t)(void (*)(void))information ? "information"
                                                                 : "SOMETHING ELSE";
}

static void show(const char *when, int number)
{
    struct sigaction now;
    unsigned blocked = 0;

    sigaction(number, NULL, &now);
    for (int other = 1; other < NSIG; other++)
        blocked += sigismember(&now.sa_mask, other) == 1;
    printf("%s: SIG%s %s, flags %#x, mask %u\n", when, sigabbrev_np(number),
           name_of(now.sa_handler), (unsigned)now.sa_flags, blocked);
    fflush(stdout);
}

static sighandler_t by_sigaction(int number, sighandler_t action)
{
    struct sigaction new = {.sa_handler = action, .sa_flags = SA_NODEFER}, old;
    sigaddset(&new.sa_mask, SIGHUP);
    return sigaction(number, &new, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static sighandler_t by_information(int number, sighandler_t action)
{
    struct sigaction new = {.sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    new.sa_sigaction = action == handler
                           ? information
                           : (void (*)(int, siginfo_t *, void *))(void (*)(void))action;
    return sigaction(number, &new, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static struct {
    const char *name;
    sighandler_t (*set)(int number, sighandler_t action);
} setters[] = {{"sigaction", by_sigaction}, {"SA_SIGINFO", by_information},
               {"signal", signal},          {"sigset", sigset},
               {"sysv_signal", NULL},       {"__sysv_signal", NULL},
               {"bsd_signal", NULL},        {"ssignal", NULL}};

/* A child that raises the signal, or that `how` kills: what its parent is told. */
static void die(const char *what, int number, void (*how)(int number))
{
    int status;

    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        how(number);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    printf("%s: %s %d%s\n", what, WIFSIGNALED(status) ? "killed by" : "exits with",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
           WIFSIGNALED(status) && WCOREDUMP(status) ? ", core" : "");
}

static void at_itself(int number)
{
    raise(number);
}

static void blocked_first(int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void *sleeper(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void at_thread(int number)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, sleeper, NULL) == 0 && pthread_kill(thread, number) == 0)
        pthread_join(thread, NULL);
}

static void from_outside(int number)
{
    pid_t parent = getpid();

    if (fork() == 0) {
        kill(parent, number);
        _exit(0);
    }
    for (;;)
        pause();
}

static void each_setter(const char *name, sighandler_t (*set)(int, sighandler_t))
{
    static const sighandler_t actions[] = {handler, SIG_DFL, SIG_IGN, SIG_DFL, handler};

    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        sighandler_t old = set(SIGTERM, actions[i]);
        printf("%s(%s) = %s\n", name, name_of(actions[i]), name_of(old));
        show(name, SIGTERM);
        if (actions[i] == SIG_DFL)
            die(name, SIGTERM, at_itself);
        handled = 0;
        if (actions[i] == handler && raise(SIGTERM) == 0)
            printf("%s: handled %d\n", name, (int)handled);
    }
    printf("%s(-1) = %s, %s\n", name, name_of(set(-1, SIG_DFL)), strerrorname_np(errno));
    set(SIGTERM, SIG_DFL);
}

static void waits(void)
{
    struct timespec none = {0, 0};
    struct signalfd_siginfo taken = {0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTERM);
    printf("sigtimedwait: %d\n", sigtimedwait(&set, NULL, &none));
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    raise(SIGTERM);
    if (read(fd, &taken, sizeof taken) == (ssize_t)sizeof taken)
        printf("signalfd: %u\n", taken.ssi_signo);
    close(fd);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void others(void)
{
    printf("sigset(hold) = %s\n", name_of(sigset(SIGTERM, SIG_HOLD)));
    printf("sigset(default) = %s\n", name_of(sigset(SIGTERM, SIG_DFL)));
    printf("siginterrupt = %d\n", siginterrupt(SIGTERM, 1));
    show("siginterrupt", SIGTERM);
    printf("signal(handler) = %s\n", name_of(signal(SIGTERM, handler)));
    show("signal", SIGTERM);
    printf("sigignore = %d\n", sigignore(SIGTERM));
    show("sigignore", SIGTERM);
    printf("signal(default) = %s\n", name_of(signal(SIGTERM, SIG_DFL)));
}

static int inherited(void)
{
    show("inherited", SIGTERM);
    raise(SIGTERM);
    printf("signal(default) = %s\n", name_of(signal(SIGTERM, SIG_DFL)));
    fflush(stdout);
    raise(SIGTERM);
    return 1;
}

static int first(void)
{
    kill(getpid(), SIGTERM);
    show("still here", SIGTERM);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR1};

    if (argc == 2)
        return strcmp(argv[1], "first") == 0 ? first() : inherited();
    setrlimit(RLIMIT_CORE, &core);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        show("at first", numbers[i]);
        die("raised", numbers[i], at_itself);
        die("blocked first", numbers[i], blocked_first);
        die("at a thread", numbers[i], at_thread);
        die("from outside", numbers[i], from_outside);
        show("still", numbers[i]);
    }
    for (size_t i = 0; i < sizeof setters / sizeof *setters; i++) {
        if (setters[i].set == NULL)
            *(void **)&setters[i].set = dlsym(RTLD_DEFAULT, setters[i].name);
        if (setters[i].set != NULL)
            each_setter(setters[i].name, setters[i].set);
    }
    others();
    waits();
    return 0;
}

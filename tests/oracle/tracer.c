/* SPDX-License-Identifier: MIT */
/*
 * Resets from the tracepoint tcp:tcp_send_reset, through tracefs instances of our own, so that
 * nobody else's tracing is touched. The tracepoint fires for every namespace of the machine: what
 * is not from or to the address of the case is left out.
 */
#include "oracle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"
#define INSTANCES TRACING "/instances"
#define NAME "softclose-oracle-"

enum { INSTANCES_MAX = 16 };

static char made[INSTANCES_MAX][96];
static char directory[] = "/tmp/softclose-oracle.XXXXXX";
static char logs[INSTANCES_MAX][sizeof directory + 16];
static pid_t workers[INSTANCES_MAX];
static pid_t owner;

const char *oracle_missing(void)
{
    static char format[8192];
    if (geteuid() != 0)
        return "not root";
    int fd = open(TRACING "/events/tcp/tcp_send_reset/format", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return "no tracepoint tcp:tcp_send_reset (tracefs not mounted, or Linux before 6.12)";
    ssize_t length = read(fd, format, sizeof format - 1);
    close(fd);
    format[length > 0 ? length : 0] = '\0';
    if (!strstr(format, "TCP_ABORT_ON_CLOSE"))
        return "tcp:tcp_send_reset has no reasons (Linux before 6.12)";
    if (access(INSTANCES, W_OK) != 0)
        return "no tracefs instances";
    return NULL;
}

bool oracle_again(struct timespec *since, long wait_ms)
{
    const struct timespec pause = {.tv_nsec = 500000};
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (since->tv_sec == 0)
        *since = now;
    if ((now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000 > wait_ms)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

static bool write_file(const char *instance, const char *name, const char *value)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s", instance, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    return close(fd) == 0 && done;
}

/* Whatever a killed run has left behind. */
static void remove_stale(void)
{
    DIR *instances = opendir(INSTANCES);
    struct dirent *entry;
    while (instances && (entry = readdir(instances))) {
        if (strncmp(entry->d_name, NAME, strlen(NAME)) != 0)
            continue;
        char path[320];
        pid_t pid = (pid_t)strtol(entry->d_name + strlen(NAME), NULL, 10);
        snprintf(path, sizeof path, INSTANCES "/%s", entry->d_name);
        if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH)
            rmdir(path);
    }
    if (instances)
        closedir(instances);
}

void tracer_remove_all(void)
{
    if (getpid() != owner)
        return;
    for (int i = 0; i < INSTANCES_MAX; i++) {
        if (workers[i] > 0 && kill(workers[i], SIGKILL) == 0)
            waitpid(workers[i], NULL, 0);
        workers[i] = 0;
    }
    for (int i = 0; i < INSTANCES_MAX; i++) {
        const struct timespec pause = {.tv_nsec = 1000000};
        /* Busy until the last reader of trace_pipe has let go of it. */
        for (int tries = 0; made[i][0] && tries < 1000 && rmdir(made[i]) != 0; tries++)
            nanosleep(&pause, NULL);
        made[i][0] = '\0';
        unlink(logs[i]);
    }
    rmdir(directory);
}

pid_t tracer_owner(void)
{
    return owner;
}

const char *tracer_log(int number)
{
    return logs[number];
}

static void on_signal(int signal)
{
    if (getpid() == owner) {
        for (int fd = 3; fd < 64; fd++) /* a trace_pipe of ours would keep the instance busy */
            close(fd);
        tracer_remove_all();
    }
    raise(signal); /* SA_RESETHAND: the default action, once the handler has returned */
}

bool tracer_make(int number)
{
    if (owner == 0) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
        owner = getpid();
        if (!mkdtemp(directory))
            return false;
        remove_stale();
        atexit(tracer_remove_all);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
    }
    snprintf(logs[number], sizeof *logs, "%s/%d.jsonl", directory, number);
    snprintf(made[number], sizeof *made, INSTANCES "/" NAME "%d-%d", (int)owner, number);
    if (mkdir(made[number], 0700) != 0) {
        made[number][0] = '\0';
        return false;
    }
    return write_file(made[number], "buffer_size_kb", "1024") &&
           write_file(made[number], "events/tcp/tcp_send_reset/enable", "1");
}

void tracer_worker(pid_t pid)
{
    for (int i = 0; i < INSTANCES_MAX; i++) {
        if (workers[i] == 0) {
            workers[i] = pid;
            return;
        }
    }
}

void tracer_worker_done(pid_t pid)
{
    for (int i = 0; i < INSTANCES_MAX; i++)
        if (workers[i] == pid)
            workers[i] = 0;
}

bool tracer_open(struct tracer *tracer, int number)
{
    char path[128];
    snprintf(path, sizeof path, "%s/trace_pipe", made[number]);
    *tracer = (struct tracer){.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    return tracer->fd >= 0;
}

/* "src=127.0.0.1:80" or "src=[::1]:80": is it the address, and which port? */
static bool endpoint(const char *line, const char *key, const char *address, uint16_t *port)
{
    char text[80] = "";
    const char *at = strstr(line, key);
    if (!at || sscanf(at + strlen(key), "%79s", text) != 1)
        return false;
    char *colon = strrchr(text, ':');
    if (!colon)
        return false;
    *port = (uint16_t)strtol(colon + 1, NULL, 10);
    *colon = '\0';
    char *host = text;
    if (*host == '[') {
        host++;
        host[strcspn(host, "]")] = '\0';
    }
    return strcmp(host, address) == 0;
}

static void take_line(const char *line, const char *address, struct resets *out)
{
    struct reset reset = {0};
    if (strstr(line, "LOST") && strstr(line, "EVENTS"))
        out->lost = true;
    const char *reason = strstr(line, "reason=");
    bool from_here = endpoint(line, "src=", address, &reset.source);
    bool to_here = endpoint(line, "dest=", address, &reset.target);
    if (!reason || !(from_here || to_here))
        return;
    sscanf(reason, "reason=%39[A-Z0-9_a-z]", reset.reason);
    if (out->count < ORACLE_RESETS)
        out->list[out->count++] = reset;
    else
        out->lost = true;
}

void tracer_collect(struct tracer *tracer, const char *address, struct resets *out)
{
    ssize_t n;
    while ((n = read(tracer->fd, tracer->rest + tracer->length,
                     sizeof tracer->rest - 1 - tracer->length)) > 0) {
        tracer->length += (size_t)n;
        tracer->rest[tracer->length] = '\0';
        char *line = tracer->rest, *end;
        while ((end = strchr(line, '\n'))) {
            *end = '\0';
            take_line(line, address, out);
            line = end + 1;
        }
        tracer->length = strlen(line);
        if (tracer->length == sizeof tracer->rest - 1)
            tracer->length = 0; /* a line that long is none of ours */
        memmove(tracer->rest, line, tracer->length);
    }
}

void tracer_await(struct tracer *tracer, const char *address, uint16_t port, size_t count,
                  struct resets *out)
{
    struct timespec since = {0};
    size_t seen;
    do {
        seen = 0;
        tracer_collect(tracer, address, out);
        for (size_t i = 0; i < out->count; i++)
            seen += port == 0 || out->list[i].source == port;
    } while (seen < count && oracle_again(&since, ORACLE_WAIT_MS));
}

/* SPDX-License-Identifier: MIT */
/*
 *   loader wait PLUGIN    while one thread is within dlopen(), whose lock is held until the other
 * is done, the other closes with unread data, forks, starts programs loader unload PLUGIN  the
 * plugin closes with unread data and is unloaded; then memory is used, and a forked child closes
 * another connection, and the program one that the plugin had made
 */
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"

extern char **environ;

static int tell[2], go[2];

static void *use_everything(void *argument)
{
    char name[] = "true", *arguments[] = {name, NULL}, byte = 0;
    struct pair pair = pair_make(10);
    int status = 0;
    pid_t pid;
    FILE *stream;

    (void)argument;
    if (read(tell[0], &byte, 1) != 1)
        pair_fail("read");
    close(pair.subject);
    printf("close: %s\n", pair_view(pair.peer));
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0)
        waitpid(pid, &status, 0);
    printf("posix_spawn: %d\n", status);
    printf("system: %d\n", system("exit 2"));
    stream = popen("exit 3", "r");
    printf("popen: %d\n", stream == NULL ? -1 : pclose(stream));
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execv("/bin/true", arguments);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    printf("fork and exec: %d\n", status);
    pid = vfork();
    if (pid == 0) {
        execv("/bin/true", arguments);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    printf("vfork and exec: %d\n", status);
    if (write(go[1], &byte, 1) != 1)
        pair_fail("write");
    return NULL;
}

static void wait_within(const char *plugin)
{
    char text[16];
    pthread_t thread;

    pair_must(pipe(tell), "pipe");
    pair_must(pipe(go), "pipe");
    snprintf(text, sizeof text, "%d", tell[1]);
    setenv("PLUGIN_TELL", text, 1);
    snprintf(text, sizeof text, "%d", go[0]);
    setenv("PLUGIN_WAIT", text, 1);
    if (pthread_create(&thread, NULL, use_everything, NULL) != 0)
        pair_fail("pthread_create");
    printf("dlopen: %s\n", dlopen(plugin, RTLD_NOW) == NULL ? dlerror() : "done");
    pthread_join(thread, NULL);
}

static void unload(const char *plugin)
{
    struct pair pair = pair_make(10), other = pair_make(10), left = pair_make(10);
    void *handle = dlopen(plugin, RTLD_NOW);
    int (*plugin_close)(int fd) =
        handle == NULL ? NULL : (int (*)(int))dlsym(handle, "plugin_close");
    int (*plugin_dup)(int fd) = handle == NULL ? NULL : (int (*)(int))dlsym(handle, "plugin_dup");

    if (plugin_close == NULL || plugin_dup == NULL)
        pair_fail("dlopen");
    int made_there = plugin_dup(left.subject); /* still open when the library has gone */
    close(left.subject);
    plugin_close(pair.subject);
    printf("close: %s\n", pair_view(pair.peer));
    printf("dlclose: %d\n", dlclose(handle));
    for (int i = 0; i < 2000; i++) { /* what was freed is used again */
        size_t size = (size_t)(i % 200 + 8);
        char *memory = malloc(size);
        if (memory != NULL)
            memset(memory, '#', size);
    }
    fflush(stdout);
    if (fork() == 0) {
        close(other.subject);
        _exit(0);
    }
    wait(NULL);
    close(other.subject);
    printf("close: %s\n", pair_view(other.peer));
    printf("close of what the library had made: %d, ", close(made_there));
    printf("the peer sees: %s\n", pair_view(left.peer));
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    alarm(20); /* waits for ever otherwise, when something waits for ld.so's lock */
    if (strcmp(arguments[1], "wait") == 0)
        wait_within(arguments[2]);
    else
        unload(arguments[2]);
    return 0;
}

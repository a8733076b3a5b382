/* SPDX-License-Identifier: MIT */
/*
 * A library with a pthread_atfork() handler that raises a signal once when it is armed. As a
 * library of the program it is initialised before preloaded ones, so its handler runs after theirs.
 */
#include <pthread.h>
#include <signal.h>

void handlers_arm(void);

static volatile sig_atomic_t armed;

void handlers_arm(void)
{
    armed = 1;
}

static void prepare(void)
{
    if (armed) {
        armed = 0;
        raise(SIGUSR1);
    }
}

__attribute__((constructor)) static void begin(void)
{
    pthread_atfork(prepare, NULL, NULL);
}

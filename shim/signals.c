/* SPDX-License-Identifier: MIT */
#include "shim/signals.h"

#include <stddef.h>
#include <stdint.h>

#include "shim/ending.h"
#include "shim/observation.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/start.h"

static uint64_t named;     /* bit N-1: the policy names signal N */
static uint64_t untouched; /* the program has not set an action for it */

static uint64_t bit_of(int number)
{
    return number >= 1 && number <= 64 ? 1ull << (number - 1) : 0;
}

bool signals_ours(int number)
{
    return (__atomic_load_n(&named, __ATOMIC_RELAXED) & bit_of(number)) != 0;
}

/* Closes softly, then dies of the signal as the program would have. */
static void die_softly(int number)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    uint64_t only = bit_of(number), all = ~0ull;

    /* Nothing else comes between: a second signal would find half of it done. The program's mask
     * for this signal may be any. */
    raw_call(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
    ending_exit(__builtin_return_address(0));
    REAL(sigaction)(number, &standard, NULL);
    long process = raw_call(SYS_getpid), thread = raw_call(SYS_gettid);
    raw_call(SYS_tgkill, process, thread, number);
    raw_call(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, NULL, sizeof only);
}

sighandler_t signals_install(int number, sighandler_t handler)
{
    return signals_ours(number) && handler == SIG_DFL ? die_softly : handler;
}

sighandler_t signals_show(int number, sighandler_t handler)
{
    if (handler != SIG_ERR)
        __atomic_and_fetch(&untouched, ~bit_of(number), __ATOMIC_RELAXED);
    return handler == die_softly ? SIG_DFL : handler;
}

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before, ours;

    if (action != NULL) {
        ours = *action;
        /* With SIG_DFL the kernel does not look at SA_SIGINFO. */
        ours.sa_handler = signals_install(number, ours.sa_handler);
        action = &ours;
    }
    if (REAL(sigaction)(number, action, &before) != 0)
        return -1;
    if (before.sa_handler == die_softly) {
        if ((__atomic_load_n(&untouched, __ATOMIC_RELAXED) & bit_of(number)) != 0)
            before = (struct sigaction){0};
        before.sa_handler = SIG_DFL;
    }
    if (old != NULL)
        *old = before;
    if (action != NULL)
        __atomic_and_fetch(&untouched, ~bit_of(number), __ATOMIC_RELAXED);
    return 0;
}

/* After the start, before main(): what the program installs later wins. */
__attribute__((constructor(102))) static void construct(void)
{
    struct sigaction ours = {.sa_handler = die_softly}, now;
    struct settings settings;

    if (!start_maybe() || !start_enter() || !observation_enforces())
        return;
    /* Signals whose action is the default one do not kill the first process of a PID namespace, as
     * in a container (pid_namespaces(7)); with a handler they would arrive. */
    if (raw_call(SYS_getpid) == 1)
        return;
    observation_process_settings(&settings);
    sigfillset(&ours.sa_mask);
    for (int number = 1; number <= 64; number++) {
        if ((settings.on_signal & bit_of(number)) == 0)
            continue;
        named |= bit_of(number);
        if (REAL(sigaction)(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL &&
            REAL(sigaction)(number, &ours, NULL) == 0)
            untouched |= bit_of(number);
    }
}

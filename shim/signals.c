/* SPDX-License-Identifier: MIT */
#include "shim/signals.h"

#include <stddef.h>
#include <stdint.h>

#include "shim/ending.h"
#include "shim/observation.h"
#include "shim/raw.h"
#include "shim/real.h"
#include "shim/start.h"

static uint64_t standing_in; /* bit N-1: ours is installed for signal N */

static uint64_t bit_of(int number)
{
    return number >= 1 && number <= 64 ? 1ull << (number - 1) : 0;
}

bool signals_ours(int number)
{
    return (__atomic_load_n(&standing_in, __ATOMIC_RELAXED) & bit_of(number)) != 0;
}

/* Closes softly, then dies of the signal as the program would have. */
static void die_softly(int number)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    uint64_t only = bit_of(number);

    ending_exit(__builtin_return_address(0));
    REAL(sigaction)(number, &standard, NULL);
    raw_call(SYS_tgkill, raw_call(SYS_getpid), raw_call(SYS_gettid), number);
    raw_call(SYS_rt_sigprocmask, SIG_UNBLOCK, &only, NULL, sizeof only);
}

static int stand_in(int number)
{
    struct sigaction ours = {.sa_handler = die_softly};

    /* Nothing else comes between: a second signal would find half of it done. */
    sigfillset(&ours.sa_mask);
    return REAL(sigaction)(number, &ours, NULL);
}

/* After the start, before main(): what the program installs later wins. */
__attribute__((constructor(102))) static void construct(void)
{
    struct settings settings;

    if (!start_maybe() || !start_enter() || !observation_enforces())
        return;
    observation_process_settings(&settings);
    /* Those whose default action does not end the process need no closing. */
    settings.on_signal &= ~(bit_of(SIGCHLD) | bit_of(SIGURG) | bit_of(SIGWINCH) | bit_of(SIGCONT) |
                            bit_of(SIGSTOP) | bit_of(SIGTSTP) | bit_of(SIGTTIN) | bit_of(SIGTTOU));
    for (int number = 1; number <= 64; number++) {
        struct sigaction now;
        if ((settings.on_signal & bit_of(number)) == 0 ||
            REAL(sigaction)(number, NULL, &now) != 0 || now.sa_handler != SIG_DFL)
            continue;
        if (stand_in(number) == 0)
            standing_in |= bit_of(number);
    }
}

int signals_action(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction before;
    int result = REAL(sigaction)(number, action, &before);

    if (result != 0)
        return result;
    if (before.sa_handler == die_softly)
        before = (struct sigaction){.sa_handler = SIG_DFL};
    if (old != NULL)
        *old = before;
    if (action != NULL && (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL)
        stand_in(number);
    return 0;
}

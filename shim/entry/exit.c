/* SPDX-License-Identifier: MIT */
/*
 * Ends of the process that run no handlers. Return from main, exit(3) and quick_exit(3) end in
 * handlers registered at the start (ending.c); here the rest.
 */
#include <stdlib.h>
#include <unistd.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"
#include "shim/raw.h"

EXPORT void _exit(int status)
{
    if (start_maybe())
        ending_exit(CALLER);
    ending_yield();
    REAL(_exit)(status);
    raw_call(SYS_exit_group, status); /* never reached; tells the compiler that nothing returns */
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    if (start_maybe())
        ending_exit(CALLER);
    ending_yield();
    REAL(_Exit)(status);
    raw_call(SYS_exit_group, status);
    __builtin_unreachable();
}

/* Our handler of it comes last; but a second thread finds none left, and would be the first to
 * reach libc's end of the process. */
EXPORT void exit(int status)
{
    ending_yield();
    REAL(exit)(status);
    raw_call(SYS_exit_group, status);
    __builtin_unreachable();
}

/* at_quick_exit(3). The constructor of a library that the program is linked with may come before
 * ours. */
int __cxa_at_quick_exit(void (*handler)(void *), void *library);

EXPORT int __cxa_at_quick_exit(void (*handler)(void *), void *library)
{
    ending_before_quick_exit();
    return REAL(__cxa_at_quick_exit)(handler, library);
}

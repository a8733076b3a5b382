/* SPDX-License-Identifier: MIT */
/*
 * Ends of the process that run no destructor. Return from main and exit(3) end in the library's
 * destructor, quick_exit(3) in a handler registered at the start (start.c); here the rest.
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
    REAL(_exit)(status);
    raw_call(SYS_exit_group, status); /* never reached; tells the compiler that nothing returns */
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    if (start_maybe())
        ending_exit(CALLER);
    REAL(_Exit)(status);
    raw_call(SYS_exit_group, status);
    __builtin_unreachable();
}

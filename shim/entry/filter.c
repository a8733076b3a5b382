/* SPDX-License-Identifier: MIT */
/*
 * prctl(2) with PR_SET_SECCOMP: a program that filters its own system calls did not count on ours,
 * and the filter may kill it for one. From then on softclose asks nothing and writes nothing.
 */
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "shim/ending.h"
#include "shim/entry/entry.h"

int entry_prctl(int option, const unsigned long words[4], prctl_function *call)
{
    /* A filter at NULL is a question whether filters are there (EFAULT). */
    bool filters = option == PR_SET_SECCOMP && start_maybe() &&
                   !(words[0] == SECCOMP_MODE_FILTER && words[1] == 0);
    bool stopped = filters && ending_filter();
    int result = call(option, words[0], words[1], words[2], words[3]);

    if (result != 0 && stopped)
        ending_filter_failed();
    return result;
}

EXPORT int prctl(int option, ...)
{
    unsigned long words[4];
    va_list list;

    va_start(list, option);
    for (int i = 0; i < 4; i++)
        words[i] = va_arg(list, unsigned long);
    va_end(list);
    return entry_prctl(option, words, REAL(prctl));
}

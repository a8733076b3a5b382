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

EXPORT int prctl(int option, ...)
{
    va_list list;
    va_start(list, option);
    unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
    unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);

    /* A filter at NULL is a question whether filters are there (EFAULT). */
    if (option != PR_SET_SECCOMP || !start_maybe() || (a == SECCOMP_MODE_FILTER && b == 0))
        return REAL(prctl)(option, a, b, c, d);
    bool stopped = ending_filter();
    int result = REAL(prctl)(option, a, b, c, d);
    if (result != 0 && stopped)
        ending_filter_failed();
    return result;
}

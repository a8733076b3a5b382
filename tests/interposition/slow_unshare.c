/* SPDX-License-Identifier: MIT */
/* Loaded behind softclose: its unshare(2) returns 300 ms after the kernel has done it. */
#include <dlfcn.h>
#include <time.h>

__attribute__((visibility("default"))) int unshare(int flags)
{
    struct timespec pause = {0, 300000000};
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "unshare"); /* syscall() is softclose's, too */
    int result = next(flags);

    nanosleep(&pause, 0);
    return result;
}

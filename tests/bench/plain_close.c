/* SPDX-License-Identifier: MIT */
/*
 * plain_close COUNT: closes COUNT descriptors of /dev/null, opened a thousand at a time with
 * open(), which no preloaded library of the comparison wraps: the difference of two runs'
 * instructions is that of their closes.
 *
 * Prints nanoseconds per close, without the time of the opens.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

enum { BATCH = 900 };

int main(int argc, char **argv)
{
    static int files[BATCH];
    long count = argc > 1 ? atol(argv[1]) : 0;
    double took = 0;

    if (count <= 0 || count % BATCH != 0) {
        fprintf(stderr, "usage: plain_close COUNT (a multiple of %d)\n", BATCH);
        return 2;
    }
    for (long round = 0; round < count / BATCH; round++) {
        for (int i = 0; i < BATCH; i++)
            if ((files[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
                perror("plain_close: open");
                return 2;
            }
        double before = now_ns();
        for (int i = 0; i < BATCH; i++)
            close(files[i]);
        took += now_ns() - before;
    }
    printf("%.2f\n", took / (double)count);
    return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A connection that only an io_uring holds: registered with it, or in a request under way.
 *
 *   ring registered|in-flight|none [dlopen]
 *
 * Prints what the peer sees when the program has closed its descriptor, and what it sees when the
 * ring has let the connection go. The ring is made by syscall(), or by liburing, loaded by
 * dlopen(). "none": there is a ring or the library, and the connection has nothing to do with it.
 */
#include <dlfcn.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

static struct io_uring_params params;
static int ring;

static void make_by_library(void)
{
    static char structure[4096] __attribute__((aligned(16)));
    void *library = dlopen("liburing.so.2", RTLD_NOW | RTLD_LOCAL);
    int (*init)(unsigned, void *, unsigned);

    if (library == NULL) {
        puts("skipped: no liburing");
        _exit(77);
    }
    *(void **)&init = dlsym(library, "io_uring_queue_init");
    /* The library keeps the number of the ring to itself: the lowest that is free now. */
    ring = pair_must(dup(0), "dup");
    close(ring);
    if (init(4, structure, 0) != 0)
        pair_fail("io_uring_queue_init");
}

static void registered(int subject)
{
    pair_must((int)syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, &subject, 1),
              "IORING_REGISTER_FILES");
}

static void let_go(void)
{
    pair_must((int)syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_FILES, NULL, 0),
              "IORING_UNREGISTER_FILES");
}

static void *map_ring(size_t size, long offset)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
    if (memory == MAP_FAILED)
        pair_fail("mmap");
    return memory;
}

/* Submits a recv of the connection. */
static void start_receive(int subject, char *bytes, unsigned length)
{
    char *queue =
        map_ring(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = map_ring(params.sq_entries * sizeof *entry, IORING_OFF_SQES);

    *entry = (struct io_uring_sqe){
        .opcode = IORING_OP_RECV, .fd = subject, .addr = (unsigned long)bytes, .len = length};
    *(unsigned *)(void *)(queue + params.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(void *)(queue + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 0, 0, NULL, 0) != 1)
        pair_fail("io_uring_enter");
}

static void await_receive(void)
{
    char *queue = map_ring(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
                           IORING_OFF_CQ_RING);
    if (syscall(SYS_io_uring_enter, ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        pair_fail("io_uring_enter");
    printf("received %d\n", ((struct io_uring_cqe *)(void *)(queue + params.cq_off.cqes))->res);
}

int main(int count, char **arguments)
{
    char bytes[16];
    const char *what = count > 1 ? arguments[1] : "";
    bool flies = strcmp(what, "in-flight") == 0;

    if (count > 2)
        make_by_library();
    else if ((ring = (int)syscall(SYS_io_uring_setup, 4, &params)) < 0) {
        puts("skipped: no io_uring");
        return 77;
    }
    struct pair pair = pair_make(flies ? 0 : 100);
    if (flies)
        start_receive(pair.subject, bytes, sizeof bytes);
    else if (strcmp(what, "registered") == 0)
        registered(pair.subject);
    pair_must(close(pair.subject), "close");
    printf("closed %s\n", pair_view(pair.peer));
    if (flies && send(pair.peer, bytes, 5, MSG_NOSIGNAL) != 5)
        printf("the peer cannot send\n");
    if (flies)
        await_receive();
    else if (strcmp(what, "registered") == 0)
        let_go();
    printf("end %s\n", pair_view_wait(pair.peer));
    return 0;
}

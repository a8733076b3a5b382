/* SPDX-License-Identifier: MIT */
/*
 * epoll_sets_test: a program that closes connections while they are in epoll sets of every kind,
 * and counts the events that it gets for them afterwards. Natively there are none: the kernel takes
 * a socket out of every set when its last descriptor is closed.
 *
 *   epoll_sets_test           every case, one line each; exit status 0 when there was no such event
 *   epoll_sets_test inherited FD     what it execs: uses the set that it inherits
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A socket that is being drained stays writable: it cannot be missed. */
#define ANY (EPOLLIN | EPOLLOUT)

enum { SETS = 3, LATE_PIECES = 8 };

struct pair {
    int fd, peer;
};

static uint64_t last_id;

static struct pair make_pair(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct pair pair;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    bind(listener, (struct sockaddr *)&address, length);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    pair.peer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(pair.peer, (struct sockaddr *)&address, length) != 0)
        exit(2);
    pair.fd = accept(listener, NULL, NULL);
    close(listener);
    return pair;
}

static bool add(int set, int fd, uint32_t events, uint64_t id)
{
    struct epoll_event event = {.events = events, .data.u64 = id};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Events of that id within the time; an inner set has id 0. */
static unsigned wait_for(int set, uint64_t id, int ms)
{
    struct epoll_event events[8];
    unsigned seen = 0;
    int count = epoll_wait(set, events, 8, ms);
    for (int i = 0; i < count; i++)
        seen += events[i].data.u64 == id;
    return seen;
}

static void lose(int fd, const char *road)
{
    if (strcmp(road, "dup2") == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, fd);
        close(null);
        close(fd);
    } else if (strcmp(road, "close_range") == 0) {
        close_range((unsigned)fd, (unsigned)fd, 0);
    } else if (strcmp(road, "syscall") == 0) {
        syscall(SYS_close, fd);
    } else if (strcmp(road, "fclose") == 0) {
        fclose(fdopen(fd, "r+"));
    } else if (strcmp(road, "shutdown") == 0) {
        shutdown(fd, SHUT_RDWR);
        close(fd);
    } else {
        close(fd);
    }
}

/* The peer goes on sending, then finishes; events of the id in any of the sets meanwhile. */
static unsigned dead_events(const int *sets, int count, int peer, uint64_t id)
{
    unsigned dead = 0;
    char rest[256];
    for (int piece = 0; piece < LATE_PIECES; piece++) {
        if (send(peer, "late data", 9, MSG_NOSIGNAL) != 9)
            break;
        for (int i = 0; i < count; i++)
            dead += wait_for(sets[i], id, 2);
    }
    shutdown(peer, SHUT_WR);
    while (recv(peer, rest, sizeof rest, 0) > 0)
        ;
    for (int i = 0; i < count; i++)
        dead += wait_for(sets[i], id, 10);
    close(peer);
    return dead;
}

/* In all these sets, live once, then closed. -1 when the set gave no event while it lived. */
static int play(const int *sets, int count, uint32_t events, const char *road)
{
    struct pair pair = make_pair();
    uint64_t id = ++last_id;
    for (int i = 0; i < count; i++)
        if (!add(sets[i], pair.fd, events, id))
            return -1;
    send(pair.peer, "unread", 6, MSG_NOSIGNAL);
    for (int i = 0; i < count; i++)
        if (wait_for(sets[i], id, 5000) == 0)
            return -1;
    lose(pair.fd, road);
    return (int)dead_events(sets, count, pair.peer, id);
}

static int play_roads(const int *sets, int count, uint32_t events)
{
    static const char *const roads[] = {"close",   "dup2",   "close_range",
                                        "syscall", "fclose", "shutdown"};
    int dead = 0;
    for (size_t i = 0; i < sizeof roads / sizeof *roads && dead >= 0; i++) {
        int now = play(sets, count, events, roads[i]);
        dead = now < 0 ? -1 : dead + now;
    }
    return dead;
}

static int one_set(uint32_t events)
{
    int set = epoll_create1(0), dead = play_roads(&set, 1, events);
    close(set);
    return dead;
}

static int case_level(void)
{
    return one_set(ANY);
}

static int case_edge(void)
{
    return one_set(ANY | EPOLLRDHUP | EPOLLET);
}

static int case_oneshot(void)
{
    return one_set(ANY | EPOLLONESHOT);
}

/* Armed again after its event, then closed. */
static int case_oneshot_armed(void)
{
    int set = epoll_create1(0);
    struct pair pair = make_pair();
    struct epoll_event event = {.events = ANY | EPOLLONESHOT, .data.u64 = ++last_id};
    add(set, pair.fd, event.events, last_id);
    epoll_ctl(set, EPOLL_CTL_MOD, pair.fd, &event);
    close(pair.fd);
    int dead = (int)dead_events(&set, 1, pair.peer, last_id);
    close(set);
    return dead;
}

static int case_exclusive(void)
{
    return one_set(ANY | EPOLLEXCLUSIVE);
}

static int case_several_sets(void)
{
    int sets[SETS];
    for (int i = 0; i < SETS; i++)
        sets[i] = epoll_create(1);
    int dead = play_roads(sets, SETS, ANY);
    for (int i = 0; i < SETS; i++)
        close(sets[i]);
    return dead;
}

/* The program waits on the outer one only: an event of the inner set would be one of the dead. */
static int case_nested(void)
{
    int inner = epoll_create1(0), outer = epoll_create1(0), outermost = epoll_create1(0);
    struct pair pair = make_pair();
    add(inner, pair.fd, ANY, 77);
    add(outer, inner, EPOLLIN, 0);
    add(outermost, outer, EPOLLIN, 0);
    send(pair.peer, "unread", 6, MSG_NOSIGNAL);
    if (wait_for(outermost, 0, 5000) == 0)
        return -1;
    close(pair.fd);
    int sets[] = {outermost, outer};
    int dead = (int)dead_events(sets, 2, pair.peer, 0);
    close(inner);
    close(outer);
    close(outermost);
    return dead;
}

static int case_by_syscall(void)
{
    int set = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC), dead = play_roads(&set, 1, ANY);
    close(set);
    return dead;
}

/* Only copies of the set's descriptor are left. */
static int case_copied_set(void)
{
    int first = epoll_create1(0), copies[] = {dup(first), fcntl(first, F_DUPFD_CLOEXEC, 50), 60};
    int dead = dup2(first, 60) == 60 ? 0 : -1;
    close(first);
    for (int i = 0; i < 3 && dead >= 0; i++) {
        int now = play_roads(&copies[i], 1, ANY);
        dead = now < 0 ? -1 : dead + now;
        close(copies[i]);
    }
    return dead;
}

/* The number of the closed one is given to another connection at once. */
static int case_number_used_again(void)
{
    int set = epoll_create1(0);
    struct pair old = make_pair(), new;
    uint64_t old_id = ++last_id, new_id = ++last_id;
    add(set, old.fd, ANY, old_id);
    send(old.peer, "unread", 6, MSG_NOSIGNAL);
    close(old.fd);
    new = make_pair();
    if (dup2(new.fd, old.fd) != old.fd || !add(set, old.fd, ANY, new_id))
        return -1;
    int dead = (int)dead_events(&set, 1, old.peer, old_id);
    send(new.peer, "unread", 6, MSG_NOSIGNAL);
    if (wait_for(set, new_id, 5000) == 0)
        return -1;
    close(new.fd);
    close(old.fd);
    dead += (int)dead_events(&set, 1, new.peer, new_id);
    close(set);
    return dead;
}

/* It is in the set under a number that was closed earlier than the last. */
static int case_added_as_copy(void)
{
    int set = epoll_create1(0);
    struct pair pair = make_pair();
    int copy = dup(pair.fd);
    uint64_t id = ++last_id;
    add(set, copy, ANY, id);
    send(pair.peer, "unread", 6, MSG_NOSIGNAL);
    close(copy);
    if (wait_for(set, id, 5000) == 0)
        return -1; /* natively, too: another descriptor is left */
    close(pair.fd);
    int dead = (int)dead_events(&set, 1, pair.peer, id);
    close(set);
    return dead;
}

static int result_of(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

static int case_inherited_by_fork(void)
{
    int set = epoll_create1(0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(play_roads(&set, 1, ANY) & 0xff);
    int dead = result_of(pid);
    close(set);
    return dead;
}

static int case_inherited_by_exec(void)
{
    char number[12];
    int set = epoll_create1(0);
    snprintf(number, sizeof number, "%d", set);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "epoll_sets_test", "inherited", number, (char *)NULL);
        _exit(255);
    }
    int dead = result_of(pid);
    close(set);
    return dead;
}

/* The set comes in a message. */
static int case_received(void)
{
    int ends[2], set = epoll_create1(0);
    char byte = 's';
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.space};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    memcpy(CMSG_DATA(&control.header), &set, sizeof set);
    if (sendmsg(ends[0], &message, 0) != 1 || recvmsg(ends[1], &message, 0) != 1)
        return -1;
    close(set);
    memcpy(&set, CMSG_DATA(&control.header), sizeof set);
    int dead = play_roads(&set, 1, ANY);
    close(set);
    close(ends[0]);
    close(ends[1]);
    return dead;
}

static const struct {
    const char *name;
    int (*play)(void);
} cases[] = {
    {"level-triggered", case_level},
    {"edge-triggered", case_edge},
    {"oneshot", case_oneshot},
    {"oneshot, armed again", case_oneshot_armed},
    {"exclusive", case_exclusive},
    {"several sets", case_several_sets},
    {"nested sets", case_nested},
    {"set made by syscall()", case_by_syscall},
    {"copies of the set's descriptor", case_copied_set},
    {"number used again", case_number_used_again},
    {"added under another number", case_added_as_copy},
    {"set inherited by fork", case_inherited_by_fork},
    {"set inherited by exec", case_inherited_by_exec},
    {"set received in a message", case_received},
};

/* Another descriptor keeps it open, as a careless drain would: then there must be events, or this
 * program could not tell. */
static bool can_tell(void)
{
    int set = epoll_create1(0);
    struct pair pair = make_pair();
    int kept = dup(pair.fd);
    uint64_t id = ++last_id;
    add(set, pair.fd, ANY, id);
    close(pair.fd);
    send(pair.peer, "data", 4, MSG_NOSIGNAL);
    bool seen = wait_for(set, id, 5000) > 0;
    close(kept);
    close(pair.peer);
    close(set);
    return seen;
}

int main(int argc, char **argv)
{
    int wrong = 0;
    if (argc == 3 && strcmp(argv[1], "inherited") == 0) {
        int set = (int)strtol(argv[2], NULL, 10);
        return play_roads(&set, 1, ANY) & 0xff;
    }
    if (!can_tell())
        return 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int dead = cases[i].play();
        wrong += dead != 0;
        if (dead < 0)
            printf("epoll: %s: no event while it lived\n", cases[i].name);
        else
            printf("epoll: %s: %d events for the dead\n", cases[i].name, dead);
        fflush(stdout);
    }
    return wrong ? 1 : 0;
}

/* SPDX-License-Identifier: MIT */
#include "shim/in_flight.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/carried.h"
#include "shim/facts.h"
#include "shim/own_fds.h"
#include "shim/process.h"
#include "shim/procfs.h"
#include "shim/raw.h"

enum { LISTENS = 10, ANSWER = 4096 }; /* udiag_state of a listener: TCP_LISTEN */

static const uint64_t HASTY_NS = 600000, PATIENT_NS = 20000000, ENDING_NS = 200000000;

/* Of the process's end, CLOCK_MONOTONIC ns: however many connections it has left. 0 = not begun. */
static uint64_t ending_until;

/* One question at a time: the answers come through one socket. */
static pid_t asking, opening;

void in_flight_start(bool at_start)
{
    if (own_fds_get(OWN_DIAG) >= 0 || !process_claim(&opening))
        return;
    long fd = raw_call(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       NETLINK_SOCK_DIAG);
    if (fd >= 0)
        own_fds_keep(OWN_DIAG, (int)fd, at_start);
    process_release(&opening);
}

void in_flight_forked(void)
{
    int fd = own_fds_get(OWN_DIAG);

    ending_until = 0;
    own_fds_lost(OWN_DIAG);
    if (fd >= 0) {
        raw_call(SYS_close, fd);
        in_flight_start(false);
    }
}

static bool send_question(int fd)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req wanted;
    } message = {
        .header = {.nlmsg_len = sizeof message,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .wanted = {.sdiag_family = AF_UNIX,
                   .udiag_states = ~0u,
                   .udiag_show = UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO | UDIAG_SHOW_PEER},
    };
    return raw_call(SYS_sendto, fd, &message, sizeof message, 0, NULL, 0) == (long)sizeof message;
}

/* The sockets in whose queues something waits. */
struct waiting {
    struct carriers carriers;
    bool more;          /* others, too, or the kernel did not say */
    bool not_seqpacket; /* some are no seqpacket sockets, as those of softclose's drain threads are
                         */
};

/* What waits for our own drain thread is what we have handed over, and nothing else. */
static unsigned own_queue;

static bool among(const struct carriers *carriers, unsigned inode)
{
    for (unsigned i = 0; i < carriers->count; i++)
        if (carriers->inodes[i] == inode)
            return true;
    return false;
}

/* One that nobody has accepted yet has no inode. */
static void add(struct waiting *waiting, unsigned inode)
{
    struct carriers *carriers = &waiting->carriers;

    if (among(carriers, inode) || (inode != 0 && inode == own_queue))
        return;
    if (inode != 0 && carriers->count < CARRIERS_MOST)
        carriers->inodes[carriers->count++] = inode;
    else
        waiting->more = true;
}

struct told {
    unsigned facts;     /* how many of them the kernel has told */
    unsigned bytes;     /* wait in its queue */
    unsigned elsewhere; /* memory that it has in the queues of others */
    bool joined;        /* to another one: */
    unsigned peer;
};

static void read_attribute(const struct rtattr *part, struct told *told)
{
    const unsigned *numbers = (const unsigned *)RTA_DATA(part);

    switch (part->rta_type) {
    case UNIX_DIAG_RQLEN:
        told->bytes = ((const struct unix_diag_rqlen *)RTA_DATA(part))->udiag_rqueue;
        told->facts++;
        break;
    case UNIX_DIAG_MEMINFO:
        told->elsewhere = numbers[SK_MEMINFO_WMEM_ALLOC];
        told->facts++;
        break;
    case UNIX_DIAG_PEER:
        told->joined = true;
        told->peer = numbers[0];
        break;
    default:
        break;
    }
}

/* A listener's queue is made of connections, of which the kernel does not tell: what waits in one
 * is seen by the memory that its sender has there, and so is a message of no bytes. */
static void read_socket(const struct nlmsghdr *header, struct waiting *waiting)
{
    const struct unix_diag_msg *socket = NLMSG_DATA(header);
    const char *end = (const char *)header + header->nlmsg_len;
    const struct rtattr *part = (const struct rtattr *)(const void *)(socket + 1);
    struct told told = {0};

    if (socket->udiag_state == LISTENS)
        return;
    while ((const char *)(part + 1) <= end && part->rta_len >= sizeof *part) {
        read_attribute(part, &told);
        part = (const struct rtattr *)(const void *)((const char *)part + RTA_ALIGN(part->rta_len));
    }
    if (told.facts < 2)
        waiting->more = true;
    if (told.bytes > 0)
        add(waiting, socket->udiag_ino);
    if (told.elsewhere > 0 && told.joined)
        add(waiting, told.peer);
    if ((told.bytes > 0 || told.elsewhere > 0) && socket->udiag_type != SOCK_SEQPACKET)
        waiting->not_seqpacket = true;
}

/* False after the last part. */
static bool read_part(const char *text, long length, struct waiting *waiting)
{
    for (long at = 0; at + (long)sizeof(struct nlmsghdr) <= length;) {
        const struct nlmsghdr *header = (const struct nlmsghdr *)(const void *)(text + at);
        if (header->nlmsg_type == NLMSG_DONE)
            return false;
        if (header->nlmsg_len < sizeof *header || header->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
            waiting->more = true;
            return false;
        }
        waiting->more |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        read_socket(header, waiting);
        at += NLMSG_ALIGN(header->nlmsg_len);
    }
    return true;
}

/* What is left of an answer would be taken for the next one's. */
static void read_away(int fd, char *text)
{
    while (raw_call(SYS_recvfrom, fd, text, ANSWER, 0, NULL, NULL) > 0) {
    }
}

static void ask(int fd, struct waiting *waiting)
{
    static char text[ANSWER] __attribute__((aligned(8)));
    long length;

    waiting->carriers.count = 0;
    waiting->not_seqpacket = false;
    own_queue = (unsigned)facts_inode(own_fds_get(OWN_DRAIN_FAR));
    waiting->more = !send_question(fd);
    if (waiting->more)
        return;
    do {
        length = raw_call(SYS_recvfrom, fd, text, sizeof text, 0, NULL, NULL);
        waiting->more |= length <= 0;
    } while (length > 0 && read_part(text, length, waiting));
    read_away(fd, text);
}

/* Whose queue has been empty meanwhile is out of it: what waited there at first has been received,
 * and a search through /proc will find it. */
static void keep_common(struct carriers *suspects, const struct carriers *now)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < suspects->count; i++)
        if (among(now, suspects->inodes[i]))
            suspects->inodes[kept++] = suspects->inodes[i];
    suspects->count = kept;
}

/* Until when what waits may take to be received. A drain thread receives at once, if the machine
 * lets it run; nothing is known of others. */
static uint64_t patient_until(const struct waiting *waiting, enum in_flight_patience patience,
                              uint64_t since)
{
    if (patience == IN_FLIGHT_HASTY)
        return since + HASTY_NS;
    if (patience == IN_FLIGHT_ENDING && ending_until == 0)
        ending_until = since + ENDING_NS;
    bool longer = patience == IN_FLIGHT_ENDING && !waiting->not_seqpacket && !waiting->more;
    return longer && ending_until > since + PATIENT_NS ? ending_until : since + PATIENT_NS;
}

/* It is not worth it each time: 20 us for each process. */
static bool time_to_acquit(int tries, int few)
{
    return tries == few || (tries > few && (tries & (tries - 1)) == 0);
}

static bool none_waits(int fd, bool alone, enum in_flight_patience patience)
{
    enum { FEW = 3, LONGEST_PAUSE = 1000000 };
    uint64_t since = process_now();
    struct timespec pause = {0, 300000};
    struct waiting now;
    struct carriers suspects = {0};
    bool begun = false;

    for (int tries = 1;; tries++) {
        ask(fd, &now);
        if (begun && !now.more) {
            keep_common(&suspects, &now.carriers);
        } else if (!now.more) {
            suspects = now.carriers;
            begun = true;
        }
        if (begun && suspects.count > 0 && alone && time_to_acquit(tries, FEW))
            carried_acquit(&suspects, since + ENDING_NS);
        if (begun && suspects.count == 0)
            return true;
        if (tries >= FEW && procfs_late(patient_until(&now, patience, since)))
            return false;
        raw_call(SYS_nanosleep, &pause, NULL);
        if (tries >= FEW && pause.tv_nsec < LONGEST_PAUSE)
            pause.tv_nsec *= 2;
    }
}

bool in_flight_none(bool alone, enum in_flight_patience patience)
{
    int fd = own_fds_get(OWN_DIAG);

    if (fd < 0 || !process_claim(&asking))
        return false;
    bool none = none_waits(fd, alone, patience);
    process_release(&asking);
    return none;
}

/* SPDX-License-Identifier: MIT */
/* The network namespace of a case, and what can be seen and done in it from outside the program. */
#include "oracle.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* linux/ipv6.h has it, but cannot be included beside netinet/in.h */
struct ipv6_request {
    struct in6_addr address;
    uint32_t prefix_length;
    int interface;
};

static bool lo_up(int fd)
{
    struct ifreq request = {.ifr_name = "lo"};
    if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
        return false;
    request.ifr_flags |= IFF_UP;
    return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* An address that was just added cannot be used before a worker of the kernel has run. */
static bool await_address(int fd, const struct in6_addr *address)
{
    struct timespec since = {0};
    const struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_addr = *address};
    bool usable;
    do
        usable = bind(fd, (const struct sockaddr *)&local, sizeof local) == 0;
    while (!usable && oracle_again(&since, ORACLE_WAIT_MS));
    return usable;
}

/* The whole of 127/8 is there when lo is up; a v6 address has to be added. */
static bool add_address(const char *address)
{
    struct ipv6_request request = {.prefix_length = 128, .interface = (int)if_nametoindex("lo")};
    if (inet_pton(AF_INET6, address, &request.address) != 1)
        return true;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool added = ioctl(fd, SIOCSIFADDR, &request) == 0 && await_address(fd, &request.address);
    close(fd);
    return added;
}

bool oracle_namespace(const char *address)
{
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool up = lo_up(fd);
    close(fd);
    return up && add_address(address);
}

const char *oracle_tcp_state(int family, uint16_t port)
{
    /* include/net/tcp_states.h; a TIME_WAIT socket shows the state it stands for */
    static const char *const names[] = {"",           "ESTABLISHED", "SYN_SENT",  "SYN_RECV",
                                        "FIN_WAIT1",  "FIN_WAIT2",   "TIME_WAIT", "CLOSE",
                                        "CLOSE_WAIT", "LAST_ACK",    "LISTEN",    "CLOSING"};
    const char *found = "CLOSE";
    char line[512];
    FILE *file = fopen(
        family == AF_INET6 ? "/proc/thread-self/net/tcp6" : "/proc/thread-self/net/tcp", "re");
    while (file && fgets(line, sizeof line, file)) {
        /* "sl: local:port remote:port state ...", in hexadecimal */
        char *rest = line, *words[4] = {NULL};
        for (int i = 0; i < 4; i++)
            words[i] = strtok_r(NULL, " ", &rest);
        const char *colon = words[3] ? strchr(words[1], ':') : NULL;
        unsigned long state = colon ? strtoul(words[3], NULL, 16) : 0;
        if (state > 0 && state < sizeof names / sizeof *names &&
            strtoul(colon + 1, NULL, 16) == port && strcmp(names[state], "LISTEN") != 0)
            found = names[state];
    }
    if (file)
        fclose(file);
    return found;
}

bool oracle_await_tcp_state(int family, uint16_t port, const char *state)
{
    struct timespec since = {0};
    bool reached;
    do
        reached = strcmp(oracle_tcp_state(family, port), state) == 0;
    while (!reached && oracle_again(&since, ORACLE_WAIT_MS));
    return reached;
}

bool oracle_await_tcp_gone(int family, uint16_t port)
{
    struct timespec since = {0};
    bool gone;
    do {
        const char *state = oracle_tcp_state(family, port);
        gone = strcmp(state, "CLOSE") == 0 || strcmp(state, "TIME_WAIT") == 0;
    } while (!gone && oracle_again(&since, ORACLE_WAIT_MS));
    return gone;
}

static uint16_t checksum(const void *data, size_t size, uint32_t sum)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

bool oracle_send_syn_ack(int family, const char *address, uint16_t source, uint16_t target)
{
    struct tcphdr header = {.th_sport = htons(source),
                            .th_dport = htons(target),
                            .th_seq = htonl(1000),
                            .th_ack = htonl(1000),
                            .th_off = sizeof header / 4,
                            .th_flags = TH_SYN | TH_ACK,
                            .th_win = htons(65535)};
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
    bool sent = false;
    if (family == AF_INET) {
        struct sockaddr_in to = {.sin_family = AF_INET};
        inet_pton(AF_INET, address, &to.sin_addr);
        uint32_t host = ntohl(to.sin_addr.s_addr);
        uint32_t pseudo = 2 * ((host >> 16) + (host & 0xffff)) + IPPROTO_TCP + sizeof header;
        header.th_sum = htons(checksum(&header, sizeof header, pseudo));
        sent = bind(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
               sendto(fd, &header, sizeof header, 0, (struct sockaddr *)&to, sizeof to) > 0;
    } else {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6};
        int offset = offsetof(struct tcphdr, th_sum);
        inet_pton(AF_INET6, address, &to.sin6_addr);
        setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof offset);
        sent = bind(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
               sendto(fd, &header, sizeof header, 0, (struct sockaddr *)&to, sizeof to) > 0;
    }
    close(fd);
    return sent;
}

/* SPDX-License-Identifier: MIT */
#include "shim/matched.h"

#include <string.h>

/* Append-only: a slot is filled by whoever counted it, and found once its mark is there. One whose
 * writer was interrupted for good stays empty. Touched as far as it is used. */
static struct settings kept[MATCHED_MOST];
static uint32_t marks[MATCHED_MOST];
static unsigned count;

/* Where no rule looks at addresses: the number of the settings for each role and protocol. */
static uint16_t of_kind[ROLE_INHERITED + 1][PROTO_OTHER + 1];

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const char *at = bytes;
    uint64_t word;

    for (; length >= sizeof word; length -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    memcpy(&word, at, length);
    return mix(hash, word);
}

static uint64_t mix_endpoint(uint64_t hash, const struct endpoint *endpoint)
{
    size_t length =
        endpoint->length < sizeof endpoint->address ? endpoint->length : sizeof endpoint->address;

    /* Its rest is padding (sin_zero). */
    if (length >= 8 && endpoint->address.any.sa_family == AF_INET)
        length = 8;
    return mix_bytes(mix(hash, length), &endpoint->address, length);
}

/* Never 0, which stands for "not matched yet". Two subjects with one mark are one in 2^64. */
static uint64_t mark_of(const struct subject *subject)
{
    uint64_t hash = mix((uint64_t)subject->role << 32 | (uint64_t)subject->proto, 1);

    hash = mix_endpoint(mix_endpoint(hash, subject->local), subject->peer);
    return hash | 1;
}

/* The number of these settings, 0 when there is no room for them. */
static uint16_t keep(const struct settings *settings)
{
    uint32_t mark = (uint32_t)mix_bytes(0, settings, sizeof *settings) | 1;
    unsigned used = __atomic_load_n(&count, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < used && i < MATCHED_MOST; i++) {
        if (__atomic_load_n(&marks[i], __ATOMIC_ACQUIRE) == mark &&
            // Both were zeroed as a whole before they were filled: their padding is equal, too.
            // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c)
            memcmp(&kept[i], settings, sizeof *settings) == 0)
            return (uint16_t)(i + 1);
    }
    if (used >= MATCHED_MOST)
        return 0;
    used = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    if (used >= MATCHED_MOST)
        return 0;
    kept[used] = *settings;
    __atomic_store_n(&marks[used], mark, __ATOMIC_RELEASE);
    return (uint16_t)(used + 1);
}

static void remember(struct socket *socket, void *context)
{
    const struct socket *from = context;

    socket->matched = from->matched;
    socket->settings = from->settings;
}

static void settings_of_kind(const struct policy *policy, const struct subject *subject,
                             struct settings *out)
{
    uint16_t *place = &of_kind[subject->role][subject->proto];
    uint16_t number = __atomic_load_n(place, __ATOMIC_ACQUIRE);

    if (number != 0) {
        *out = kept[number - 1];
        return;
    }
    policy_match(policy, subject, out);
    __atomic_store_n(place, keep(out), __ATOMIC_RELEASE);
}

void matched_settings(const struct policy *policy, const struct subject *subject,
                      struct socket *socket, struct settings *out)
{
    if (subject->local == NULL) {
        settings_of_kind(policy, subject, out);
        return;
    }
    uint64_t mark = mark_of(subject);

    if (socket->matched == mark) {
        *out = kept[socket->settings - 1];
        return;
    }
    policy_match(policy, subject, out);
    socket->settings = keep(out);
    if (socket->settings == 0)
        return;
    socket->matched = mark;
    sockets_update(socket->id, remember, socket);
}

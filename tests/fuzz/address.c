/* SPDX-License-Identifier: MIT */
/*
 * Any text as the address of a socket, and as a matcher: what is formatted reads back the same, and
 * a matcher made of an address matches it.
 */
#include <netinet/in.h>

#include "fuzz.h"
#include "shim/endpoint.h"

static bool matches(const char *value, const struct endpoint *peer)
{
    char text[300];
    size_t length =
        (size_t)snprintf(text, sizeof text, "[rule r]\nlog.sites = 1\npeer = %s\n", value);
    size_t room = policy_memory_needed(length);
    void *memory = malloc(room);
    struct page errors = {0};
    struct settings settings = {0};
    const struct policy *policy =
        policy_parse(memory, room, MODE_ENFORCE, "fuzz", text, length, page_error, &errors);

    HOLDS((policy != NULL) == (errors.count == 0));
    if (policy != NULL)
        policy_match(policy, &(struct subject){.peer = peer}, &settings);
    free(memory);
    free(errors.text);
    return settings.sites == 1;
}

static bool is_plain(const char *text)
{
    return strpbrk(text, "*?[\\,; \t") == NULL || text[0] == '[';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size < 250 ? size : 250), formatted[ENDPOINT_TEXT];
    struct endpoint endpoint, again;

    if (endpoint_parse(text, &endpoint)) {
        HOLDS(endpoint_format(&endpoint, formatted, sizeof formatted));
        HOLDS(endpoint_parse(formatted, &again));
        HOLDS(again.length == endpoint.length);
        HOLDS(memcmp(&again.address, &endpoint.address, endpoint.length) == 0);
        for (const char *at = formatted; *at != '\0'; at++)
            if ((unsigned char)*at < 0x20 || *at == 0x7f)
                endpoint.length = 0; /* no policy can hold such a path */
        if (endpoint.length > sizeof(sa_family_t) && is_plain(formatted))
            HOLDS(matches(formatted, &endpoint));
    }
    endpoint.length = 0;
    matches(text, &endpoint);
    free(text);
    return 0;
}

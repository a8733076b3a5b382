/* SPDX-License-Identifier: MIT */
/* Any text as a policy: a policy or a reason, and what is printed of it reads back the same. */
#include "fuzz.h"

static const struct policy *parse(const char *text, size_t size, void **memory, struct page *errors)
{
    size_t room = policy_memory_needed(size);

    *memory = malloc(room);
    HOLDS(*memory != NULL);
    return policy_parse(*memory, room, MODE_ENFORCE, "fuzz", text, size, page_error, errors);
}

static void match_some(const struct policy *policy)
{
    static const char *const addresses[] = {"10.0.0.1:80", "[fd00::1]:443", "/run/a.sock", "@a"};
    struct settings settings;

    for (unsigned i = 0; i < 4; i++) {
        struct endpoint local, peer;
        struct subject subject = {.program = "nginx",
                                  .path = "/usr/sbin/nginx",
                                  .role = (enum role)i,
                                  .proto = (enum proto)i,
                                  .local = &local,
                                  .peer = &peer};

        HOLDS(endpoint_parse(addresses[i], &local) && endpoint_parse(addresses[3 - i], &peer));
        policy_match(policy, &subject, &settings);
        for (unsigned key = 0; key < KEY_COUNT; key++)
            HOLDS(policy_source_name(policy, settings.source[key]) != NULL &&
                  policy_source_line(policy, settings.source[key], (enum policy_key)key) >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page errors = {0}, first = {0}, second = {0};
    void *memory, *again;
    const struct policy *policy = parse((const char *)data, size, &memory, &errors);

    HOLDS((policy != NULL) == (errors.count == 0));
    if (policy != NULL) {
        match_some(policy);
        policy_print(policy, page_line, &first);
        policy = parse(first.text, first.used, &again, &errors);
        if (policy == NULL)
            fprintf(stderr, "%s\n%s", first.text, errors.text);
        HOLDS(policy != NULL);
        policy_print(policy, page_line, &second);
        page_bare(&first);
        page_bare(&second);
        HOLDS(strcmp(first.text, second.text) == 0);
        free(again);
    }
    free(memory);
    free(errors.text);
    free(first.text);
    free(second.text);
    return 0;
}

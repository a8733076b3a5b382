/* SPDX-License-Identifier: MIT */
/* Any text as SOFTCLOSE_SET: settings or a reason, and each value is in force. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);
    size_t room = policy_memory_needed(strlen(text));
    void *memory = malloc(room);
    struct page errors = {0}, printed = {0};
    const struct policy *policy = policy_override(memory, room, policy_builtin(MODE_ENFORCE),
                                                  "SOFTCLOSE_SET", text, page_error, &errors);

    HOLDS((policy != NULL) == (errors.count == 0));
    if (policy != NULL) {
        struct settings settings, again;
        struct subject subject = {.program = "p"};
        void *file = malloc(policy_memory_needed(1 << 12));

        policy_match(policy, &subject, &settings);
        policy_print(policy, page_line, &printed);
        policy = policy_parse(file, policy_memory_needed(1 << 12), MODE_ENFORCE, "fuzz",
                              printed.text, printed.used, page_error, &errors);
        HOLDS(policy != NULL);
        policy_match(policy, &subject, &again);
        memset(settings.source, 0, sizeof settings.source);
        memset(again.source, 0, sizeof again.source);
        HOLDS(memcmp(&settings, &again, sizeof settings) == 0);
        free(file);
    }
    free(memory);
    free(text);
    free(errors.text);
    free(printed.text);
    return 0;
}

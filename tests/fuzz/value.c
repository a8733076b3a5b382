/* SPDX-License-Identifier: MIT */
/* Any text as a duration, a size, a number, a word, a list of signals: what is printed of a value
 * reads back as the same value. */
#include "policy/rules.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(data, size);

    for (unsigned at = 0; at < KEY_COUNT; at++) {
        enum policy_key key = (enum policy_key)at;
        struct page errors = {0};
        struct report report = {.error = page_error, .context = &errors, .file = "fuzz"};
        struct settings settings = {0};
        uint64_t value = 0, again = 0;
        char printed[300];

        if (key_value_parse(&report, key, text, &value)) {
            const struct key_form *form = key_form(key);

            HOLDS(errors.count == 0);
            HOLDS(form->high == 0 || (value >= form->low && value <= form->high));
            settings_set(&settings, key, value, 0);
            HOLDS(settings_get(&settings, key) == value);
            value_name(&settings, key, printed, sizeof printed);
            HOLDS(key_value_parse(&report, key, printed, &again));
            HOLDS(again == value);
        } else {
            HOLDS(errors.count == 1);
        }
        free(errors.text);
    }
    free(text);
    return 0;
}

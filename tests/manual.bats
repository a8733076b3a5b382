#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The manual pages are well-formed and leave out nothing.

bats_require_minimum_version 1.5.0

setup()
{
    load tools
    setup_tools
    DOCS="$BATS_TEST_DIRNAME/../docs"
}

# The page as plain text, hyphenation and markup removed.
page()
{
    groff -mandoc -Tascii -rHY=0 -P-cbou "$DOCS/$1" | tr -s ' \n' ' '
}

@test "groff has no complaint about any page" {
    local file
    for file in "$DOCS"/*.[1-8]; do
        run -0 groff -ww -mandoc -Tutf8 -z "$file"
        assert_output ""
    done
}

@test "every option of --help stands in the page of its command" {
    local command option text
    for command in run report; do
        text=$(page "softclose-$command.1")
        while read -r option; do
            assert_regex "$text" "$option"
        done < <("$SOFTCLOSE" "$command" --help | grep -Eo -- '--[a-z-]+' | sort -u)
    done
}

@test "every field of a real log stands in softclose-events(5)" {
    local field text
    "$SOFTCLOSE" run -q --log log perl "$DATA/reset_self.pl" linger
    text=$(page softclose-events.5)
    while read -r field; do
        assert_regex "$text" "[ ,(]${field}[ ,.;:)]"
    done < <(jq -r 'keys[]' log | sort -u)
}

@test "every outcome and cause that run knows stands in softclose-events(5)" {
    local word text
    text=$(page softclose-events.5)
    run "$SOFTCLOSE" run --fail-on nonsense true
    while read -r word; do
        assert_regex "$text" "[ ,]${word}[ ,.:]"
    done < <(sed -n 's/^Outcomes: //p; s/^Causes: //p' <<<"$output" | tr ' ' '\n')
}

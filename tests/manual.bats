#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The manual pages are well-formed and leave out nothing.
# shellcheck disable=SC2016 # sed's $

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
    for command in check doctor explain run report; do
        text=$(page "softclose-$command.1")
        while read -r option; do
            assert_regex "$text" "$option"
        done < <("$SOFTCLOSE" "$command" --help | grep -Eo -- '--[a-z-]+' | sort -u)
    done
}

@test "every command of --help stands in softclose(1), and has a page of its own there" {
    local command source count=0
    source="$DOCS/softclose.1"
    while read -r command; do
        # in the synopsis, and in the list
        run -0 sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$source"
        assert_line ".Cm $command"
        run -0 grep -Fx ".It Cm $command" "$source"
        run -0 sed -n '/^\.Sh SEE ALSO/,$p' "$source"
        assert_line --regexp "^\.Xr softclose-$command 1( ,)?\$"
        assert_file_exists "$DOCS/softclose-$command.1"
        count=$((count + 1))
    done < <("$SOFTCLOSE" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
    assert [ "$count" -ge 5 ]
}

@test "every field of a real log stands in softclose-events(5)" {
    local field text
    "$SOFTCLOSE" run -q --log log perl "$DATA/reset_self.pl" linger
    "$SOFTCLOSE" run -q --enforce --log log perl "$DATA/reset_self.pl" linger
    assert_equal "$(jq -s 'map(select(.event == "drain")) | length > 0' log)" true
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

@test "every action and result of a drain stands in softclose-events(5) and in the report's page" {
    local word
    for word in drain-background drain-block drain-inline half-close linger-off denied softened \
        backlog-drained; do
        assert_regex "$(page softclose-events.5)" "[ ,]${word}[ ,.:]"
        assert_regex "$(page softclose-report.1)" "[ ,]${word}[ ,.:]"
    done
    for word in $(jq -r 'select(.event == "drain") | .result' "$DATA/enforced.jsonl" | sort -u); do
        assert_regex "$(page softclose-events.5)" "[ ,]${word}[ ,.:]"
    done
}

@test "no page says that something is missing which is there" {
    local file
    for file in "$DOCS"/*.[1-8] "$DOCS"/*.md "$DOCS"/../README.md; do
        run grep -niE 'enforce.*(not (in|yet)|only observes)|observes only|\(not in this version\)' "$file"
        assert_output ""
    done
}

@test "the example of softclose-policy(5) is a valid policy" {
    sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$DOCS/softclose-policy.5" | grep -v '^\.' >example.ini
    run -0 "$SOFTCLOSE" run -q --enforce --policy example.ini true
    assert_output ""
}

# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What builds for sanitizers or coverage cannot show.

# skip_under_coverage WHY: what gcov's counting and its files make impossible (tests/CMakeLists.txt).
skip_under_coverage()
{
    if [ -n "${GCOV_ERROR_FILE:-}" ]; then
        skip "gcov: $*"
    fi
}

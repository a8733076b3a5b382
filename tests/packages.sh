# SPDX-License-Identifier: MIT
# Debian packages, for tests/run and tools/quickstart. Sourced.
# shellcheck shell=bash disable=SC2034

build_packages=(gcc libc6-dev cmake ninja-build uthash-dev libinih-dev libmd-dev libcjson-dev)

test_packages=(
    bats bats-assert bats-support bats-file # the test runner
    libcmocka-dev                           # unit tests
    jq                                      # reads event logs
    strace iproute2 procps util-linux       # looks at programs, namespaces
    file binutils groff man-db shellcheck   # looks at what was built
)

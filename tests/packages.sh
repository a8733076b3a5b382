# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
#
# Debian packages that the tests need besides what the build needs. Sourced by tests/run.

test_packages=(
    bats bats-assert bats-support bats-file # the test runner
    libcmocka-dev libcjson-dev              # unit tests, the oracle
    jq                                      # reads event logs
    libcap2-bin                             # file capabilities
    strace iproute2 procps util-linux       # looks at programs, network namespaces
    file binutils groff man-db shellcheck   # looks at what was built
)

# COMMAND:PACKAGE, installed where the command is missing: real programs whose closes are watched.
test_programs=(
    nginx:nginx redis-server:redis-server redis-cli:redis-tools memcached:memcached
    haproxy:haproxy curl:curl wget:wget python3:python3 perl:perl ruby:ruby php:php-cli
    busybox:busybox openssl:openssl tc:iproute2 node:nodejs javac:default-jdk-headless sshd:openssh-server ssh:openssh-client socat:socat
)

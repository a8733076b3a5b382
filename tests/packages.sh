# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: MIT
#
# Debian packages that the tests need besides what the build needs. Sourced by tests/run.

test_packages=(
    bats bats-assert bats-support bats-file # the test runner
    libcmocka-dev libcjson-dev              # unit tests, the oracle
    jq                                      # reads event logs
    libcap2-bin liburing2                   # file capabilities, io_uring
    strace iproute2 procps util-linux       # looks at programs, network namespaces
    libclang-rt-14-dev                      # libFuzzer
    file binutils groff man-db shellcheck   # looks at what was built
    clang-tidy cppcheck gcovr               # looks at the source, and at what the tests have run

    # stacked.bats: other preloaded libraries
    libfaketime torsocks proxychains4 libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0 libeatmydata1
    heaptrack fakeroot valgrind
    # suites.bats (tests/compat/run --list names those of each suite)
    libpython3.11-testsuite stunnel4 rsync git vsftpd tmux sudo squid apache2-utils
)

# COMMAND:PACKAGE, installed where the command is missing: real programs whose closes are watched.
test_programs=(
    nginx:nginx redis-server:redis-server redis-cli:redis-tools memcached:memcached
    haproxy:haproxy curl:curl wget:wget python3:python3 perl:perl ruby:ruby php:php-cli
    busybox:busybox openssl:openssl tc:iproute2 node:nodejs javac:default-jdk-headless
    sshd:openssh-server ssh:openssh-client socat:socat gunicorn:gunicorn uvicorn:uvicorn
    apache2:apache2-bin php-fpm8.2:php8.2-fpm pgbench:postgresql vsftpd:vsftpd
    systemd-socket-activate:systemd
    valgrind:valgrind clang:clang
)

# COMMAND:PACKAGE:ROLE: there can be one program in such a role, and who has another one keeps it.
for program in exim4:exim4-daemon-light:mail-transport-agent \
    inetutils-inetd:inetutils-inetd:inet-superserver; do
    role=${program##*:} program=${program%:*}
    if dpkg-query -W -f='${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
        awk -v role="$role" -v package="${program#*:}" \
            '$1 == "installed" && $2 != package && index($0, role) { n++ } END { exit n == 0 }'
    then
        echo "not installed, because there is another $role: ${program#*:}"
    else
        test_programs+=("$program")
    fi
done

# A test that skips itself for want of one of these fails instead.
export SOFTCLOSE_INSTALLED="${test_programs[*]%%:*}"

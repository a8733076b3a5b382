# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Installing what is missing, for tools/quickstart and tests/run. To be sourced.

# What it takes to build softclose.
# shellcheck disable=SC2034 # used by those who source this
SOFTCLOSE_BUILD_PACKAGES=(
    cmake ninja-build gcc libc6-dev
    uthash-dev libinih-dev libmd-dev libyajl-dev libelf-dev
)

is_installed()
{
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# apt-get as root, its talk shown only if it fails.
apt_get()
{
    local log status=0 as_root=()
    if [[ $EUID -ne 0 ]]; then
        as_root=(sudo)
    fi
    log=$(mktemp)
    # RUNLEVEL=1: packages of servers do not start them (invoke-rc.d)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q -y \
        -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null || status=$?
    if [[ $status -ne 0 ]]; then
        cat "$log" >&2
    fi
    rm -f "$log"
    return "$status"
}

# install_missing REASON PACKAGE...: installs those packages that are not there, and says so.
install_missing()
{
    local reason=$1 package missing=()
    shift
    for package in "$@"; do
        if ! is_installed "$package"; then
            missing+=("$package")
        fi
    done
    if [[ ${#missing[@]} -eq 0 ]]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null; then
        echo "Missing $reason: ${missing[*]}. This is no Debian: please install them yourself." >&2
        return 1
    fi
    if [[ $EUID -ne 0 ]] && ! command -v sudo >/dev/null; then
        echo "Missing $reason: ${missing[*]}. Run this as root, or install sudo." >&2
        return 1
    fi
    echo "Installing $reason: ${missing[*]}"
    # package lists may be absent (a fresh container) or too old
    if ! apt_get install --no-install-recommends "${missing[@]}" 2>/dev/null; then
        echo "Fetching the package lists first"
        apt_get update || return 1
        apt_get install --no-install-recommends "${missing[@]}" || return 1
    fi
}

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2154 # set by suite.bash
# Debian's source packages, for suites that no binary package holds. Nothing is asked of the
# machine's own lists of packages, nor left in them.

apt_folder=${common-}/apt

# apt with the machine's Debian archives, their sources too.
apt_of_debian() # PROGRAM ARGUMENT...
{
    "$1" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$apt_folder/parts" \
        -o Dir::State::Lists="$apt_folder/lists" -o APT::Sandbox::User=root "${@:2}"
}

debian_archives()
{
    mkdir -p "$apt_folder/parts" "$apt_folder/lists/partial"
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [[ ! -e $file ]] || awk 'BEGIN { RS = ""; ORS = "\n\n" } /debian-archive-keyring/' "$file"
    done | sed 's/^Types:.*/Types: deb deb-src/' >"$apt_folder/parts/debian.sources"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian*.list; do
        [[ ! -e $file ]] || sed -n 's/^deb\(\s.*\<main\>\)/deb\1\ndeb-src\1/p' "$file"
    done >"$apt_folder/parts/debian.list"
    apt_of_debian apt-get update
}

# debian_source PACKAGE BINARY TAR-PATTERN...: the files of a source package that match, in
# $common/source; of the version that the binary package has, or else of the newest that can be had,
# which goes to $version.
debian_source()
{
    local package=$1 binary=$2 all
    shift 2
    debian_archives || return 1
    all=$(apt_of_debian apt-cache showsrc "$package" | sed -n 's/^Version: //p' | sort -rVu)
    # shellcheck disable=SC2016 # dpkg's own
    for version in $(dpkg-query -W -f '${source:Version}\n' "$binary" 2>/dev/null |
        grep -xF "$all") $all ''; do
        [[ -n $version ]] || return 1
        ! apt_of_debian apt-get source --download-only "$package=$version" || break
    done
    mkdir -p source
    local archive
    for archive in "$package"_*.orig.tar.*; do
        [[ $archive == *.asc ]] ||
            tar -C source --strip-components=1 --wildcards -xf "$archive" "$@" || return 1
    done
    chmod -R a+rX source
}

# own_copy FOLDER...: of $common/source, in the scratch folder, for tests that write beside
# themselves.
own_copy()
{
    mkdir -p source
    (cd "$common/source" && cp -a --parents "$@" "$scratch/source")
}

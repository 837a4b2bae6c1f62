#!/usr/bin/env bash
# Puts PostgreSQL 17 with TimescaleDB (Apache edition) into a folder, from Debian's own packages, for the tests.
#   tests/servers/timescale.sh FOLDER
# Installs nothing, needs no root, leaves no process behind. The packages come from the mirror this machine's apt already
# uses and are verified with Debian's archive keyring. Their own loader and C library run them, so the host's do not
# matter, and the folder may be moved or cached. amd64 only. Doing it again is free.
set -euo pipefail

suite=trixie version=17
# All that the server links to, but for LLVM: it is larger than everything else together, and jit is off.
packages=(
    "postgresql-$version" "postgresql-client-$version" "postgresql-$version-timescaledb"
    libc6 libgcc-s1 libstdc++6 zlib1g liblz4-1 libzstd1 liblzma5 libicu76 libxml2 libssl3t64
    libpq5 libpam0g libaudit1 libcap-ng0 libldap2 libsasl2-2 libsystemd0 libcap2 libuuid1 libnuma1 liburing2
    libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libselinux1 libpcre2-8-0
)

fail() { echo "timescale.sh: $*" >&2; exit 1; }

[[ $# -eq 1 ]] || fail "usage: tests/servers/timescale.sh FOLDER"
folder=$1
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
done_mark="$folder/.complete-$suite-$version-client"
[[ -e $done_mark ]] && exit 0

# One at a time: test runs side by side share the folder.
exec 9> "$folder/.lock"
flock 9
[[ -e $done_mark ]] && exit 0

[[ $(uname -m) == x86_64 ]] || fail "only amd64 is prepared here: set QUANTD_TEST_TIMESCALE to the URL of a server"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[[ -e $keyring ]] || fail "no $keyring: apt-get install debian-archive-keyring"
for tool in apt-get dpkg-deb tar; do
    command -v "$tool" > /dev/null || fail "no $tool on this machine: set QUANTD_TEST_TIMESCALE to the URL of a server"
done
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 '/debian/*$' || true)}
[[ -n $mirror ]] || fail "apt knows no Debian mirror: name one in DEBIAN_MIRROR"

work="$folder/work" root="$folder/root"
rm -rf "$work" "$root"
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$root"
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suite" "$keyring" \
    > "$work/sources/debian.sources"
apt_here() {
    local command=$1
    shift
    apt-get "$command" -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
        -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}
apt_here update
(cd "$work/cache" && apt_here download "${packages[@]}")
for package in "$work"/cache/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --exclude='./usr/share/doc' --exclude='./usr/share/man' \
        --exclude='./usr/share/locale' --exclude='*/bitcode' --exclude='*/gconv'
done
rm -rf "$work"

# The programs, behind wrappers that find the packages' loader next to them.
bin="$root/usr/lib/postgresql/$version/bin"
for program in postgres initdb pg_ctl pg_dump pg_restore; do
    mv "$bin/$program" "$bin/.$program"
    cat > "$bin/$program" << 'WRAPPER'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
name=$(basename "$0")
libraries=$here/../../../x86_64-linux-gnu
exec "$libraries/ld-linux-x86-64.so.2" --argv0 "$here/$name" --library-path "$libraries" "$here/.$name" "$@"
WRAPPER
    chmod 755 "$bin/$program"
done
for program in postgres pg_dump pg_restore; do
    "$bin/$program" --version > /dev/null || fail "$program does not run: a library is missing"
done
touch "$done_mark"

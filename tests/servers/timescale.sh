#!/usr/bin/env bash
# Puts PostgreSQL 17 with TimescaleDB (Apache edition) into a folder, from Debian's own packages, for the tests.
#   tests/servers/timescale.sh FOLDER
# How, and what it needs: debian.sh.
set -euo pipefail
name=timescale.sh instead="set QUANTD_TEST_TIMESCALE to the URL of a server"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

version=17
provision "${1:-}" "$version"
# All that the server links to, but for LLVM: it is larger than everything else together, and jit is off.
unpack "postgresql-$version" "postgresql-client-$version" "postgresql-$version-timescaledb" \
    libc6 libgcc-s1 libstdc++6 zlib1g liblz4-1 libzstd1 liblzma5 libicu76 libxml2 libssl3t64 \
    libpq5 libpam0g libaudit1 libcap-ng0 libldap2 libsasl2-2 libsystemd0 libcap2 libuuid1 libnuma1 liburing2 \
    libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libselinux1 libpcre2-8-0
bin="$root/usr/lib/postgresql/$version/bin"
wrap "$bin" postgres initdb pg_ctl pg_dump pg_restore
for program in postgres pg_dump pg_restore; do
    "$bin/$program" --version > /dev/null || fail "$program does not run: a library is missing"
done
complete

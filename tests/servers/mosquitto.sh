#!/usr/bin/env bash
# Puts the MQTT broker Mosquitto into a folder, from Debian's own packages, for the tests.
#   tests/servers/mosquitto.sh FOLDER
# How, and what it needs: debian.sh.
set -euo pipefail
name=mosquitto.sh instead="run these tests on a machine that has it"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

provision "${1:-}" 1
unpack mosquitto libmosquitto1 libcjson1 libdlt2 libwebsockets19t64 libwrap0 libssl3t64 libzstd1 zlib1g libc6 \
    libgcc-s1 libsystemd0 libcap2
wrap "$root/usr/sbin" mosquitto
wrap "$root/usr/bin" mosquitto_passwd
status=0
"$root/usr/sbin/mosquitto" -h > /dev/null || status=$?
[[ $status -eq 3 ]] || fail "the broker does not run: a library is missing"
complete

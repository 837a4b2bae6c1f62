#!/usr/bin/env bash
# Puts Prometheus itself into a folder, from Debian's own packages, for the tests.
#   tests/servers/prometheus.sh FOLDER
# How, and what it needs: debian.sh.
set -euo pipefail
name=prometheus.sh instead="run these tests on a machine that has it"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

provision "${1:-}" 1
unpack prometheus libc6
wrap "$root/usr/bin" prometheus
"$root/usr/bin/prometheus" --version > /dev/null 2>&1 || fail "prometheus does not run: a library is missing"
complete

#!/usr/bin/env bash
# Puts promtool (of Prometheus) into a folder, from Debian's own packages, for the tests.
#   tests/servers/promtool.sh FOLDER
# How, and what it needs: debian.sh.
set -euo pipefail
name=promtool.sh instead="set QUANTD_PROMTOOL to a promtool"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

provision "${1:-}" 1
unpack promtool libc6
wrap "$root/usr/bin" promtool
"$root/usr/bin/promtool" --version > /dev/null || fail "promtool does not run: a library is missing"
complete

#!/usr/bin/env bash
# Puts what reads compositions and manifests (Docker Compose, kustomize) into a folder, from Debian's own packages, for
# the tests. Neither starts a container nor asks a server.
#   tests/servers/deploy_tools.sh FOLDER
# How, and what it needs: debian.sh.
set -euo pipefail
name=deploy_tools.sh instead="run these tests on a machine that has it"
. "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

provision "${1:-}" 1
unpack docker-compose kustomize libc6
wrap "$root/usr/bin" kustomize
"$root/usr/libexec/docker/cli-plugins/docker-compose" version > /dev/null || fail "docker-compose does not run"
"$root/usr/bin/kustomize" version > /dev/null || fail "kustomize does not run: a library is missing"
complete

#!/usr/bin/env bash
# Puts quantd on a machine with systemd, from this checkout: user, folders, a release with its pinned libraries, units.
#   deploy/install.sh                      as root; again after every update: what is there already stays as it is
#   deploy/install.sh --activate RELEASE   back to an earlier release (--releases lists them)
#   deploy/install.sh --uninstall          all but configs, state and copies: /etc/quantd, /var/lib/quantd, /var/backups/quantd
# Options:
#   --root DIR         into a folder instead (an image, a test): no user is made, nothing is started or reloaded
#   --python PROGRAM   the interpreter, 3.11 or newer; default python3
#   --environment DIR  an environment that has quantd already, instead of making one
# Starts and stops nothing: a running process keeps the release it was started with. See docs/deploy.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root="" python=python3 environment="" act=install release=""
keep=3 # releases, the active one included

fail() {
    echo "install: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --root | --python | --environment | --activate)
            [ -n "${2-}" ] || fail "$1 needs a value; see the head of $0"
            case $1 in
                --root) mkdir -p "$2" && root=$(cd "$2" && pwd) ;;
                --python) python=$2 ;;
                --environment) environment=$(cd "$2" && pwd) ;;
                --activate) act=activate release=$2 ;;
            esac
            shift 2
            ;;
        --uninstall | --releases) act=${1#--} && shift ;;
        -h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0" && exit 0 ;;
        *) fail "unknown option $1; see $0 --help" ;;
    esac
done
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run it as root, or into a folder with --root DIR"

opt=$root/opt/quantd units=$root/usr/local/lib/systemd/system
link=$root/usr/local/bin/quantd users=$root/usr/lib/sysusers.d/quantd.conf
live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

own() { # OWNER PATH...: only where the user exists
    if [ -z "$root" ]; then chown "$@"; fi
}

activate() { # NAME: in one step, so that there is always a current release
    [ -x "$opt/releases/$1/bin/quantd" ] || fail "no release $1 in $opt/releases; see $0 --releases"
    ln -sfn "releases/$1" "$opt/.next"
    mv -T "$opt/.next" "$opt/current"
    echo "release $1 is current"
}

make_user() {
    install -D -m 0644 "$here/deploy/systemd/quantd.sysusers" "$users"
    if [ -n "$root" ] || id quantd > /dev/null 2>&1; then return; fi
    if command -v systemd-sysusers > /dev/null; then
        systemd-sysusers "$users"
    else
        useradd --system --user-group --home-dir /var/lib/quantd --no-create-home --shell /usr/sbin/nologin quantd
    fi
}

make_folders() {
    install -d -m 0755 "$opt" "$opt/releases"
    install -d -m 0750 "$root/etc/quantd"
    install -d -m 0700 "$root/etc/quantd/credentials" "$root/var/lib/quantd" "$root/var/backups/quantd"
    install -d -m 0750 "$root/var/cache/quantd"
    own root:quantd "$root/etc/quantd"
    own quantd:quantd "$root/var/lib/quantd" "$root/var/backups/quantd" "$root/var/cache/quantd"
}

release_name() { # the version, and what is in it: the same sources are the same release
    local version
    version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/pyproject.toml" | head -n 1)
    echo "$version-$(sources | sha256sum | cut -c 1-12)"
}

parts=(broker core daemon execution migrations research risk strategies)
sources() {
    (
        cd "$here"
        find "${parts[@]}" -type f ! -path '*/__pycache__/*' -print0 | sort -z | xargs -0 cat
        cat pyproject.toml requirements.txt
        echo "$environment"
    )
}

make_release() { # NAME
    local folder=$opt/releases/$1
    if [ -e "$folder/.complete" ]; then
        echo "release $1 is there already"
        return
    fi
    rm -rf "$folder" "$folder.new"
    mkdir "$folder.new"
    if [ -n "$environment" ]; then
        [ -x "$environment/bin/quantd" ] || fail "--environment $environment has no bin/quantd"
        ln -s "$environment/bin" "$folder.new/bin"
    else
        build "$folder.new" "$folder"
    fi
    cp -R "$here/docs" "$here/examples" "$folder.new/"
    rm -rf "$folder.new/docs/drills" "$folder.new/docs/images"
    touch "$folder.new/.complete"
    mv -T "$folder.new" "$folder"
    echo "release $1 is made"
}

build() { # FOLDER FINAL: an environment that will be found at FINAL
    local pip copy
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11; use --python"
    "$python" -m venv "$1" || fail "$python makes no environment: install python3-venv"
    pip="$1/bin/python -m pip --disable-pip-version-check --no-input --quiet"
    # By digest, wheels only: nothing unpinned is downloaded, nothing is compiled.
    $pip install --only-binary :all: --require-hashes -r "$here/requirements.txt"
    copy=$(mktemp -d)
    (cd "$here" && cp -R "${parts[@]}" pyproject.toml README.md LICENSE "$copy/")
    $pip install --no-deps --no-build-isolation "$copy"
    rm -rf "$copy"
    rm -f "$1"/bin/[Aa]ctivate*
    # Programs begin with the path of their interpreter: the one they will be run from.
    find "$1/bin" -type f -exec grep -Il "^#!$1/" {} + | xargs -r sed -i "1s|^#!$1/|#!${2#"$root"}/|"
}

put_units() {
    local unit
    install -d "$units" "$(dirname "$link")"
    for unit in "$here"/deploy/systemd/*.{service,timer,target,slice}; do install -m 0644 "$unit" "$units/"; done
    ln -sfn /opt/quantd/current/bin/quantd "$link"
    if live; then systemctl daemon-reload; fi
}

prune() {
    local name current
    current=$(basename "$(readlink "$opt/current")")
    while read -r name; do
        if [ "$name" != "$current" ] && ! in_use "$opt/releases/$name"; then rm -rf "${opt:?}/releases/$name"; fi
    done < <(ls -1t "$opt/releases" | tail -n +$((keep + 1)))
}

in_use() { # FOLDER: by a process that was started from it
    [ -z "$root" ] && grep -qsF "$1/" /proc/[0-9]*/maps
}

do_install() {
    make_user
    make_folders
    release=$(release_name)
    make_release "$release"
    activate "$release"
    put_units
    prune
    if [ -z "$root" ]; then
        runuser -u quantd -- env QUANTD_CACHE=/var/cache/quantd HOME=/var/lib/quantd /opt/quantd/current/bin/quantd warm
        echo "next: /etc/quantd/NAME.toml, then systemctl enable --now quantd@NAME.target (docs/deploy.md)"
    fi
}

do_uninstall() {
    local running
    if live; then
        running=$(systemctl list-units --plain --no-legend --state=active,activating 'quantd-*@*' | cut -d ' ' -f 1 | xargs)
        [ -z "$running" ] || fail "stop these first: $running"
    fi
    rm -f "$units"/quantd@.target "$units"/quantd-*@.service "$units"/quantd-*@.timer "$units"/quantd.slice "$link" "$users"
    rm -rf "${opt:?}" "$root/var/cache/quantd"
    if live; then systemctl daemon-reload; fi
    echo "kept: $root/etc/quantd $root/var/lib/quantd $root/var/backups/quantd and the user quantd"
}

case $act in
    install) do_install ;;
    activate) activate "$release" ;;
    releases) ls -1t "$opt/releases" ;;
    uninstall) do_uninstall ;;
esac

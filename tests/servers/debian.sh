# Puts Debian packages into a folder, for tests that need a real server. To be sourced, by bash with set -euo pipefail:
#   name=mosquitto.sh instead="…"              who speaks, and what to do where this cannot work
#   provision FOLDER MARK                      returns when there is something to do; exits where MARK is there already
#   unpack PACKAGE...                          into $root, verified with Debian's archive keyring
#   wrap FOLDER PROGRAM...                     so that each finds the packages' own loader and libraries
#   complete                                   leaves the mark
# Installs nothing, needs no root, leaves no process behind. The packages come from the mirror this machine's apt already
# uses. Their own loader and C library run them, so the host's do not matter, and the folder may be moved or cached.
# amd64 only. Doing it again is free.
suite=trixie

fail() { echo "$name: $*" >&2; exit 1; }

provision() {
    [[ $# -eq 2 && -n $1 ]] || fail "usage: tests/servers/$name FOLDER"
    folder=$1
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    mark="$folder/.complete-$suite-$2" root="$folder/root"
    [[ -e $mark ]] && exit 0
    # One at a time: test runs side by side share the folder.
    exec 9> "$folder/.lock"
    flock 9
    [[ -e $mark ]] && exit 0
    [[ $(uname -m) == x86_64 ]] || fail "only amd64 is prepared here: $instead"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [[ -e $keyring ]] || fail "no $keyring: apt-get install debian-archive-keyring"
    local tool
    for tool in apt-get dpkg-deb tar; do
        command -v "$tool" > /dev/null || fail "no $tool on this machine: $instead"
    done
    mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 '/debian/*$' || true)}
    [[ -n $mirror ]] || fail "apt knows no Debian mirror: name one in DEBIAN_MIRROR"
}

apt_here() {
    local command=$1
    shift
    apt-get "$command" -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources" \
        -o Dir::State::lists="$work/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

unpack() {
    work="$folder/work"
    rm -rf "$work" "$root"
    mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial" "$root"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' "$mirror" "$suite" "$keyring" \
        > "$work/sources/debian.sources"
    apt_here update
    (cd "$work/cache" && apt_here download "$@")
    local package
    for package in "$work"/cache/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --exclude='./usr/share/doc' --exclude='./usr/share/man' \
            --exclude='./usr/share/locale' --exclude='*/bitcode' --exclude='*/gconv'
    done
    rm -rf "$work"
}

wrap() {
    local bin=$1 libraries program
    libraries=$(realpath --relative-to="$bin" "$root/usr/lib/x86_64-linux-gnu")
    shift
    for program in "$@"; do
        mv "$bin/$program" "$bin/.$program"
        cat > "$bin/$program" << WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
name=\$(basename "\$0")
libraries=\$here/$libraries
exec "\$libraries/ld-linux-x86-64.so.2" --argv0 "\$here/\$name" --library-path "\$libraries" "\$here/.\$name" "\$@"
WRAPPER
        chmod 755 "$bin/$program"
    done
}

complete() { touch "$mark"; }

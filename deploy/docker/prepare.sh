#!/usr/bin/env bash
# Makes what compose.yaml mounts: passwords, tokens, the certificates of MQTT, folders; each file readable by the one user
# of its container. To be run as root. Doing it again makes what is missing and changes nothing else.
#   ./prepare.sh [FOLDER]        default: where this script stands
# Two files only a person can fill: secrets/tws_password and secrets/alert_urls. It ends with 1 as long as one is empty.
set -euo pipefail
umask 077

folder=${1:-$(dirname "${BASH_SOURCE[0]}")}
days=825 # how long the certificates hold
quantd=10001 gateway=1000 postgres=70 mosquitto=1883 grafana=472 # users in the containers

fail() { echo "prepare.sh: $*" >&2; exit 1; }
[[ $(id -u) -eq 0 ]] || fail "run it as root: the files belong to the users in the containers"
command -v openssl > /dev/null || fail "no openssl on this machine: install it"
openssl kdf -help > /dev/null 2>&1 || fail "openssl $(openssl version) is too old: 3.0 or newer"

secrets=$folder/secrets
mkdir -p "$secrets"
install -d -m 0700 -o "$gateway" -g "$gateway" "$folder/gateway" # what the gateway remembers
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# keep NAME USER < content: unless it is there already.
keep() {
    local path=$secrets/$1
    if [[ ! -e $path ]]; then
        cat > "$work/new"
        chmod 0400 "$work/new"
        chown "$2:$2" "$work/new"
        mv "$work/new" "$path"
        echo "made $path"
    fi
}

random() { openssl rand -hex 32 | tr -d '\n'; }

# hashed NAME PASSWORD: a line of Mosquitto's password file ($7$ = PBKDF2 with SHA-512).
hashed() {
    local rounds=20000 salt hash
    openssl rand -out "$work/salt" 12
    salt=$(od -An -v -tx1 "$work/salt" | tr -d ' \n')
    hash=$(openssl kdf -binary -keylen 64 -kdfopt digest:SHA512 -kdfopt "pass:$2" -kdfopt "hexsalt:$salt" \
        -kdfopt "iter:$rounds" PBKDF2 | openssl base64 -A)
    printf '%s:$7$%s$%s$%s\n' "$1" "$rounds" "$(openssl base64 -A -in "$work/salt")" "$hash"
}

keep ops_token "$quantd" < <(random)
keep grafana_password "$grafana" < <(random)
keep database_password "$quantd" < <(random)
keep database_password_server "$postgres" < "$secrets/database_password"

# The password of the bridge, of a person who gives commands, and of whoever only listens.
keep mqtt_password "$quantd" < <(random)
keep mqtt_operator_password 0 < <(random)
keep mqtt_reader_password 0 < <(random)
keep mqtt_passwords "$mosquitto" < <(
    hashed quantd "$(< "$secrets/mqtt_password")"
    hashed operator "$(< "$secrets/mqtt_operator_password")"
    hashed reader "$(< "$secrets/mqtt_reader_password")"
)

if [[ ! -e $secrets/mqtt_key ]]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" -subj "/CN=quantd MQTT authority" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
        -keyout "$work/ca.key" -out "$work/ca.crt" 2> /dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=mosquitto" \
        -keyout "$work/server.key" -out "$work/server.csr" 2> /dev/null
    printf 'subjectAltName=DNS:mosquitto,DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' > "$work/names"
    openssl x509 -req -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days "$days" \
        -extfile "$work/names" -out "$work/server.crt" 2> /dev/null
    rm -f "$secrets/mqtt_ca" "$secrets/mqtt_certificate"
    keep mqtt_ca "$mosquitto" < "$work/ca.crt"
    chmod 0444 "$secrets/mqtt_ca" # no secret: both ends read it
    keep mqtt_certificate "$mosquitto" < "$work/server.crt"
    keep mqtt_key "$mosquitto" < "$work/server.key"
fi

keep tws_password "$gateway" < /dev/null
keep alert_urls "$quantd" < /dev/null
missing=0
for name in tws_password alert_urls; do
    if [[ ! -s $secrets/$name ]]; then
        echo "$secrets/$name is empty: write it, then run this again" >&2
        missing=1
    fi
done
exit "$missing"

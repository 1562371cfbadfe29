#!/bin/sh
# Sends JSON to a listener of Countersign, with a token that is bound to both (HS256).
#
#     send.sh LISTENER ISSUER SECRET_FILE BODY_FILE
#
# Needs curl and openssl. Neither the secret nor the token is ever an argument of a
# command: those stand in every list of processes. So the HMAC is put together here
# (RFC 2104), for openssl takes a key as an argument only.
set -eu

if [ $# -ne 4 ]; then
    echo "usage: send.sh LISTENER ISSUER SECRET_FILE BODY_FILE" >&2
    exit 2
fi
listener=$1 issuer=$2 secret_file=$3 body_file=$4
case $listener$issuer in
*[\"\\[:cntrl:]]*)
    echo "no quotes, backslashes or line ends in an address or a name" >&2
    exit 2
    ;;
esac

numbers() { od -An -v -tu1; }
sha256() { openssl dgst -sha256 -binary; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

secret() { tr -d '\r\n' <"$secret_file"; }
key=$(secret | numbers)
if [ "$(secret | wc -c)" -gt 64 ]; then key=$(secret | sha256 | numbers); fi

# The key, each byte XORed with $1 and filled up to 64 bytes, as %b takes it.
padded() {
    count=0
    for byte in $key; do
        printf '\\0%03o' $((byte ^ $1))
        count=$((count + 1))
    done
    while [ $count -lt 64 ]; do
        printf '\\0%03o' "$1"
        count=$((count + 1))
    done
}
inner=$(padded 54) outer=$(padded 92)

hmac() {
    { printf '%b' "$inner" && cat; } | sha256 | { printf '%b' "$outer" && cat; } | sha256
}

now=$(date +%s)
hash=$(openssl dgst -sha256 -r <"$body_file" | cut -c1-64)
header='{"alg":"HS256","typ":"JWT"}'
claims=$(printf '{"iss":"%s","aud":"%s","iat":%s,"exp":%s,"jti":"%s","body_sha256":"%s"}' \
    "$issuer" "$listener" "$now" $((now + 60)) "$(openssl rand -hex 16)" "$hash")
signed=$(printf '%s' "$header" | base64url).$(printf '%s' "$claims" | base64url)
token=$signed.$(printf '%s' "$signed" | hmac | base64url)

printf 'header = "Authorization: Bearer %s"\n' "$token" |
    curl --config - --silent --show-error --fail --max-time 30 \
        --header 'Content-Type: application/json' --data-binary "@$body_file" \
        --url "$listener"

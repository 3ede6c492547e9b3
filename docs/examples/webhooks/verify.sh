#!/bin/sh
# Verifies one webhook by hand:  WEBHOOK_SECRET=whsec_… ./verify.sh HEADERS BODY
# Both are files with what came: "name: value" lines, and the body byte for byte. Exit 0: sent by the platform, and fresh.
# For looking into a case; a server uses constant-time comparison (receiver.py, receiver.mjs).
set -euf

refuse() {
    echo "refused: $1" >&2
    exit 1
}

header() {
    tr -d '\r' <"$headers" | awk -v name="$1" 'tolower(substr($0, 1, length(name) + 1)) == name ":" {
        sub(/^[^:]*:[ \t]*/, ""); print; exit }'
}

secret=${WEBHOOK_SECRET:?"set it to whsec_…"}
headers=$1 body=$2
id=$(header webhook-id) timestamp=$(header webhook-timestamp) signatures=$(header webhook-signature)
[ -n "$id" ] && [ -n "$timestamp" ] && [ -n "$signatures" ] || refuse "a header is missing"
case $timestamp in
*[!0-9]* | 0* | ????????????*) refuse "the timestamp is no time" ;;
esac
age=$((${NOW:-$(date +%s)} - timestamp))
[ "$age" -le 300 ] && [ "$age" -ge -300 ] || refuse "the timestamp is $age seconds off"

key=$(printf '%s' "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
mac=$({ printf '%s.%s.' "$id" "$timestamp" && cat "$body"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
for signature in $signatures; do
    if [ "$signature" = "v1,$mac" ]; then
        echo "verified $id"
        exit 0
    fi
done
refuse "no signature fits"

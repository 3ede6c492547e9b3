#!/usr/bin/env bash
# Signs a request to the merchant API with curl and openssl (3.0 or newer):
#
#     BASE_URL=… KEY_ID=key_… ALGORITHM=ed25519 PRIVATE_KEY_FILE=key.pem ./sign.sh GET /api/v1/orders
#     BASE_URL=… KEY_ID=key_… ALGORITHM=hmac-sha256 SECRET_KEY=hk_… ./sign.sh POST /api/v1/orders '{…}'
set -euo pipefail
method=$1 url=$BASE_URL$2 body=${3-}

base_file=$(mktemp)
trap 'rm -f "$base_file"' EXIT

names='"@method" "@target-uri"'
base="\"@method\": $method
\"@target-uri\": $url"
send=()
if [ -n "$body" ]; then
  digest="sha-256=:$(printf %s "$body" | openssl dgst -sha256 -binary | base64):"
  names="$names \"content-type\" \"content-digest\""
  base="$base
\"content-type\": application/json
\"content-digest\": $digest"
  send=(-H 'Content-Type: application/json' -H "Content-Digest: $digest" --data-binary "$body")
fi
parameters="($names);created=$(date +%s);nonce=\"$(openssl rand -hex 16)\";keyid=\"$KEY_ID\""
# No newline at the end of the base.
printf '%s\n"@signature-params": %s' "$base" "$parameters" > "$base_file"

case $ALGORITHM in
  ed25519) signed() { openssl pkeyutl -sign -rawin -inkey "$PRIVATE_KEY_FILE" -in "$base_file"; } ;;
  rsa-v1_5-sha256) signed() { openssl dgst -sha256 -sign "$PRIVATE_KEY_FILE" "$base_file"; } ;;
  hmac-sha256) signed() { openssl dgst -sha256 -hmac "$SECRET_KEY" -binary "$base_file"; } ;;
esac
signature=$(signed | base64 | tr -d '\n')

curl -sS -X "$method" "$url" "${send[@]}" \
  -H "Signature-Input: sig=$parameters" -H "Signature: sig=:$signature:" \
  -w '\n%{http_code}\n'

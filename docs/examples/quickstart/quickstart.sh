#!/usr/bin/env bash
# One purchase from its creation to a refund, with curl. Verifying a webhook with openssl: ../webhooks/verify.sh
#
# BASE_URL, SECRET_KEY, WEBHOOK_SECRET and PAYER_TOKEN come from the environment; the demo's stand in .run/demo.json.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# `--retry` repeats the very same request after no answer, a 429 or a 5xx: its numbers make that safe.
api() {
    curl --silent --show-error --fail-with-body --max-time 30 --retry 4 --retry-connrefused \
        -H "Authorization: Bearer $SECRET_KEY" -H 'Content-Type: application/json' "$BASE_URL/api/v1$1" "${@:2}"
}
pick() { sed -E "s/.*\"$1\":\"?([^,\"}]*).*/\1/"; } # the first level of a small answer; use jq where you have it

# 1. Write your own number down first: with it everything can be repeated.
number="TEA-$(openssl rand -hex 6)"
api /orders -d "{\"merchant_order_no\":\"$number\",\"amount\":1280,\"currency\":\"CNY\",\"subject\":\"Green tea\"}" > "$folder/order"
order_no=$(pick order_no < "$folder/order")
echo "created $order_no $(pick cashier_url < "$folder/order")"

# 2. Send the customer to cashier_url; or, with his agreement, pay by yourself.
api "/orders/$order_no/pay" -d "{\"method\":\"BALANCE\",\"options\":{\"payer_token\":\"$PAYER_TOKEN\"}}" > /dev/null

# 3. Asking tells, whenever you are not sure.
echo "asked $(api "/orders/$order_no" | sed -E 's/.*"merchant_order_no":"[^"]*","status":"([A-Z]+)".*/\1/')"

# 4. Money back, in part, under a number of your own.
api /refunds -d "{\"order_no\":\"$order_no\",\"merchant_refund_no\":\"$number-R1\",\"amount\":280}" > "$folder/refund"
echo "refund $(pick status < "$folder/refund") $(pick amount < "$folder/refund")"

# 5. What happened, also when no webhook reached you: the events of the order, newest first.
echo "event $(api "/events?object_no=$order_no&limit=1" | pick type)"

#!/usr/bin/env bash
# Post Stripe's "this intent is paid" as Stripe would, signed. Usage: STRIPE_WEBHOOK_SECRET=… first-webhook.sh pi_…
set -euo pipefail
intent=${1:?name the payment intent}
secret=${STRIPE_WEBHOOK_SECRET:?set STRIPE_WEBHOOK_SECRET to the account\'s webhook secret}
url=${PAYSTREAM_URL:-http://127.0.0.1:8080/webhooks/stripe/demo}
now=$(date +%s)
body=$(printf '{"id":"evt_%s","object":"event","created":%s,"type":"payment_intent.succeeded","data":{"object":{"id":"%s","object":"payment_intent","amount":1099,"amount_received":1099,"currency":"usd","status":"succeeded","latest_charge":"ch_%s"}}}' "$intent" "$now" "$intent" "$intent")
signature=$(printf '%s.%s' "$now" "$body" | openssl dgst -sha256 -hmac "$secret" | sed 's/^.*= *//')
curl --silent --show-error --include --request POST "$url" \
  --header "Content-Type: application/json" --header "Stripe-Signature: t=$now,v1=$signature" --data-binary "$body"
echo

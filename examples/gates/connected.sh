#!/bin/sh
# A gate: goes on when at least 95 % of the chargers that were just written are connected, as the CSMS says.
#
#   exolink-reconcile apply --plan plan.json --gate 'sh gates/connected.sh'
#
# It needs curl and jq, and CSMS_URL: GET $CSMS_URL/connected has to answer with a JSON array of identities. Change that
# line to what your CSMS offers. EXOLINK_ADDRESSES is a file with one TENANT/KIND/NAME a line; a token comes from
# CSMS_TOKEN_FILE. SHARE (95), TRIES (10) and PAUSE (30 seconds) can be set.
set -eu

wanted=$(mktemp) connected=$(mktemp)
trap 'rm -f "$wanted" "$connected"' EXIT
sed -n 's|^[^/]*/charger/||p' "$EXOLINK_ADDRESSES" | sort -u >"$wanted"
total=$(wc -l <"$wanted")
[ "$total" -gt 0 ] || { echo "Stage $EXOLINK_STAGE wrote no charger."; exit 0; }

fetch() { curl --fail --silent --show-error --max-time 20 ${CSMS_TOKEN_FILE:+--header "@$CSMS_TOKEN_FILE"} "$CSMS_URL/connected"; }

try=1
while :; do
  fetch | jq -er '.[]' | sort -u >"$connected" || true
  up=$(comm -12 "$wanted" "$connected" | wc -l)
  echo "Stage $EXOLINK_STAGE: $up of $total connected."
  [ $((up * 100)) -lt $((total * ${SHARE:-95})) ] || exit 0
  [ "$try" -lt "${TRIES:-10}" ] || break
  try=$((try + 1))
  sleep "${PAUSE:-30}"
done
echo "Not connected, among others:"
comm -23 "$wanted" "$connected" | head -10
exit 1

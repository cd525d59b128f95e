#!/bin/sh
# A gate: waits until somebody says go on, by a file. Nothing is written meanwhile.
#
#   exolink-reconcile apply --plan plan.json --gate-timeout 240m --gate 'sh gates/approved.sh /srv/exolink/go'
#
# `touch /srv/exolink/go-2` lets stage 2 be left behind; `touch /srv/exolink/stop` ends the apply. On GitHub, wait with an
# environment instead: one job for each wave, `apply --plan plan.json --wave GLOB`, each with `environment:`.
set -eu
place=${1:?usage: approved.sh FILE}
stop=$(dirname "$place")/stop
echo "Stage $EXOLINK_STAGE wrote $(wc -l <"$EXOLINK_ADDRESSES") objects. To go on: touch $place-$EXOLINK_STAGE; to end: touch $stop"
while [ ! -e "$place-$EXOLINK_STAGE" ]; do
  [ ! -e "$stop" ] || { echo "Stopped by $stop."; exit 1; }
  sleep "${PAUSE:-5}"
done

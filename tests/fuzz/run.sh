#!/usr/bin/env bash
# Fuzz what reads bytes of others: run.sh [SECONDS per harness, 60] [HARNESS...]. Exit 1 on a finding.
# Its own virtual environment (atheris needs CPython 3.11 or 3.12 on Linux) and the growing corpora stand in .cache/fuzz.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- yaml table list journal inert
cache=$PWD/.cache/fuzz
venv=$cache/venv
uv=$PWD/.venv/bin/uv
if [ ! -e "$venv/.installed" ]; then
    "$uv" venv --quiet --clear --python "$PWD/.venv/bin/python" "$venv"
    "$uv" pip install --quiet --python "$venv/bin/python" 'atheris>=3,<4' --editable .
    touch "$venv/.installed"
fi
mkdir -p "$cache/findings"
"$venv/bin/python" tests/fuzz/seeds.py "$cache/seeds"
failed=0
for name in "$@"; do
    mkdir -p "$cache/corpus/$name"
    log=$cache/$name.log
    case $name in journal) longest=65536 ;; *) longest=4096 ;; esac
    echo "== $name: $seconds s"
    if "$venv/bin/python" "tests/fuzz/fuzz_$name.py" "$cache/corpus/$name" "$cache/seeds/$name" \
        -max_total_time="$seconds" -max_len=$longest -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$cache/findings/$name-" >"$log" 2>&1; then
        grep -E 'number_of_executed_units|peak_rss_mb' "$log" || true
    else
        failed=1
        echo "FINDING in $name; the input is in $cache/findings, the log is $log"
        grep -vE '^#[0-9]' "$log" | tail -40
    fi
done
exit $failed

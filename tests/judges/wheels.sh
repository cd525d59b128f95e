#!/usr/bin/env bash
# Does the package install without a compiler? Resolved from wheels alone for each Python and platform that we name, and
# installed for real on this one. A Python that docs/versions.md does not promise is shown and fails nothing.
#
#   bash tests/judges/wheels.sh WHEEL
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
wheel=$(realpath "${1:?usage: wheels.sh WHEEL}")
uv=$root/.venv/bin/uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

for python in 3.11 3.12 3.13 3.14 3.15; do
  for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 x86_64-unknown-linux-musl aarch64-apple-darwin; do
    if "$uv" pip compile --quiet --only-binary :all: --python-version "$python" --python-platform "$platform" \
      "$root/pyproject.toml" >"$work/resolved" 2>"$work/why"; then
      echo "ok   $python $platform: $(grep -E '^(deepdiff|pydantic-core|ruamel-yaml-clib)==' "$work/resolved" | tr '\n' ' ')"
    elif [[ $python == 3.15 ]]; then
      echo "note $python $platform: not without a compiler"
    else
      echo "FAIL $python $platform"
      tail -5 "$work/why"
      bad=1
    fi
  done
done

"$uv" venv --quiet "$work/venv"
"$uv" pip install --quiet --python "$work/venv/bin/python" --only-binary :all: "$wheel"
(cd "$work" && venv/bin/exolink-reconcile --version && venv/bin/exolink-reconcile demo >/dev/null && echo "ok   installed here, and the demo runs")
exit $bad

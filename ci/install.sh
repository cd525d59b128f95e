#!/usr/bin/env bash
# Install exolink-reconcile into a virtual environment of its own, for the action and nothing else on the runner.
#
# It is this checkout, that is the commit which the workflow pins, with the locked dependencies: wheels only, by hash. A source
# distribution would run its own build code, and what that needs is not locked.
# uv does it in a fraction of the time: the one on the path, else the locked one, which pip brings. Where uv gets nowhere (pip may
# know an index that it does not), pip does it all.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$RUNNER_TEMP/exolink-reconcile
python=${ACTION_PYTHON:-python3}

fail() {
  echo "::error title=exolink-reconcile::$1"
  exit 3
}

# `-` ends the key in the name of the cache: no key may hold it, or one could be the beginning of another.
[[ ${ACTION_STATE_KEY-default} =~ ^[a-z0-9_]{1,40}$ ]] || fail "the input 'state-key' takes 1 to 40 of a-z, 0-9 and _"
if ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  fail "Python 3.11 or newer is needed: put actions/setup-python before this action"
fi
if [[ -f $venv/installed && $(<"$venv/installed") == "$here" ]]; then
  exit 0
fi

locked=(--require-hashes --only-binary=:all: -r "$here/requirements.txt" -r "$here/build-requirements.txt")
source=(--no-deps --no-build-isolation "$here/..")
uv=$(command -v uv || echo "$RUNNER_TEMP/exolink-uv/bin/uv")

with_uv() {
  export UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never # the checkout may hold a uv.toml
  [[ -x $uv ]] || bring_uv
  "$uv" venv --quiet --python "$(command -v "$python")" "$venv" && install_all "$uv" pip install --quiet --python "$venv/bin/python"
}

bring_uv() {
  local lock=$RUNNER_TEMP/exolink-uv.txt
  sed -n '/^uv==/,/[^\\]$/p' "$here/requirements-dev.txt" >"$lock"
  "$python" -I -m pip --disable-pip-version-check --quiet install --target "$RUNNER_TEMP/exolink-uv" --no-deps --no-compile \
    --require-hashes --only-binary=:all: -r "$lock"
}

with_pip() {
  "$python" -I -m venv "$venv" && install_all "$venv/bin/python" -I -m pip --disable-pip-version-check --quiet install
}

install_all() { # COMMAND...: what is locked, then this checkout
  "$@" "${locked[@]}" && "$@" "${source[@]}"
}

rm -rf "$venv"
if ! with_uv 2>"$RUNNER_TEMP/exolink-uv.log"; then
  echo "uv cannot install here ($(tail -n 1 "$RUNNER_TEMP/exolink-uv.log")), so pip does."
  rm -rf "$venv"
  with_pip
fi
"$venv/bin/python" -I -m exolink_reconcile --version
echo "$here" >"$venv/installed"

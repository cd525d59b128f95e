#!/usr/bin/env bash
# Install exolink-reconcile into a virtual environment of its own, for the action and nothing else on the runner.
#
# ACTION_VERSION empty: this checkout, that is the commit which the workflow pins, with the locked dependencies (hashes).
# ACTION_VERSION set: that release from the package index pip is set up for; its dependencies are not locked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$RUNNER_TEMP/exolink-reconcile
python=${ACTION_PYTHON:-python3}
version=${ACTION_VERSION:-}

fail() {
  echo "::error title=exolink-reconcile::$1"
  exit 3
}

if [[ -n $version && ! $version =~ ^[0-9]+(\.[0-9]+)*([a-z]+[0-9]+)?$ ]]; then
  fail "the input 'version' is no version number"
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  fail "Python 3.11 or newer is needed: put actions/setup-python before this action"
fi
if [[ -f $venv/installed && $(<"$venv/installed") == "$here $version" ]]; then
  exit 0
fi

pip() { "$venv/bin/python" -I -m pip --disable-pip-version-check --quiet "$@"; }

rm -rf "$venv"
"$python" -I -m venv "$venv"
if [[ -n $version ]]; then
  pip install "exolink-reconcile==$version"
else
  pip install --require-hashes -r "$here/requirements.txt" -r "$here/build-requirements.txt"
  pip install --no-deps --no-build-isolation "$here/.."
fi
"$venv/bin/exolink-reconcile" --version
echo "$here $version" >"$venv/installed"

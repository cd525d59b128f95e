#!/bin/bash
# Let yaml-language-server, the program behind VS Code's and Neovim's YAML support, read our schema and the corpus.
#
#   bash tests/editor/run.sh FOLDER        installs it from npm into FOLDER, once: 30 MB; then about half a minute
#
# The version is pinned: messages and snippets differ between versions. 1.25.0 is the last one for Node 20.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:?usage: run.sh FOLDER}" && home=$(cd "$1" && pwd)
version=1.25.0
command -v node >/dev/null && command -v npm >/dev/null || { echo "make editor needs node and npm"; exit 1; }
if ! grep -qs "\"version\": \"$version\"" "$home/node_modules/yaml-language-server/package.json"; then
  npm install --prefix "$home" --no-audit --no-fund --no-save --loglevel=error "yaml-language-server@$version"
fi
export EXOLINK_LANGUAGE_SERVER=$home/node_modules/yaml-language-server/bin/yaml-language-server
cd "$root" && exec .venv/bin/python -m pytest -m "" tests/editor "${@:2}"

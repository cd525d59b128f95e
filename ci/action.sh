#!/usr/bin/env bash
# One run of exolink-reconcile on a GitHub runner: validate, plan or apply, with summary, outputs and comment.
#
# Everything comes in by environment, nothing is pasted into this script. What the tool prints may hold names that somebody
# chose with care, so it is only ever shown (log, Markdown) or matched against a pattern (outputs), never run.
#
#   ACTION_COMMAND      validate, plan or apply
#   ACTION_PATHS        files and folders, one a line; may be empty
#   ACTION_ARGS         more arguments of the command, one a line
#   ACTION_API_URL      --api-url; empty: the tool's default
#   ACTION_PLAN_FILE    where plan saves, what apply applies
#   ACTION_EXPECT       the digest that apply may apply, 32 or more hex digits
#   ACTION_ENV_ALLOW    which variables of the job the YAML may name: globs, one a line; empty: none
#   ACTION_STATE        the state: a folder or a URL
#   ACTION_COMMENT      true: keep one comment on the pull request up to date
#   ACTION_COMMENT_NAME tells apart several such comments on one pull request
#   ACTION_COMMENT_AUTHOR  only comments of this account are ever changed
#   ACTION_ISSUE        the title of one issue that `plan` opens, updates and closes again as differences come and go; empty: none
#   ACTION_PR, ACTION_HEAD_SHA, ACTION_BASE_SHA, ACTION_FORK   the pull request, if there is one
#   EXOLINK_TOKEN       the API's token; handed on as a file
#   GH_TOKEN            for comment and issue; the tool does not get it
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${ACTION_BIN:-$RUNNER_TEMP/exolink-reconcile/bin}
work=$(mktemp -d "$RUNNER_TEMP/exolink.XXXXXX") # mode 0700
trap 'rm -rf "$work"' EXIT
plan_file=${ACTION_PLAN_FILE:-$RUNNER_TEMP/exolink-plan.json}
html_file=$RUNNER_TEMP/exolink-plan.html
comment_limit=65000 # GitHub takes 65,536 characters; the rest is for the line below the plan
summary_limit=900000 # GitHub takes 1 MiB a step
code=0
child=

main() {
  local -a paths more options allowed # filled in here, read by what is called from here
  read_lines paths "${ACTION_PATHS:-}"
  read_lines more "${ACTION_ARGS:-}"
  read_lines allowed "${ACTION_ENV_ALLOW:-}"
  options=("${more[@]}")
  [[ -z ${ACTION_API_URL:-} ]] || options+=(--api-url "$ACTION_API_URL")
  seal
  local glob
  for glob in "${allowed[@]}"; do
    [[ $glob =~ ^[A-Za-z0-9_*?]+$ ]] || refuse "the input 'env-allow' takes names of variables, with * and ?, one a line"
  done
  [[ $plan_file != *[$'\n\r']* ]] || refuse "the input 'plan-file' has a line break"
  [[ ${ACTION_PR:-0} =~ ^[0-9]+$ ]] || refuse "the number of the pull request is not a number"
  [[ -z ${ACTION_EXPECT:-} || $ACTION_EXPECT =~ ^[0-9a-fA-F]{32,64}$ ]] ||
    refuse "the input 'expect' must be the digest of the plan, or at least its first 32 hex digits"
  case ${ACTION_COMMAND:-} in
    validate) validate "Validated" ;;
    plan) if without_secrets; then only_validate; else plan; fi ;;
    apply) apply ;;
    *) refuse "the input 'command' must be validate, plan or apply" ;;
  esac
  output exitcode "$code"
  # Exit code 2 says that there are differences: for a workflow to look at, not a failure.
  [[ $code == 2 ]] || exit "$code"
}

# ------------------------------------------------------------------------------------------------------------- commands

validate() { # HEADLINE
  run "$work/out" "$work/err" validate --format github "${more[@]}" -- "${paths[@]}"
  cat "$work/out" # annotations, which the runner has to see as commands
  quietly cat "$work/err"
  {
    echo "### exolink-reconcile: $1, exit code $code"
    echo
    if [[ $code == 0 ]]; then echo "The YAML is valid."; else meaning; fi
    helper fence "$summary_limit" "$work/err"
  } >>"$GITHUB_STEP_SUMMARY"
}

without_secrets() { # a pull request from a fork: GitHub gives it no secrets
  [[ ${ACTION_FORK:-} == true && ${ACTION_API_URL:-} != emulator:* && ! -f $work/token && -z ${EXOLINK_TOKEN_FILE:-} ]]
}

only_validate() {
  more=() # they are options of plan
  validate "Validated only. This pull request comes from a fork and gets no token, so nothing was planned"
  output planned false
  echo "::warning title=exolink-reconcile::Nothing was planned: a pull request from a fork gets no token. The YAML was validated."
}

plan() {
  rm -f -- "$plan_file" "$html_file" # a plan of an earlier step must not pass for this one
  local -a origin=() # read by what is called from here
  find_origin
  find_base
  run "$work/out" "$work/err" plan --out "$plan_file" --detailed-exitcode --format text "${options[@]}" -- "${paths[@]}"
  quietly cat "$work/err" "$work/out"
  if [[ $code == 0 || $code == 2 ]]; then
    helper outputs "$plan_file" >"$work/outputs"
    cat "$work/outputs" >>"$GITHUB_OUTPUT"
    output planned true
    output plan-file "$plan_file"
    tool show "$plan_file" --format html "${origin[@]}" >"$html_file" 2>"$work/html.err" && output html-file "$html_file"
  else
    output planned false
  fi
  page summary "$summary_limit"
  cat "$work/summary.md" >>"$GITHUB_STEP_SUMMARY"
  if [[ ${ACTION_COMMENT:-} == true && -n ${ACTION_PR:-} ]]; then
    page comment "$comment_limit"
    comment
  fi
  if [[ -n ${ACTION_ISSUE:-} ]]; then
    page issue "$comment_limit"
    keep_issue
  fi
}

find_base() { # the YAML that the pull request started from, so that the plan tells its own changes from what differs anyway
  [[ -n ${ACTION_PR:-} && -z ${EXOLINK_BASE:-} ]] || return 0
  local base=$work/base commit=${ACTION_BASE_SHA:-}
  if ((${#paths[@]} > 1)); then
    echo "The plan is not compared with the target branch: that needs a single path."
    return 0
  fi
  # The checkout of a pull request is a merge: its first parent is the head of the target branch (fetch-depth: 2 brings it).
  ! in_checkout rev-parse --quiet --verify HEAD^2 >"$work/git" 2>&1 || commit=$(in_checkout rev-parse HEAD^1)
  mkdir "$base"
  if [[ $commit =~ ^[0-9a-f]{40,64}$ ]] && in_checkout archive "$commit" 2>"$work/git" | tar -x -C "$base" 2>>"$work/git"; then
    base=$(readable_base "$base") && export EXOLINK_BASE=$base && return 0
    echo "The plan is not compared with the target branch: its YAML is not there, or not valid."
  else
    echo "The plan is not compared with the target branch, which is not in the checkout: give actions/checkout fetch-depth: 2."
  fi
}

readable_base() { # FOLDER: the path in it that stands for the paths of this run
  local path
  for path in "${paths[@]:-exolink.yaml}" "${paths[@]:-exolink}"; do
    [[ $path != /* && $path != - && -e $1/$path ]] || continue
    tool validate -- "$1/$path" >"$work/base.out" 2>&1 || return 1
    echo "$1/$path"
    return
  done
  return 1
}

in_checkout() { git -c safe.directory='*' "$@"; }

find_origin() { # where the plan comes from, for its page and comment; its places lead to the lines of this commit
  local repository=${GITHUB_SERVER_URL:-}/${GITHUB_REPOSITORY:-} commit=${ACTION_HEAD_SHA:-${GITHUB_SHA:-}}
  [[ -n ${GITHUB_SERVER_URL:-} && -n ${GITHUB_REPOSITORY:-} && $commit =~ ^[0-9a-f]{40,64}$ ]] || return 0
  origin=(
    --link-base "$repository/blob/$commit" --provenance "commit=$commit" --provenance "who=${GITHUB_ACTOR:-}"
    --provenance "when=$(date -u +%Y-%m-%dT%H:%M:%SZ)" --provenance "run=$repository/actions/runs/${GITHUB_RUN_ID:-}"
  )
}

page() { # NAME LIMIT: the plan as Markdown in $work/NAME.md; what does not fit in one place can still fit in another
  local name=$1 limit=$2
  if [[ $code == 0 || $code == 2 ]]; then
    tool show "$plan_file" --format markdown --max-size "$limit" "${origin[@]}" >"$work/$name.md" 2>"$work/$name.err" && return
    {
      echo "### exolink-reconcile: the plan is too long for this $name"
      echo
      echo "What it deletes, replaces and holds back is never left out, and takes more than $limit bytes."
      echo "**Read all of it in the log of this job before you approve it.** In short:"
      helper fence 1000 "$work/outputs"
    } >"$work/$name.md"
  else
    { # replaces an earlier plan in the comment: one that is still shown after a push that broke it would be approved
      echo "### exolink-reconcile: there is no plan, exit code $code"
      echo
      meaning
      helper fence "$limit" "$work/err"
    } >"$work/$name.md"
  fi
}

apply() {
  local -a reviewed=()
  [[ -z ${ACTION_EXPECT:-} ]] || reviewed+=(--expect "$ACTION_EXPECT")
  [[ -z ${ACTION_PLAN_FILE:-} ]] || reviewed+=(--plan "$plan_file")
  ((${#reviewed[@]})) || refuse "apply needs the input 'plan-file' or 'expect': what was reviewed"
  [[ -n ${ACTION_PLAN_FILE:-} ]] || options+=(-- "${paths[@]}") # a saved plan has its own
  run_shown apply "${reviewed[@]}" "${options[@]}"
  {
    echo "### exolink-reconcile: apply, exit code $code"
    echo
    meaning
    helper result "$work/out"
  } >>"$GITHUB_STEP_SUMMARY"
}

meaning() {
  local again="Then run this job again: it goes on with what is left of the plan."
  # What is left has a digest of its own, so the approved one fits no longer.
  [[ -n ${ACTION_PLAN_FILE:-} ]] || again="Then plan again, and have what is left approved."
  case $code in
    0) echo "Done and verified." ;;
    2) echo "There are differences." ;;
    3) echo "The input is invalid; nothing was sent." ;;
    4) echo "The API gave no usable answer; nothing was written. Run it again." ;;
    5) echo "**Incomplete.** All outcomes are known: the text below says what failed, was skipped or is held back. $again" ;;
    6) echo "**The plan is stale**; nothing was written. Plan again and have that reviewed." ;;
    7) echo "**A guardrail refused**; nothing was written. The text below names the option that would allow it." ;;
    8) echo "**The lock** is held, or was lost. Wait for the other apply, then plan again." ;;
    9) echo "**The outcome of at least one write is unknown.** Run this job again, with the same state, before anything else: it first reads what became of each write, and sends no create twice." ;;
    10) echo "Not authenticated, or not allowed: look at the token." ;;
    11) echo "Local storage failed." ;;
    129 | 130 | 143) echo "Interrupted; no write is unknown. $again" ;;
    *) echo "This is a bug in the tool; please report it." ;;
  esac
  echo
}

# ------------------------------------------------------------------------------------------------------ running the tool

tool() { helper tool "$@"; }

run() { # OUT ERR ARGUMENTS: sets code. In the background, so that a cancelled job reaches the tool, which then ends cleanly.
  local out=$1 err=$2
  shift 2
  trap stop INT TERM
  "$bin/python" -I "$here/action_helper.py" tool "$@" >"$out" 2>"$err" &
  child=$!
  settle
}

run_shown() { # ARGUMENTS: the same, shown while it runs and kept in $work/out
  local fence tee
  fence=$(random)
  echo "::stop-commands::$fence"
  exec 3> >(trap '' INT TERM; exec tee "$work/out")
  tee=$!
  run /dev/fd/3 /dev/fd/3 "$@"
  exec 3>&-
  wait "$tee" || true
  echo "::$fence::"
}

stop() { [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true; }

settle() { # wait for the child, also when a signal ends the waiting
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  child=
}

quietly() { # show what a command prints, without the runner taking a line of it for a command
  local fence
  fence=$(random)
  echo "::stop-commands::$fence"
  "$@" || true
  echo "::$fence::"
}

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

seal() { # what the tool gets by environment, and the helper lets through
  if [[ -n ${EXOLINK_TOKEN:-} ]]; then # as a file: it is read where it is needed, and stands in no environment
    (umask 077 && printf '%s' "$EXOLINK_TOKEN" >"$work/token")
    export EXOLINK_TOKEN_FILE=$work/token
    unset EXOLINK_TOKEN
  fi
  # not an argument: it may be a URL with a password, and other users of the machine see arguments
  [[ -z ${ACTION_STATE:-} ]] || export EXOLINK_STATE=$ACTION_STATE
}

# -------------------------------------------------------------------------------------------------------- the runner's files

helper() { "$bin/python" -I "$here/action_helper.py" "$@"; }

output() { # NAME VALUE: one line, or nothing at all
  [[ $2 != *[$'\n\r']* ]] || refuse "the output $1 would have a line break"
  echo "$1=$2" >>"$GITHUB_OUTPUT"
}

read_lines() { # NAME TEXT: an array with one element for each line that is not empty
  local -n into=$1
  local line
  into=()
  while IFS= read -r line; do
    line=${line%$'\r'}
    [[ -z $line ]] || into+=("$line")
  done <<<"$2"
}

refuse() {
  echo "::error title=exolink-reconcile::$1"
  echo "exitcode=3" >>"$GITHUB_OUTPUT"
  exit 3
}

comment() { # create the comment, or change the one that this job made before
  local id='' comments="repos/$GITHUB_REPOSITORY/issues/$ACTION_PR/comments"
  local name=${ACTION_COMMENT_NAME:-plan} author=${ACTION_COMMENT_AUTHOR:-github-actions[bot]}
  helper body "$work/comment.md" "$name" "${ACTION_HEAD_SHA:-}" \
    "${GITHUB_SERVER_URL:-}/$GITHUB_REPOSITORY/actions/runs/${GITHUB_RUN_ID:-}" >"$work/body.md"
  if ! patiently gh api --paginate "$comments?per_page=100" >"$work/comments.json" ||
    ! id=$(helper comment "$work/comments.json" "$name" "$author"); then
    outdated "The comments could not be read, and one of them may show an earlier plan"
  elif [[ -z $id ]]; then
    patiently gh api --silent --method POST "$comments" -F "body=@$work/body.md" ||
      echo "::warning title=exolink-reconcile::The comment could not be written; the plan is in the summary of this job."
  else
    patiently gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F "body=@$work/body.md" ||
      outdated "The comment could not be changed and still shows an earlier plan"
  fi
}

keep_issue() { # one issue for all runs: opened with the first difference, kept up to date, closed when nothing differs
  local id='' issues="repos/$GITHUB_REPOSITORY/issues" name=${ACTION_COMMENT_NAME:-plan}
  helper body "$work/issue.md" "$name" "${ACTION_HEAD_SHA:-}" \
    "${GITHUB_SERVER_URL:-}/$GITHUB_REPOSITORY/actions/runs/${GITHUB_RUN_ID:-}" >"$work/body.md"
  if ! patiently gh api --paginate "$issues?state=open&per_page=100" >"$work/issues.json" ||
    ! id=$(helper issue "$work/issues.json" "$name" "${ACTION_COMMENT_AUTHOR:-github-actions[bot]}"); then
    outdated "The issues could not be read"
  elif [[ -z $id ]]; then
    [[ $code == 0 ]] || patiently gh api --silent --method POST "$issues" -f "title=$ACTION_ISSUE" -F "body=@$work/body.md" ||
      outdated "The issue could not be opened"
  else
    local state=open
    [[ $code != 0 ]] || state=closed
    patiently gh api --silent --method PATCH "$issues/$id" -f "state=$state" -F "body=@$work/body.md" ||
      outdated "The issue could not be changed and still shows an earlier plan"
  fi
}

outdated() { # WHY: a reviewer would approve what is no longer the plan, so the job must not look fine
  echo "::error title=exolink-reconcile::$1. The plan is in the summary of this job. Run the job again before you approve anything."
  [[ $code != 0 && $code != 2 ]] || code=11
}

patiently() { # COMMAND...: up to three times
  local try
  for try in 1 2 3; do
    "$@" >"$work/answer" && cat "$work/answer" && return
    [[ $try == 3 ]] || sleep "${ACTION_PAUSE:-3}"
  done
  return 1
}

main

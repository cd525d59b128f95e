#!/bin/bash
# Let independent programs read what exolink-reconcile writes: plan JSON, and the schemas it prints.
#
#   bash tests/judges/run.sh FOLDER        installs the judges (PyPI) into FOLDER, once: 500 MB; then about 2 minutes
#
# Judges: Terraform's own renderer (terraform_render.py; skipped without `terraform`), terraform-compliance, checkov, OPA
# and regorus, tf-peek, readtheplan, check-jsonschema with a closed transcription of Terraform's format
# (plan-format-1.2.schema.json) and with our own schemas. The plans are made here, on the emulator inside the tool.
#
# Most of these programs exit 0 when they have understood nothing, so every check looks for words in what they print, and
# each judge is also shown something that it has to refuse. Our own key `exolink` is taken off for the closed transcription
# only; everything else gets the file as it is written.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?usage: run.sh FOLDER}" && home=$(cd "$1" && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bin=$root/.venv/bin
uv=$bin/uv; [ -x "$uv" ] || uv=uv
tool() { env -u EXOLINK_TOKEN EXOLINK_STATE="$work/state" "$bin/exolink-reconcile" "$@"; }
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 NO_COLOR=1
passed=0 failed=0

# ------------------------------------------------------------------------------------------------------------- checks

ok() { passed=$((passed + 1)); echo "ok   $1"; }
bad() { failed=$((failed + 1)); echo "FAIL $1"; sed 's/^/       /' log | tail -"${2:-8}"; }
strip() { sed -i 's/\x1b\[[0-9;]*m//g' log; }
# says NAME WORDS COMMAND...: the command exits 0 and prints the words. refuses: it exits otherwise and prints the words.
says() { local name=$1 words=$2 rc; shift 2; "$@" >log 2>&1; rc=$?; strip; if [ $rc = 0 ] && grep -qF -- "$words" log; then ok "$name"; else bad "$name (exit $rc, want: $words)"; fi; }
refuses() { local name=$1 words=$2 rc; shift 2; "$@" >log 2>&1; rc=$?; strip; if [ $rc != 0 ] && grep -qF -- "$words" log; then ok "$name"; else bad "$name (exit $rc, want a refusal: $words)"; fi; }
# in_log, not_in_log NAME WORDS: about the output of the command before.
in_log() { if grep -qF -- "$2" log; then ok "$1"; else bad "$1 (want: $2)" 0; fi; }
not_in_log() { if grep -qF -- "$2" log; then bad "$1 (must not say: $2)" 0; else ok "$1"; fi; }
same() { if [ "$2" = "$3" ]; then ok "$1"; else failed=$((failed + 1)); echo "FAIL $1 (got '$2', want '$3')"; fi; }
# edit FILE STATEMENTS: the plan in FILE, changed by Python statements about `d`, on one line to stdout.
edit() { "$bin/python" -c "import json, sys; d = json.load(open(sys.argv[1])); exec(sys.argv[2]); print(json.dumps(d))" "$@"; }

# ------------------------------------------------------------------------------------------------------------ judges

install() { # NAME PACKAGE...
  local folder=$home/$1; shift
  [ -f "$folder/.installed" ] && return
  "$uv" venv -q --clear -p "$bin/python" "$folder" && "$uv" pip install -q -p "$folder/bin/python" "$@" && touch "$folder/.installed" && return
  echo "FAIL cannot install $*"; exit 1
}
install schema check-jsonschema
install compliance terraform-compliance
install checkov checkov
install regorus gordon-to-regorus pip
install peek tf-peek readtheplan
if [ ! -d "$home/opa/opa_bindings" ]; then # its metadata wants Python 3.14; the code is plain ctypes and runs on 3.11
  "$home/regorus/bin/python" -m pip download -q --no-deps --python-version 3.14 --only-binary=:all: -d "$home/opa" opa-golib-python-bindings 2>log &&
    (cd "$home/opa" && "$bin/python" -m zipfile -e ./*.whl .) || { echo "FAIL cannot install OPA"; exit 1; }
fi
schema=$home/schema/bin/check-jsonschema
compliance() { "$home/compliance/bin/terraform-compliance" -p "$1" -f "$here/features"; }
checkov() { "$home/checkov/bin/checkov" --framework terraform_plan --external-checks-dir "$here/checkov" --check CKV2_EXO_1 --skip-download --compact -f "$1"; }
rego() { PYTHONPATH=$home/opa "$home/regorus/bin/python" "$here/rego_engines.py" "$1" "$2" "$here/policy/plan.rego"; }
terraform_show() { "$bin/python" "$here/terraform_render.py" "$1"; }

# ------------------------------------------------------------------------------------------------------------- plans
# nothing, quick (5 creates), mix (everything at once), held (only a held-back difference), many (1,000 creates), deletes (12)

cp "$root/examples/quickstart/exolink.yaml" quick.yaml
export OLD_PASSWORD=hunter-one NEW_PASSWORD=hunter-two OLD_TOKEN=ticket-one NEW_TOKEN=ticket-two
cat > base.yaml <<'Y'
tenant: acme
cpms:
  - {displayName: Primary backend, url: "wss://cpms.example.com/ocpp", interval: 60}
  - {displayName: Old backend, url: "wss://old.example.com/ocpp", interval: 60}
  - {displayName: Bench, url: "wss://bench.example.com/", interval: 30}
  - {displayName: Held, url: "wss://held.example.com/", interval: 30}
  - {displayName: Nobody's, url: "wss://nobody.example.com/", interval: 30}
  - {displayName: 'Quote " dot . slash / Zürich', url: "wss://user:${env:OLD_PASSWORD}@q.example.com/?token=${env:OLD_TOKEN}", interval: 30}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profileId: 1}
  - {identity: CP-0002, displayName: Lobby right, profileId: 1}
  - {identity: CP-0003, displayName: Yard, profileId: 1}
Y
cat > mix.yaml <<'Y'
tenant: acme
cpms:
  - {displayName: Primary backend, url: "wss://cpms2.example.com/ocpp", interval: 60}
  - {displayName: Bench, url: "wss://bench.example.com/", interval: 45}
  - {displayName: Held, url: "wss://held.example.com/", interval: 99}
  - {displayName: 'Quote " dot . slash / Zürich', url: "wss://user:${env:NEW_PASSWORD}@q.example.com/?token=${env:NEW_TOKEN}", interval: 30}
  - {displayName: 'new "back\slash" ä.ö/ü', url: "wss://user:${env:NEW_PASSWORD}@n.example.com/x?token=${env:NEW_TOKEN}", interval: 30}
chargers:
  - {identity: CP-0001, displayName: Lobby left door, profileId: 2}
removed:
  - {cpms: Old backend, reason: "contract ended"}
  - {charger: CP-0002}
Y
sed -n '1,2p; /Held/p' mix.yaml > held.yaml
{ echo "tenant: acme"; echo "chargers:"; for i in $(seq -w 1 1000); do echo "  - {identity: CP-$i, displayName: Charger $i, profileId: 1}"; done; } > many.yaml
sed -n '1,14p' many.yaml > twelve.yaml
{ echo "tenant: acme"; echo "removed:"; sed -n '3,14s/identity: \(CP-[0-9]*\),.*/charger: \1}/p' twelve.yaml; } > deletes.yaml

says "set up: live objects" "9 added" tool apply base.yaml --api-url "emulator:$work/base.db" --auto-approve
says "set up: twelve chargers" "12 added" tool apply twelve.yaml --api-url "emulator:$work/twelve.db" --auto-approve
make_plan() { # NAME YAML DATABASE OPTIONS...
  local name=$1 yaml=$2 db=$3; shift 3
  tool plan "$yaml" --api-url "emulator:$work/$db.db" "$@" >"$name.txt" 2>log && tool plan "$yaml" --api-url "emulator:$work/$db.db" --format json --out "$name.saved" "$@" >"$name.json" 2>log || bad "plan $name"
}
make_plan nothing base.yaml base
make_plan quick quick.yaml quick
make_plan mix mix.yaml base --allow-replace acme/cpms/Bench
make_plan held held.yaml base
make_plan many many.yaml many
make_plan deletes deletes.yaml twelve --allow-deletes 12
sed 's#wss://#ws://#g' quick.json > ws.json
sed 's/"after_unknown"/"afterUnknown"/g' quick.json > misspelt.json
edit mix.json 'for r in d["resource_changes"]: r["change"].update(before_sensitive={}, after_sensitive={})' > unmarked.json

# ------------------------------------------------------------------------------------------------- the file itself

tool schema plan > plan.schema.json
says "our plan schema is a schema" "ok" "$schema" --check-metaschema plan.schema.json
for plan in nothing quick mix held many deletes; do
  edit $plan.json 'd.pop("exolink")' > closed.json
  says "$plan: Terraform's format, closed schema (without our key)" "ok" "$schema" --schemafile "$here/plan-format-1.2.schema.json" closed.json
  says "$plan: our own schema" "ok" "$schema" --schemafile plan.schema.json $plan.json
  same "$plan: one line" "$(wc -l <$plan.json)" 1
  same "$plan: saved and printed are the same bytes" "$(sha256sum <$plan.saved)" "$(sha256sum <$plan.json)"
  same "$plan: saved with mode 600" "$(stat -c %a $plan.saved)" 600
  same "$plan: no secret in JSON or text" "$(cat $plan.json $plan.txt | grep -cE 'hunter-|ticket-')" 0
done
edit misspelt.json 'd.pop("exolink")' > closed.json
refuses "Terraform's format refuses a misspelt key" "afterUnknown" "$schema" --schemafile "$here/plan-format-1.2.schema.json" closed.json
refuses "our own schema refuses a misspelt key" "afterUnknown" "$schema" --schemafile plan.schema.json misspelt.json

# ------------------------------------------------------------------------------------------- terraform's own renderer

if command -v terraform >/dev/null && command -v openssl >/dev/null; then
  says "terraform: nothing" "No changes. Your infrastructure matches the configuration." terraform_show nothing.json
  for plan in quick mix many deletes; do
    says "terraform: $plan, the counts of our text" "$(grep -m1 '^Plan: ' $plan.txt)" terraform_show $plan.json
  done
  same "terraform: mix, the counts" "$(grep '^Plan: ' mix.txt)" "Plan: 2 to add, 3 to change, 3 to destroy."
  terraform_show mix.json >log 2>&1
  in_log "terraform: mix, an update" 'url             = "wss://cpms.example.com/ocpp" -> "wss://cpms2.example.com/ocpp"'
  in_log "terraform: mix, a replace" '# exolink_cpms.acme["Bench"] must be replaced'
  in_log "terraform: mix, why it is replaced" '~ interval        = 30 -> 45 # forces replacement'
  in_log "terraform: mix, a delete" '# exolink_charger.acme["CP-0002"] will be destroyed'
  in_log "terraform: mix, a secret is not shown" '(sensitive value)'
  not_in_log "terraform: mix, not even masked" '***'
  in_log "terraform: mix, an update of nothing but a secret shows its field" '~ url             = (sensitive value)'
  in_log "terraform: mix, a replace leaves what is not managed to the server" '~ authPassThrough = false -> (known after apply)'
  in_log "terraform: mix, umlauts in an address are readable" '["Quote \" dot . slash / Zürich"] will be updated'
  edit mix.json 'd["resource_changes"][0]["change"]["actions"] = ["updated"]' > broken.json
  refuses "terraform refuses an action that does not exist" "unrecognized action" terraform_show broken.json
else
  echo "skip terraform's renderer: no terraform or no openssl on PATH"
fi

# ------------------------------------------------------------------------------------------------------------ policies

for plan in quick mix; do says "terraform-compliance: $plan" "3 steps (3 passed)" compliance $plan.json; done
refuses "terraform-compliance refuses ws://" 'url property in exolink_cpms.acme["Test bench"] resource does not match' compliance ws.json
for plan in nothing many; do refuses "terraform-compliance reads $plan, finds no CPMS" "Can not find exolink_cpms defined" compliance $plan.json; done
says "checkov: quick" "Passed checks: 2, Failed checks: 0" checkov quick.json
says "checkov: mix" "Passed checks: 4, Failed checks: 0" checkov mix.json
refuses "checkov refuses ws://" "Passed checks: 0, Failed checks: 2" checkov ws.json
for engine in opa regorus; do
  for plan in nothing quick mix held many; do says "$engine: $plan" "0 denied, 0 warned" rego $engine $plan.json; done
  says "$engine denies 12 deletes" "deny: the plan deletes 12 objects, more than 10" rego $engine deletes.json
  says "$engine warns of a secret that is not marked" "0 denied, 3 warned" rego $engine unmarked.json
done

# ----------------------------------------------------------------------------------------------------------- summaries

peek=$home/peek/bin
for each in nothing:0 quick:5 mix:7 many:1000 deletes:12; do
  says "readtheplan: ${each%:*}" "Resource changes: ${each#*:}" "$peek/readtheplan" analyze "${each%:*}.json"
  says "tf-peek: ${each%:*}" "| **${each#*:}** |" "$peek/tf-peek" "${each%:*}.json"
done
says "tf-peek: mix, why a replace" "**Forces replacement:** \`interval\`" "$peek/tf-peek" mix.json
not_in_log "tf-peek: mix, every update has a field that changes" "No attribute changes detected"
not_in_log "tf-peek: mix, no secret" "user:"
says "readtheplan: mix, the deletes" "irreversible: 2" "$peek/readtheplan" analyze mix.json
in_log "readtheplan: mix, the replace" "dangerous: 1"

# ----------------------------------------------------------------------------------------------------- the YAML schema

tool schema config > config.schema.json
same "the YAML schema is draft-07" "$(grep -c '"\$schema": "http://json-schema.org/draft-07/schema#"' config.schema.json)" 1
says "the YAML schema is a schema" "ok" "$schema" --check-metaschema config.schema.json
while read -r file; do # one file a document: check-jsonschema reads one
  rm -f doc-*.yaml; csplit -sz -f doc- -b %02d.yaml "$file" '/^---/' '{*}'
  says "examples/${file#"$root"/examples/} ($(ls doc-*.yaml | wc -l))" "ok" "$schema" --schemafile config.schema.json doc-*.yaml
done < <(find "$root/examples" \( -path "$root/examples/pipelines" -o -path "$root/examples/kubernetes" -o -path "$root/examples/monitoring" \) -prune -o -name '*.y*ml' -print | sort)
for file in base mix many deletes; do says "$file.yaml of this script" "ok" "$schema" --schemafile config.schema.json $file.yaml; done
sed 's/interval/intervall/' base.yaml > wrong.yaml
refuses "the YAML schema refuses an unknown key" "intervall" "$schema" --schemafile config.schema.json wrong.yaml
sed 's#wss://cpms#https://cpms#' base.yaml > wrong.yaml
refuses "the YAML schema refuses https://" "https://cpms.example.com" "$schema" --schemafile config.schema.json wrong.yaml

echo "$passed passed, $failed failed"
[ $failed = 0 ]

"""Let the real terraform print a plan JSON: `python terraform_render.py PLAN`.

`terraform show CLOUDPLAN` fetches a plan from an HCP-like API and prints it with Terraform's own renderer. This is that
API, on loopback, with a throw-away certificate and provider schemas made from the values. Needs terraform and openssl.
"""

import json
import os
import pathlib
import ssl
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWERS = json.loads("""{
"/.well-known/terraform.json": {"tfe.v2": "/api/v2/", "tfe.v2.1": "/api/v2/", "tfe.v2.2": "/api/v2/"},
"/api/v2/ping": {},
"/api/v2/organizations/judge": {"data": {"id": "judge", "type": "organizations"}},
"/api/v2/organizations/judge/entitlement-set": {"data": {"id": "judge", "type": "entitlement-sets", "attributes":
  {"operations": true}}},
"/api/v2/organizations/judge/workspaces/judge": {"data": {"id": "ws-1", "type": "workspaces", "attributes":
  {"name": "judge", "execution-mode": "remote", "operations": true, "structured-run-output-enabled": true,
   "actions": {}, "permissions": {"can-queue-run": true, "can-read-settings": true, "can-update": true}},
  "relationships": {"organization": {"data": {"id": "judge", "type": "organizations"}}}}},
"/api/v2/plans/plan-1": {"data": {"id": "plan-1", "type": "plans", "attributes":
  {"status": "finished", "has-changes": true}}},
"/api/v2/runs/run-1": {"data": {"id": "run-1", "type": "runs", "attributes":
  {"status": "planned", "has-changes": true, "actions": {}, "permissions": {}},
  "relationships": {"plan": {"data": {"id": "plan-1", "type": "plans"}},
                    "workspace": {"data": {"id": "ws-1", "type": "workspaces"}}}}}
}""")
ANSWERS["/api/v2/workspaces/ws-1"] = ANSWERS["/api/v2/organizations/judge/workspaces/judge"]
ANSWERS["/api/v2/runs/run-1"]["included"] = [
    ANSWERS["/api/v2/workspaces/ws-1"]["data"],
    ANSWERS["/api/v2/plans/plan-1"]["data"],
]
TYPES = {bool: "bool", int: "number", float: "number", str: "string", type(None): "string"}


def schemas(plan):
    by_provider = {}
    for row in plan["resource_changes"]:
        types = by_provider.setdefault(row["provider_name"], {"provider": {}, "resource_schemas": {}})[
            "resource_schemas"
        ]
        names = types.setdefault(row["type"], {"version": 0, "block": {"attributes": {}}})["block"]["attributes"]
        change = row["change"]
        for values in (dict.fromkeys(change["after_unknown"]), change["after"] or {}, change["before"] or {}):
            for name, value in values.items():
                names[name] = {"type": TYPES[type(value)], "optional": True, "computed": True}
    return by_provider


def serve(plan, certificate):
    listed = {name: plan.get(name) for name in ("resource_changes", "resource_drift", "output_changes")}
    versions = {"plan_format_version": plan["format_version"], "provider_format_version": "1.0"}
    redacted = {**versions, **listed, "provider_schemas": schemas(plan)}
    answers = {**ANSWERS, "/api/v2/plans/plan-1/json-output-redacted": redacted}

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            self.send_response(200 if path in answers else 404)
            plain = path.endswith((".json", "-redacted"))
            self.send_header("Content-Type", "application/json" if plain else "application/vnd.api+json")
            self.send_header("TFP-API-Version", "2.6")
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(path, {"errors": [{"status": "404"}]})).encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"localhost:{server.server_port}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        work, own = pathlib.Path(folder), f"{folder}/own.pem"
        make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {own} -out {folder}/cert.pem"
        subprocess.run([*make.split(), "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
        with pathlib.Path(own).open("a") as both:
            both.write((work / "cert.pem").read_text())
        host = serve(json.loads(pathlib.Path(sys.argv[1]).read_text()), own)
        cloud = f'hostname = "{host}"\norganization = "judge"\nworkspaces {{\nname = "judge"\n}}'
        (work / "main.tf").write_text(f"terraform {{\ncloud {{\n{cloud}\n}}\n}}\n")
        (work / "cli.tfrc").write_text(f'credentials "{host}" {{\ntoken = "none"\n}}\n')
        (work / "cloud.json").write_text(json.dumps({"remote_plan_format": 1, "run_id": "run-1", "hostname": host}))
        own_env = {"TF_CLI_CONFIG_FILE": f"{folder}/cli.tfrc", "SSL_CERT_FILE": f"{folder}/cert.pem"}
        env = {**os.environ, **own_env, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "NO_PROXY": "localhost"}
        for command in ("terraform init -no-color", "terraform show -no-color cloud.json"):
            done = subprocess.run(command.split(), cwd=folder, env=env, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
        print(done.stdout)


main()

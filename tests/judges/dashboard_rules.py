"""The expressions of a Grafana dashboard as recording rules, for promtool to parse: `python dashboard_rules.py dashboard.json`."""

import json
import sys
from pathlib import Path

panels = json.loads(Path(sys.argv[1]).read_text("utf-8"))["panels"]
expressions = [target["expr"] for panel in panels for target in panel["targets"]]
rules = [{"record": f"dashboard:panel:{number}", "expr": text} for number, text in enumerate(expressions)]
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

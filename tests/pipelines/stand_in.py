"""The command, with a stand-in for each --format that it does not offer: pipelines are tested here, not formats."""

import json
import os
import subprocess
import sys

arguments = sys.argv[1:]
form = arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"
command = [sys.executable, "-m", "exolink_reconcile"]
offered = subprocess.run([*command, *arguments[:1], "--help"], capture_output=True, text=True).stdout
if form in offered:
    os.execv(command[0], [*command, *arguments])  # signals are for the tool itself
for option in ("--format", "--max-size"):
    if option in arguments:
        place = arguments.index(option)
        del arguments[place : place + 2]
done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True)
if form == "markdown" and done.stdout:
    print("<!-- exolink-reconcile -->\n")
    print("\n".join(f"    {line}" for line in done.stdout.splitlines()))
elif form == "gitlab":
    print(json.dumps({"create": done.stdout.count("\n  + "), "update": 0, "delete": 0}))
elif form == "codequality":
    print(json.dumps([]))
sys.exit(done.returncode)

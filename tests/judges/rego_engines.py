"""Print the denials and warnings of policy/plan.rego for a plan: `python rego_engines.py opa|regorus PLAN POLICY`.

opa is the real OPA library (the package opa-golib-python-bindings unpacked on PYTHONPATH), regorus the Rust engine.
"""

import json
import pathlib
import sys


def opa(plan: object, policy: str, rule: str) -> list[str]:
    from opa_bindings import OpaEngine

    with OpaEngine() as engine:
        engine.add_policy("plan.rego", policy)
        return engine.eval_document(f"main.{rule}", plan)


def regorus(plan: object, policy: str, rule: str) -> list[str]:
    import regorus as rust

    engine = rust.Engine()
    engine.add_policy("plan.rego", policy)
    engine.set_input_json(json.dumps(plan))
    return json.loads(engine.eval_query_as_json(f"data.main.{rule}"))["result"][0]["expressions"][0]["value"]


def main() -> None:
    engine, plan, policy = sys.argv[1:]
    engines = {
        rule: sorted(
            {"opa": opa, "regorus": regorus}[engine](
                json.loads(pathlib.Path(plan).read_text()), pathlib.Path(policy).read_text(), rule
            )
        )
        for rule in ("deny", "warn")
    }
    for rule, messages in engines.items():
        for message in messages:
            print(f"{rule}: {message}")
    print(f"{len(engines['deny'])} denied, {len(engines['warn'])} warned")


main()

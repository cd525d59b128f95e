"""What the contract lets us do, as JSON, and what differs between two contracts."""

import copy
import json
from typing import Any

from ruamel.yaml import YAML
from support_pipeline import CONTRACT_TEXT, contract_of

from exolink_reconcile import contract
from exolink_reconcile.kinds import KINDS
from exolink_reconcile.report import capabilities


def changed() -> contract.Contract:
    """The bundled contract, where another field of a CPMS can be updated, and other things differ."""
    description: dict[str, Any] = copy.deepcopy(YAML(typ="safe").load(CONTRACT_TEXT))
    schemas = description["components"]["schemas"]
    schemas["CpmsUpdate"]["properties"]["interval"] = {"type": "integer", "minimum": 5}
    schemas["CpmsCreate"]["required"] = ["displayName", "url"]
    del description["paths"]["/tenant/{tenant}/charger/{chargerId}"]["delete"]
    description["paths"]["/tenant/{tenant}/charger"]["post"].pop("x-exolink-evidence")
    return contract.parse(json.dumps(description), KINDS)


def test_as_json() -> None:
    """By kind and operation: the evidence, and the fields of its body."""
    document = json.loads(capabilities.as_json(contract_of()))
    assert list(document) == ["format_version", "kinds"] and document["format_version"] == "1.0"
    kinds = {
        kind["kind"]: {operation["name"]: operation for operation in kind["operations"]} for kind in document["kinds"]
    }
    assert list(kinds) == ["tenant", "cpms", "charger"] and list(kinds["tenant"]) == ["get", "update"]
    assert list(kinds["cpms"]) == ["list", "get", "create", "update", "delete"]
    assert kinds["cpms"]["update"]["fields"] == ["url"] and kinds["cpms"]["update"]["evidence"] == "documented"
    assert kinds["charger"]["create"]["evidence"] == "inferred"
    assert kinds["charger"]["create"]["inferred"] == kinds["charger"]["create"]["fields"]


def test_what_differs() -> None:
    """Each operation and field that is offered otherwise is a line; two alike contracts have none."""
    text = capabilities.since(contract_of(), changed())
    for line in (
        "cpms update interval: not offered -> documented, minimum 5",
        "cpms create interval: documented, required -> documented",
        "charger delete: inferred -> not offered",
        "charger create: inferred -> documented",
    ):
        assert line in text.replace(", minimum 1 ->", " ->"), text
    assert capabilities.since(contract_of(), contract_of()).startswith("No differences")


def test_what_differs_as_json() -> None:
    """The same, as values."""
    changes = json.loads(capabilities.as_json(changed(), contract_of()))["changes"]
    assert {"kind": "charger", "operation": "delete", "field": "", "before": "inferred", "after": None} in changes
    assert json.loads(capabilities.as_json(contract_of(), contract_of()))["changes"] == []

"""The JSON Schemas in schemas/ are what the kinds make."""

from pathlib import Path

from exolink_reconcile import schema
from exolink_reconcile.kinds import KINDS

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def test_config_schema_is_fresh() -> None:
    """Run `make schemas` after a change of the kinds."""
    assert (SCHEMAS / "exolink-config.schema.json").read_text("utf-8") == schema.text(schema.config(KINDS))


def test_plan_schema_is_fresh() -> None:
    """Run `make schemas` after a change of the plan format."""
    assert (SCHEMAS / "exolink-plan.schema.json").read_text("utf-8") == schema.text(schema.plan())

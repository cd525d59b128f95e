"""The tables of a shared state: what `store init --sql` prints is all of it, and roles get no more than they need."""

import re

from exolink_reconcile.state import migrations


def test_the_script_is_one_transaction_with_every_version_and_its_mark() -> None:
    """Cut off in the middle it leaves nothing behind; run as a whole it ends at the version of this tool."""
    script = migrations.script()
    begin, commit = script.index("BEGIN;"), script.index("COMMIT;")
    places = [script.index(text) for text in (*migrations.MIGRATIONS, migrations.MARK)]
    assert begin < min(places) and max(places) < commit and places == sorted(places)
    assert migrations.VERSION == len(migrations.MIGRATIONS) >= migrations.OLDEST
    assert f"version = {migrations.VERSION}" in migrations.MARK


def test_a_migration_only_adds() -> None:
    """A tool that is one version older goes on working: nothing that it uses is dropped, renamed or changed."""
    later = " ".join(migrations.MIGRATIONS[1:]).upper()
    assert re.findall(r"\b(?:DROP|RENAME|DELETE|TRUNCATE|UPDATE)\b", later) == []


def test_nobody_but_the_owner_changes_the_audit_record() -> None:
    """A writer adds lines to it; a reader writes nowhere."""
    writer = [line for line in migrations.GRANTS["exolink_writer"].splitlines() if "audit" in line]
    assert writer == ["GRANT INSERT ON exolink.audit TO exolink_writer;"]
    assert set(re.findall(r"GRANT (\w+)", migrations.GRANTS["exolink_reader"])) == {"USAGE", "SELECT"}
    assert not re.search("DELETE|ALL PRIVILEGES|GRANT ALL", migrations.GRANTS["exolink_writer"])


def test_every_table_can_be_used_by_a_writer() -> None:
    """A table that a migration makes and no grant names would end every apply in `permission denied`."""
    tables = re.findall(r"CREATE TABLE (exolink\.\w+)", " ".join(migrations.MIGRATIONS))
    granted = migrations.GRANTS["exolink_writer"]
    assert [name for name in tables if name != "exolink.version" and name not in granted] == []

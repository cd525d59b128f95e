"""A new object that looks like a live one under a new name is a note, never an action."""

from support_pipeline import document, pipeline
from world import World

CPMS = {"displayName": "A", "url": "wss://a/"}


def test_a_renamed_cpms_is_a_note() -> None:
    """A new object with the same url as an unmanaged one is a note and nothing more; two candidates are none."""
    live = World()
    live.add("acme", "cpms", **CPMS)
    text_ = document("acme", cpms=[{"displayName": "B", "url": "wss://a/"}])
    with pipeline(live) as run:
        [note] = run.plan(text_).notes
        assert note.code == "W-RENAME" and list(map(str, note.addresses)) == ["acme/cpms/B", "acme/cpms/A"]
        live.add("acme", "cpms", **{**CPMS, "displayName": "C"})
        assert run.plan(text_).notes == ()

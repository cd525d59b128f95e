"""Where keys, values and items stand in a file that was read."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_yaml import dumped

from exolink_reconcile.desired import documents, places
from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.parser import YamlFile


def test_the_place_of_a_mapping_is_its_first_key() -> None:
    """An entry's place is its first key, in block and flow style, also behind a comment."""
    parsed, _ = documents.read("f.yaml", b"tenant: a\nx:\n  # note\n  -   k: v\n  - {  k: v}\n", {})
    first, second = parsed[0].body["x"]
    assert [(node.line, node.column) for node in (parsed[0].body, first, second)] == [(1, 1), (4, 7), (5, 8)]


def test_locate() -> None:
    """The place of a key, its value and each item of its list, for just the mappings asked for."""
    data = b"a: 1\nlist:\n  - x\n  - {k: v,\n     l: [p, q]}\n---\na: 2\n"
    located = places.locate(YamlFile("f.yaml", data, data), [(1, 1), (4, 6)])
    assert set(located) == {(1, 1), (4, 6)}
    assert located[1, 1]["a"] == ((1, 1), (1, 4), [])
    assert located[1, 1]["list"] == ((2, 1), (3, 3), [(3, 5), (4, 5)])
    assert located[4, 6]["l"] == ((5, 6), (5, 9), [(5, 10), (5, 13)])


keys = st.text(alphabet="abc", min_size=1, max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(keys, st.lists(st.dictionaries(keys, keys, min_size=1), max_size=3), min_size=1))
def test_locate_finds_every_key(tree: dict[str, list[dict[str, str]]]) -> None:
    """Each key of each mapping is found at a place where the text has that key."""
    text = dumped(tree, flow=None)
    parsed, _ = documents.read("f.yaml", text.encode(), {})
    lines = text.splitlines()
    nodes = [parsed[0].body, *(node for value in parsed[0].body.values() for node in value)]
    located = places.locate(
        YamlFile("f.yaml", text.encode(), text.encode()), [(node.line, node.column) for node in nodes]
    )
    for node in nodes:
        assert isinstance(node, Node)
        here = located[node.line, node.column]
        assert list(here) == list(node)
        for name, place in here.items():
            line, column = place.key
            assert lines[line - 1][column - 1 :].lstrip("'\"").startswith(name)

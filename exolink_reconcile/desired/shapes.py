"""A key of a mapping to the mapping or list that must stand under it; what is not one is reported."""

from exolink_reconcile.desired.nodes import Node
from exolink_reconcile.desired.problems import Problems, at_item, at_value
from exolink_reconcile.references import Diagnosed


def mapping(problems: Problems, node: Node, name: str, known_keys: list[str] | None) -> Node | None:
    """The mapping under a key; reports what is not a mapping, and unknown keys in it."""
    value = node.get(name)
    if value is None or isinstance(value, Diagnosed):
        return None
    if not isinstance(value, Node):
        problems.needs(value, at_value(node, name))
        problems.error("E-TYPE", at_value(node, name), f"`{name}` must be a mapping")
        return None
    for inner in value:
        if known_keys is not None and inner not in known_keys:
            problems.unknown(value, inner, f"unknown key `{inner}` in `{name}`", known_keys)
    return value


def entries(problems: Problems, body: Node, name: str, example: str) -> list[Node]:
    """The mappings of a list; reports what is not one."""
    value = body.get(name)
    if value is None or isinstance(value, Diagnosed):
        return []
    if not isinstance(value, list):
        problems.needs(value, at_value(body, name))
        detail = f"Start each entry with a dash: `{example}`."
        problems.error("E-TYPE", at_value(body, name), f"`{name}` must be a list", detail)
        return []
    nodes = [node for node in value if node.__class__ is Node]
    for index, node in enumerate(value) if len(nodes) < len(value) else ():
        problems.needs(node, at_item(body, name, index))
        if node.__class__ is not Node and not isinstance(node, Diagnosed):
            summary = f"an entry of `{name}` must be a mapping, like `{example}`"
            problems.error("E-TYPE", at_item(body, name, index), summary)
    return nodes


def needs_all(problems: Problems, node: Node) -> None:
    """Report the variables that the values of a mapping need and that are not set."""
    for name, value in node.items():
        problems.needs(value, at_value(node, name))
        for index, item in enumerate(value) if isinstance(value, list) else ():
            problems.needs(item, at_item(node, name, index))

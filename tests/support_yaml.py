"""Values to YAML text, as another implementation writes it."""

import io

from ruamel.yaml import YAML


def dumped(tree: object, *, flow: bool | None) -> str:
    """The tree as the pure implementation writes it: block, flow, or a mix."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.allow_unicode, yaml.width = flow, True, 4096
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()

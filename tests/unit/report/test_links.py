"""Places to links: below the base that was given, or none."""

import pytest

from exolink_reconcile.report.links import Links

LINKS = Links("https://git.example/o/r/blob/abc", lambda path: path.removeprefix("/checkout/"))


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("exolink.yaml", "exolink.yaml"),
        ("./a b/c).yaml", "a%20b/c%29.yaml"),
        ("/checkout/x.yaml", "x.yaml"),
        ("é`](http://evil).yaml", "%C3%A9%60%5D%28http%3A/evil%29.yaml"),
        ("-", None),
        ("../x.yaml", None),
        ("/elsewhere/x.yaml", None),
    ],
)
def test_the_address_of_a_file(path: str, link: str | None) -> None:
    """Percent-encoded below the base, whatever the path holds; what is outside of the repository has none."""
    assert LINKS.file(path) == (f"https://git.example/o/r/blob/abc/{link}" if link else None)

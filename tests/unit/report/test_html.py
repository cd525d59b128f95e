"""The HTML plan, read back by an HTML parser: one file that loads nothing, and in which every name stays data."""

import base64
import gc
import hashlib
import json
import re
import time
from typing import Any

import html5lib
import pytest
from support_html import HOSTILE, everything, hostile, lobbies, many, plan_of, step
from support_pipeline import digest_of, document, pipeline
from world import World

from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Plan, Source
from exolink_reconcile.report import html, sentences, text
from exolink_reconcile.report.links import Links

PLANS = {
    "no change": lambda: plan_of(),
    "one change": lambda: plan_of(step(Action.CREATE, "CP-1", profileId=2)),
    "everything": everything,
    "10,000 changes": lambda: many(10_000),
    "hostile": hostile,
}
TAGS = set(
    "html head meta title style body header footer aside p bdi h1 h2 h3 ul li dl dt dd code b i div span section main input button "
    "select option kbd script del ins".split()
)


@pytest.fixture(params=PLANS, scope="module")
def page(request: pytest.FixtureRequest) -> str:
    return shown(PLANS[request.param]())


def shown(plan: Plan, **more: Any) -> str:
    return html.plan(plan, digest_of(plan), paths=["fleet"], options={"api_url": "https://api.exolink.cloud"}, **more)


def parsed(page: str) -> Any:
    parser = html5lib.HTMLParser(strict=False, namespaceHTMLElements=False)
    tree = parser.parse(page)
    assert parser.errors == [], parser.errors[:5]
    return tree


def words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def rows(tree: Any, word: str) -> list[str]:
    """What the plain rows of one section say, a string each."""
    for section in tree.iter("section"):
        if section.get("id") == word:
            return [words(row) for row in section.iter("div") if row.get("class") == "row"]
    return []


def data(tree: Any) -> Any:
    [found] = [script for script in tree.iter("script") if script.get("type") == "application/json"]
    return json.loads(found.text)


# ---------------------------------------------------------------------------------------------------- nothing gets in


def test_it_is_well_formed(page: str) -> None:
    """A strict reader finds no error, and no element but ours."""
    assert {element.tag for element in parsed(page).iter()} <= TAGS


def test_no_name_becomes_an_attribute(page: str) -> None:
    """No handler, no style, no address of anything: in no attribute is there a word from the plan."""
    allowed = set(
        "lang charset http-equiv content name class id href for type placeholder aria-label aria-labelledby aria-hidden "
        "aria-pressed aria-live role autocomplete spellcheck hidden data-word value".split()
    )
    for element in parsed(page).iter():
        assert set(element.attrib) <= allowed
        for name, value in element.attrib.items():
            assert not name.startswith("on") and "alert" not in value and "://" not in value


def test_the_policy_names_what_is_there(page: str) -> None:
    """The hashes of the policy are those of the one style and the one script; nothing is allowed beside them."""
    tree = parsed(page)
    [policy] = [meta.get("content") for meta in tree.iter("meta") if meta.get("http-equiv")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy
    [style] = list(tree.iter("style"))
    scripts = [script for script in tree.iter("script") if not script.get("type")]
    assert rules["style-src"] == hash_of(style.text)
    assert rules["script-src"] == (hash_of(scripts[0].text) if scripts else "'none'")
    assert len(scripts) <= 1


def hash_of(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_style_and_script_load_nothing() -> None:
    """Neither has an address in it, nor reads text as HTML."""
    tree = parsed(shown(everything()))
    own = [
        element.text
        for element in tree.iter()
        if element.tag == "style" or (element.tag == "script" and not element.attrib)
    ]
    assert len(own) == 2
    assert not re.search(
        r"url\(|@import|https?:|fetch\(|XMLHttp|innerHTML|outerHTML|insertAdjacent|eval\(", "".join(own)
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_shown(name: str) -> None:
    """It is not dropped either: the delete shows it in full, made inert, and the data for the script has it too."""
    tree = parsed(shown(plan_of(step(Action.DELETE, HOSTILE[name]))))
    [row] = rows(tree, "delete")
    assert " ".join(inert(HOSTILE[name]).split()) in row
    assert data(tree)["sections"][0]["rows"][0][2] == inert(HOSTILE[name])


def test_the_data_cannot_end() -> None:
    """Inside of the data there is no character that means something to HTML."""
    page = shown(hostile())
    content = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(content) and not re.search("[<>&\u2028\u2029]", content)


def test_no_secret(page: str) -> None:
    """A password and a token of a URL are masked; where only they change, it says so."""
    assert "hunter" not in page and "abcdef" not in re.sub("[0-9a-f]{64}", "", page)


def test_a_secret_that_changes() -> None:
    """Both sides look the same, so the row says what differs."""
    [edit] = [row for row in rows(parsed(shown(everything())), "update") if "Edit" in row]
    assert "(a secret in it changes)" in edit


def test_places_are_links() -> None:
    """With a base each place is a link to its line; the script gets the same; without one there is no link at all."""
    links = Links("https://git.example/o/r/blob/abc", str)
    plan = plan_of(step(Action.CREATE, "CP-1", 7), step(Action.DELETE, "CP-2", 9))
    tree = parsed(shown(plan, links=links))
    hrefs = [a.get("href") for a in tree.iter("a")]
    assert sorted(hrefs) == [f"https://git.example/o/r/blob/abc/fleet/acme.yaml#L{line}" for line in (7, 9)]
    assert data(tree)["links"] == [["fleet/acme.yaml", "https://git.example/o/r/blob/abc/fleet/acme.yaml"]]
    assert not list(parsed(shown(plan)).iter("a"))


def test_a_hostile_path_links_only_below_the_base() -> None:
    """Whatever a file is called, the link stays an attribute, and below the base."""
    sources = [Source(f'{text}" onclick=x ', 1, 1) for text in HOSTILE.values()]
    plan = plan_of(*(step(Action.DELETE, "CP-1")._replace(source=source) for source in sources))
    for a in parsed(shown(plan, links=Links("https://git.example/blob", str))).iter("a"):
        assert set(a.attrib) == {"href", "rel"} and a.get("href").startswith("https://git.example/blob/")


def test_where_it_comes_from() -> None:
    """Commit, who, when; the run is a link where it is an address of the web, and text where it is anything else."""
    facts = {"commit": "abc123", "who": "<img src=x>\u202e", "run": "https://ci.example/run/1"}
    footer = next(parsed(shown(plan_of(), provenance=facts)).iter("footer"))
    assert "Commit abc123" in " ".join(words(part) for part in footer.iter() if part.tag in ("dt", "dd"))
    assert [a.get("href") for a in footer.iter("a")] == ["https://ci.example/run/1"]
    evil = next(parsed(shown(plan_of(), provenance={"run": "javascript:alert(1)"})).iter("footer"))
    assert not list(evil.iter("a")) and "javascript:alert(1)" in words(evil)


def test_rows_have_addresses() -> None:
    """Each row has an anchor of its action and address: the same in every plan that does this to this object."""
    anchors = [row.get("id") for row in parsed(shown(everything())).iter("div") if row.get("class") == "row"]
    assert all(re.fullmatch("[a-z-]+-[0-9a-f]{8}", anchor) for anchor in anchors) and len(set(anchors)) == len(anchors)
    [alone] = [
        row.get("id")
        for row in parsed(shown(plan_of(step(Action.DELETE, "CP-001")))).iter("div")
        if row.get("class") == "row"
    ]
    assert alone in anchors


def test_two_tenants_are_two_blocks() -> None:
    """Each tenant of a section has a heading, and its rows stand together."""
    plan = plan_of(*(step(Action.DELETE, f"CP-{n}", n, tenant="zeta" if n % 2 else "acme") for n in range(6)))
    tree = parsed(shown(plan))
    assert [words(heading) for heading in tree.iter("h3")] == ["acme", "zeta"]
    assert [row[0] for row in data(tree)["sections"][0]["rows"]] == ["acme"] * 3 + ["zeta"] * 3


# ------------------------------------------------------------------------------------------------------- what it says


def test_nothing_to_do() -> None:
    """Terraform's sentence, what is unmanaged, nothing to approve, no script."""
    world = World()
    for row in lobbies(1, 3):
        world.add("acme", "charger", **row)
    with pipeline(world) as run:
        tree = parsed(shown(run.plan(document("acme", chargers=lobbies(1, 1)))))
    assert words(next(tree.iter("h1"))) == sentences.NO_CHANGES
    assert "2 unmanaged." in words(tree)
    assert not list(tree.iter("script")) and not list(tree.iter("code"))


def test_the_head() -> None:
    """Totals, counts, what apply refuses, the whole digest, and the command that applies exactly this."""
    plan = everything()
    tree = parsed(shown(plan))
    head = words(next(tree.iter("header")))
    add, change, destroy = plan.counts
    assert f"Plan: {add} to add, {change} to change, {destroy} to destroy. 1 held back. 1 unmanaged." in head
    assert "Apply will refuse: 4 deletes need --allow-deletes 4" in head and "they cannot be seen here." in head
    digest = digest_of(plan)
    codes = {code.get("id"): words(code) for code in tree.iter("code")}
    assert codes["digest"] == digest
    assert codes["command"] == f"exolink-reconcile apply --expect {digest} --api-url https://api.exolink.cloud fleet"


def test_the_command_is_quoted_for_a_shell() -> None:
    """What was given comes back as it was given; what cannot be shown as it is, is not shown as something else."""
    plan = plan_of(step(Action.CREATE, "CP-1"))
    options = {"target": ["acme/*"], "prune": True, "allow_deletes": 0, "contract": None, "allow_inferred": False}
    page = html.plan(plan, "0" * 64, paths=["my fleet", "-x"], options=options)
    [command] = [words(code) for code in parsed(page).iter("code") if code.get("id") == "command"]
    assert command.endswith("--target 'acme/*' --prune --allow-deletes 0 -- 'my fleet' -x")
    page = html.plan(plan, "0" * 64, paths=["a\u202eb"])
    [command] = [words(code) for code in parsed(page).iter("code") if code.get("id") == "command"]
    assert command == f"exolink-reconcile apply --expect {'0' * 64} # and this plan's options"


def test_the_order() -> None:
    """Held back, deletes, replaces, updates, creates; nothing else."""
    sections = [section.get("id") for section in parsed(shown(everything())).iter("section")]
    assert sections == ["held", "delete", "replace", "update", "create"]


def test_held_back() -> None:
    """Before and after, the place, the reason and the ways out."""
    [row] = rows(parsed(shown(everything())), "held")
    assert "acme/cpms/Held interval 30 → 60 exolink.yaml:5:6".replace(" ", "") in row.replace(" ", "")
    assert "E-CANNOT-UPDATE: the contract cannot update interval." in row
    assert "Ways out:" in row and "createOnly: [interval]" in row and "revert it in the YAML: interval: 30" in row


def test_a_delete() -> None:
    """Which object goes, why, where that is written, and what goes with it."""
    [row] = [row for row in rows(parsed(shown(everything())), "delete") if "Gone" in row]
    for part in ("removed: contract ended, OPS-123", "exolink.yaml:55:6", "interval 30", "wss://user:***@"):
        assert part in row
    assert re.search(r"id \d+,", row)


def test_an_update_has_readable_names() -> None:
    """A profile's number comes with its name."""
    updates = rows(parsed(shown(everything())), "update")
    assert any("profileId 1 (standard) → 2 (night)" in row for row in updates)


def test_unmanaged_on_request() -> None:
    """Listed only when asked for."""
    assert rows(parsed(shown(everything())), "unmanaged") == []
    [row] = rows(parsed(shown(everything(), show_unmanaged=True)), "unmanaged")
    assert "acme/cpms/Nobody" in row


def test_dangerous_rows_are_never_folded() -> None:
    """1,000 deletes and 1,000 replaces are 2,000 plain rows."""
    steps = [
        step(action, f"CP-{number:04}", number, profileId=2)
        for action in (Action.DELETE, Action.REPLACE)
        for number in range(1000)
    ]
    tree = parsed(shown(plan_of(*steps)))
    for word in ("delete", "replace"):
        assert all(f"CP-{number:04}" in row for number, row in enumerate(rows(tree, word)))
        assert len(rows(tree, word)) == 1000


def test_long_runs_fold_on_paper_only() -> None:
    """Without the script a long run is a count with what it shares; the script gets each row; `full` writes each out."""
    plan = many(3_000)
    tree = parsed(shown(plan))
    assert sum(len(section["rows"]) for section in data(tree)["sections"]) == 3_000
    page = words(tree)
    assert "500 alike" in page and "Long runs are folded here" in page
    assert rows(tree, "update") == rows(tree, "create") == []
    full = parsed(shown(plan, full=True))
    assert len(rows(full, "update")) + len(rows(full, "create")) == 3_000


def test_a_run_tells_only_what_all_share() -> None:
    """A value that differs within a run is not shown for all of it."""
    steps = [step(Action.UPDATE, f"CP-{number}", number, profileId=number % 2) for number in range(400)]
    page = words(parsed(shown(plan_of(*steps))))
    assert page.count("200 alike") == 2
    steps = [
        step(Action.UPDATE, f"CP-{number}", number, displayName=f"D{number}", profileId=9) for number in range(400)
    ]
    page = words(parsed(shown(plan_of(*steps))))
    assert "400 alike" in page and "profileId 1 → 9" in page and "each its own displayName" in page


def test_same_plan_same_bytes() -> None:
    """No time, no random number, no order of a set."""
    assert shown(everything()) == shown(everything())


def test_it_is_not_slow() -> None:
    """10,000 changes: a small multiple of the text plan (measured: twice the folded text; the bound leaves room for a busy machine)."""
    plan = many(10_000)

    def best(render: Any) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            render()
            times.append(time.process_time() - start)
        return min(times)

    gc.disable()  # as the command does
    try:
        assert best(lambda: html.plan(plan, "")) < 4 * best(lambda: text.plan(plan, ""))
    finally:
        gc.enable()

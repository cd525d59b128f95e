"""A plan as a reviewer reads it on a forge: nothing of a name's is active, nothing dangerous is ever left out."""

import dataclasses
import re
from typing import Any

import pytest
import support_plans
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support_markdown import Rendered, rendered
from support_pipeline import digest_of

from exolink_reconcile.errors import InputError
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Action, Note, Plan, Source, Step
from exolink_reconcile.report import markdown, sentences
from exolink_reconcile.report.links import Links
from exolink_reconcile.resource import Address

OPTIONS = {"api_url": "https://api.exolink.cloud", "target": [], "exclude": [], "prune": False, "allow_deletes": None}
OURS = {"h3", "h4", "p", "pre", "code", "strong", "blockquote", "details", "summary", "br"}
ACTIVE = re.compile(r"@\w|#\d|GH-\d|https?://|ftp://|www\.|<!--|-->", re.IGNORECASE)
STORIES = ("nothing", "one", "mixed", "hostile", "many")


def shown(plan: Plan, **chosen: Any) -> str:
    chosen = {"paths": ("exolink.yaml",), "options": OPTIONS, **chosen}
    return markdown.plan(plan, digest_of(plan), **chosen)


def check(plan: Plan, page_text: str) -> Rendered:
    """What holds for every plan: only our own markup, names in fences, whole, and everything dangerous told."""
    page = rendered(page_text)
    assert set(page.tags) <= OURS and not page.unbalanced
    assert len(page.comments) == 1 and page.comments[0].strip() in page_text.splitlines()[0]
    # The command has the API's own URL in it.
    fences = [fence for fence in page.fences if not fence.startswith("exolink-reconcile apply --expect")]
    prose = page.prose.replace(next(sentences.compared(plan)), "")  # code: the API's own URL links nowhere
    assert not ACTIVE.search(prose + "".join(fences)), ACTIVE.search(prose + "".join(fences))
    assert told(page, "-") == addresses(plan, Action.DELETE)
    assert told(page, "-/+") == addresses(plan, Action.REPLACE)
    held = sorted(inert(str(held.address)) for held in plan.held_back)
    assert len(page.marked("!")) == len(held)
    assert all(line.startswith(address) for line, address in zip(sorted(page.marked("!")), held, strict=True))
    summary = list(sentences.summary(plan))
    assert page_text.split("\n\n")[1] == f"`{next(sentences.compared(plan))}`"
    assert page_text.split("\n\n")[2].splitlines() == summary
    assert (digest_of(plan) in page_text) is plan.differs
    return page


def told(page: Rendered, mark: str) -> list[str]:
    return sorted(re.split(r" {2,}(?=\(id|exolink\.yaml:)", line)[0] for line in page.marked(mark))


def addresses(plan: Plan, *actions: Action) -> list[str]:
    return sorted(inert(str(step.address)).replace("\u200b", "") for step in plan.steps if step.action in actions)


# ------------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("story", STORIES)
def test_parsed_back(story: str, full: bool) -> None:
    """GitHub's parser finds our markup alone, and in the fences every delete, replace and held-back entry."""
    plan = getattr(support_plans, story)()
    page = check(plan, shown(plan, full=full, show_unmanaged=True))
    if full:
        for mark, action in (("~", Action.UPDATE), ("+", Action.CREATE)):
            lines = sorted(page.marked(mark))
            wanted = addresses(plan, action)
            assert len(lines) == len(wanted)
            assert all(line.startswith(address) for line, address in zip(lines, wanted, strict=True))


def test_the_order() -> None:
    """The totals, what apply refuses, held back, deletes, replaces, the reminders, the rest, the command."""
    output = shown(support_plans.mixed())
    order = [
        "Plan: 11 to add",
        "Apply will refuse",
        "#### Held back (3)",
        "#### To delete (5)",
        "#### To replace (1)",
        "deletes or recreates a CPMS",
        "#### To update (9)",
        "#### To create (10)",
        "Digest: ",
        "apply --expect",
    ]
    places = [output.index(title) for title in order]
    assert places == sorted(places)


def test_long_runs_fold() -> None:
    """Long sections open on a click, long runs are one entry; deletes stand open, each by itself."""
    plan = support_plans.many()
    page = rendered(shown(plan))
    assert "1500 chargers: profileId 1 -> 2" in "".join(page.fences) and "details" not in page.tags
    output = shown(plan, full=True)
    assert output.count("<details>") == output.count("</details>") == 2
    assert output.index("#### To delete (40)") < output.index("<details><summary>To update (5000)</summary>")


def test_the_command() -> None:
    """The command has the digest, the paths and the options, quoted for a shell."""
    options = {**OPTIONS, "target": ["acme/charger/*"], "prune": True, "allow_deletes": 6}
    page = rendered(shown(support_plans.one(), paths=("a folder/x.yaml",), options=options))
    assert page.fences[-1].strip() == (
        f"exolink-reconcile apply --expect {digest_of(support_plans.one())}"
        " --api-url https://api.exolink.cloud --target 'acme/charger/*' --prune --allow-deletes 6 'a folder/x.yaml'"
    )


@pytest.mark.parametrize("path", ["a@b.yaml", "a\nb.yaml", "#1.yaml", "```.yaml\u202e"])
def test_a_command_that_would_not_be_true(path: str) -> None:
    """A path that must not be shown as it is is not shown in a command either: it would be another path."""
    page = rendered(shown(support_plans.one(), paths=(path,)))
    assert page.fences[-1].strip().endswith("# with the paths and options of this plan")


def test_nothing_to_apply_has_no_command() -> None:
    """With nothing but held-back differences there is a digest and no command; with none at all neither."""
    held = dataclasses.replace(support_plans.mixed(), waves=())
    output = shown(held)
    assert (
        "Plan: 0 to add, 0 to change, 0 to destroy." in output and "apply --expect" not in output and "Digest" in output
    )
    assert "Digest" not in shown(support_plans.nothing())


# --------------------------------------------------------------------------------------------------- links, provenance

LINKS = Links("https://git.example/o/r/blob/abc", lambda path: path.removeprefix("/checkout/"))


def test_places_are_links() -> None:
    """Each place that a section names is a link to its line, once, below the fence; the page is otherwise the same."""
    plan = support_plans.mixed()
    linked = shown(plan, links=LINKS)
    for source in [step.source for step in plan.steps] + [held.source for held in plan.held_back]:
        assert source and f"[`{source}`](https://git.example/o/r/blob/abc/exolink.yaml#L{source.line})" in linked
    without = [line for line in linked.splitlines() if not line.startswith("[`")]
    assert "".join(without) == "".join(shown(plan).splitlines())


def test_links_give_way_first() -> None:
    """Where the links do not fit there are none, and nothing else is missing."""
    plan = support_plans.mixed()
    assert shown(plan, links=LINKS, max_size=len(shown(plan).encode())) == shown(plan)


def test_hostile_paths_link_only_to_the_base() -> None:
    """A file name ends no link and starts none."""
    plan = support_plans.one()
    [step] = plan.steps
    evil = step._replace(source=Source("x`](http://evil) [y](//evil.example) @octocat.yaml", 3, 1))
    page = rendered(shown(dataclasses.replace(plan, waves=((evil,),)), links=LINKS))
    assert page.links == [
        "https://git.example/o/r/blob/abc/x%60%5D%28http%3A/evil%29%20%5By%5D%28/evil.example%29%20%40octocat.yaml#L3"
    ]
    assert not ACTIVE.search(page.prose.replace(next(sentences.compared(plan)), ""))


def test_where_it_comes_from() -> None:
    """Commit, who and when on one line, whatever they hold; the digest and the rest of the page stay as they are."""
    facts = {"commit": "abc123", "who": "@octo`cat\n# evil", "when": "2026-11-27T10:00:00Z"}
    output = shown(support_plans.one(), provenance=facts)
    [line] = [line for line in output.splitlines() if line.startswith("Made from: ")]
    assert line.startswith("Made from: commit `abc123`, who `` ") and line.endswith("when `2026-11-27T10:00:00Z`")
    assert set(rendered(output).tags) <= OURS and not ACTIVE.search(line)
    assert output.replace(f"{line}\n\n", "") == shown(support_plans.one())


# -------------------------------------------------------------------------------------------------------------- marker


def marker(plan: Plan, **chosen: Any) -> str:
    return shown(plan, **chosen).splitlines()[0]


def test_the_marker_is_stable() -> None:
    """The same plan of the same paths, with other changes in it: the same hidden first line, a whole comment."""
    plan = support_plans.mixed()
    first = marker(plan)
    assert re.fullmatch(r"<!-- exolink-reconcile plan [0-9a-f]{12} -->", first)
    assert marker(dataclasses.replace(plan, waves=(), held_back=())) == first
    assert marker(plan, full=True, max_size=4000) == first
    assert marker(plan, paths=("./exolink.yaml",)) == first


@pytest.mark.parametrize(
    "other",
    [
        {"paths": ("b.yaml",)},
        {"options": {**OPTIONS, "target": ["acme/cpms/*"]}},
        {"options": {**OPTIONS, "exclude": ["x"]}},
    ],
)
def test_another_plan_has_another_marker(other: dict[str, Any]) -> None:
    """Several plans on one pull request keep a comment each."""
    assert marker(support_plans.one(), **other) != marker(support_plans.one())


@pytest.mark.parametrize("other", [{"origin": "https://staging.example.com"}, {"tenants": ("north",)}])
def test_another_place_has_another_marker(other: dict[str, Any]) -> None:
    """The API and the tenants tell two plans apart that were made in two folders with the same options."""
    assert marker(dataclasses.replace(support_plans.one(), **other)) != marker(support_plans.one())


# ---------------------------------------------------------------------------------------------------------------- size


def sized(plan: Plan, size: int, *, full: bool) -> str | None:
    """The plan in at most that many bytes, checked; None where it refuses."""
    try:
        output = shown(plan, full=full, show_unmanaged=True, max_size=size)
    except InputError as error:
        [only] = error.diagnostics
        assert only.code == "E-MAX-SIZE" and str(size) in only.summary
        return None
    assert len(output.encode()) <= size
    page = check(plan, output)
    if full:
        match = re.search(r"Not shown here: (.*)\.\*\*", output)
        missing = dict(re.findall(r"(\d+) to (\w+)", match[1])[::-1]) if match else {}
        missing = {word: int(count) for count, word in missing.items()}
        for mark, action in (("~", Action.UPDATE), ("+", Action.CREATE)):
            assert len(page.marked(mark)) + missing.get(action.word, 0) == plan.count(action)
    return output


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("story", ["nothing", "one", "mixed", "hostile"])
def test_every_size(story: str, full: bool) -> None:
    """At every size it is either within it, whole and honest about what is missing, or refused; more room never refuses."""
    plan = getattr(support_plans, story)()
    complete = shown(plan, full=full, show_unmanaged=True)
    most = len(complete.encode())
    outputs = [sized(plan, size, full=full) for size in range(1, most + 1, 1 if most < 1000 else 29)]
    refused = [output is None for output in outputs]
    assert refused == sorted(refused, reverse=True) and refused[0]
    assert sized(plan, most, full=full) == complete
    assert {"Not shown here" in output for output in outputs if output} <= {True, False}


@pytest.mark.long
@settings(deadline=None, max_examples=10)
@given(size=st.integers(1500, 900_000))
@example(65_536)
def test_sizes_of_a_long_plan(size: int) -> None:
    """Ten thousand changes, too."""
    sized(support_plans.many(), size, full=True)


def test_more_deletes_than_fit() -> None:
    """Deletes lose their details before any is left out; when their addresses do not fit, there is no comment at all."""
    plan = deletes(3000)
    assert len(rendered(shown(plan, max_size=100_000)).marked("-")) == 3000
    output = shown(plan, max_size=80_000)
    assert len(rendered(output).marked("-")) == 3000 and "(id " not in output
    assert sized(plan, 65_536, full=False) is None


def deletes(count: int) -> Plan:
    step = next(step for step in support_plans.mixed().steps if step.action is Action.DELETE)
    deleted = (step._replace(address=Address("acme", "charger", f"CP-{n:06}")) for n in range(count))
    return dataclasses.replace(support_plans.mixed(), waves=(tuple(deleted),), held_back=(), refusals=())


# ------------------------------------------------------------------------------------------------------------- hostile

PIECES = [
    "@", "#", "GH-", "`", "```", "~~~", "|", "<", ">", "!--", "-->", "</details>", "</summary>", "[x](y)", "![x](y)",
    "https://", "www.", "\n", "\r\n", "\n\n", " ", "    ", "\t", "\\", "&lt;", "&#64;", "*", "_", "-", "+", "!", "~", "\u200b", "\u202e",
    "octocat", "1", "Fixes ", "<!-- exolink-reconcile plan ", "exolink.yaml", "\x00", "\x1b[2J", "é", "😀", "://", "http", "(id 1)",
]  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=8).map("".join)


@pytest.mark.parametrize(
    "active",
    ["@octocat", "@é", "a@b.example", "#1", "#fix", "GH-2", "gh-2", "http://a", "HTTPS://a", "ftp://a", "www.a", "<!-- x", "x -->"],
)  # fmt: skip
def test_still(active: str) -> None:
    """Each thing that a forge or a mail client acts on is broken up, and reads the same without the zero-width space."""
    output = markdown.still(active)
    assert not ACTIVE.search(output) and not re.search(r"@\S", output.replace("@\u200b", ""))
    assert output.replace("\u200b", "") == active


@pytest.mark.parametrize("quiet", ["wss://h/p", "a @ b", "# 1", "GH", "--prune", "a -> b", "www", "<b>"])
def test_what_is_still_stays(quiet: str) -> None:
    """Whatever does nothing is shown as it is, to be copied."""
    assert markdown.still(quiet) == quiet


@pytest.mark.parametrize("run", ["```", "`" * 40, "~~~"])
def test_a_sentence_cannot_close_its_fence(run: str) -> None:
    """Broken at spaces, a refusal may have a line of nothing but backticks: the fence is longer."""
    plan = support_plans.mixed()
    sentence = f"{'x' * 99} {run} {'y' * 99} **now prose** @octocat"
    refused = dataclasses.replace(plan, refusals=(plan.refusals[0]._replace(summary=sentence),))
    page = check(refused, shown(refused))
    assert "now prose" in page.fences[0] and f"\n{run}\n" in page.fences[0]


@settings(deadline=None)
@given(names=st.lists(NAMES, min_size=6, max_size=6), size=st.none() | st.integers(700, 6000))
def test_names_are_only_names(names: list[str], size: int | None) -> None:
    """Whatever the names, values, reasons and places are: nothing but our own markup, and every delete is shown."""
    plan = renamed(names)
    try:
        output = shown(plan, max_size=size)
    except InputError:
        return
    page = rendered(output)
    assert set(page.tags) <= OURS and not page.unbalanced and len(page.comments) == 1
    fences = [fence for fence in page.fences if not fence.startswith("exolink-reconcile apply --expect")]
    assert not ACTIVE.search(page.prose.replace(next(sentences.compared(plan)), "") + "".join(fences))
    assert not any(inert(name) in page.prose for name in names if len(name) > 12)
    dangerous = [inert(str(step.address)) for step in plan.steps if step.deletes]
    for mark in ("-", "-/+"):
        assert page.marked(mark)
    text_of_fences = "".join(page.fences).replace("\u200b", "")
    assert all(address.replace("\u200b", "") in text_of_fences for address in dangerous)


def renamed(names: list[str]) -> Plan:
    """The mixed plan with these names in turn, in addresses, reasons, values and places."""
    plan = support_plans.mixed()

    def step(step: Step, number: int) -> Step:
        name = names[number % len(names)]
        fields = tuple(c._replace(after=name) if c.name == "displayName" else c for c in step.fields)
        source = step.source and step.source._replace(path=name)
        address = step.address._replace(name=name + str(number))
        return step._replace(address=address, reason=name, source=source, fields=fields)

    steps = tuple(step(each, number) for number, each in enumerate(plan.steps))
    held = tuple(
        dataclasses.replace(each, address=each.address._replace(name=name), reason=name)
        for each, name in zip(plan.held_back, names)
    )
    refusals = tuple(refusal._replace(summary=names[0]) for refusal in plan.refusals)
    return dataclasses.replace(
        plan, waves=(steps,), held_back=held, refusals=refusals, notes=(Note("W-RENAME", names[1]),)
    )

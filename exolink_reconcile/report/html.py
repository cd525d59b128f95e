"""Plan to one HTML file that needs nothing else: no network, no inline handler, readable without JavaScript and on paper.

Every object is an `ObjectRow`, and the rows are written twice. First as plain HTML, in which only long runs of similar
creates and updates are folded: that is what a browser without JavaScript shows, and what is printed. Then as JSON, from
which `plan.js` builds only what is on the screen, so that 100,000 rows can be searched. Both come from the same rows, so
they always agree.

Names and values are data: made inert first, then escaped here or inserted with `textContent` there. The Content Security
Policy names the hashes of the style and the script; nothing else may load, run, or be sent.
"""

import base64
import functools
import hashlib
import json
import re
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from types import MappingProxyType
from typing import Any

from exolink_reconcile import __version__
from exolink_reconcile.inert import inert
from exolink_reconcile.model import Plan
from exolink_reconcile.report import again, html_rows, sentences
from exolink_reconcile.report.html_rows import LONG, ObjectRow, Rows, Run, Section, shortened
from exolink_reconcile.report.links import NO_LINKS, Links, is_base
from exolink_reconcile.report.view import PlanView

PLAIN_ROWS = 300  # a section of creates, updates or unmanaged objects up to this long is not folded
_CODE = re.compile("`([^`]+)`")
_NAME = re.compile(r"(?<![\w/])--[a-z]+(?:-[a-z]+)*|(?<![\w/])[EW](?:-[A-Z]+)+")


def plan(
    plan: Plan,
    digest: str,
    *,
    paths: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    full: bool = False,
    show_unmanaged: bool = False,
    links: Links = NO_LINKS,
    provenance: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The complete page: the same plan gives the same bytes. `paths` and `options` are those that it was made with.

    `full` writes out long runs even in print and without JavaScript.
    """
    rows_of = Rows(plan, links)
    sections = html_rows.sections(plan, rows_of, show_unmanaged)
    headline, *more = sentences.summary(plan)
    body = [
        *_header(plan, headline, more, sections),
        '<aside class="below" aria-label="Notes and approval">',
        *_notes(plan),
        *_approve(plan, digest, paths, options or {}),
        "</aside>",
        *(_toolbar(sections) if sections else ()),
        "<main>",
        *(line for section in sections for line in _plain(section, full, rows_of.hrefs)),
        *(() if sections else _nothing(plan)),
        "</main>",
        *_footer(plan, paths, provenance),
    ]
    if sections:
        data = _data(sections, rows_of.hrefs)
        body.append(f'<script type="application/json" id="data">{data}</script>')
        body.append(f"<script>{_asset('plan.js')}</script>")
    return "\n".join([*_head(headline, bool(sections)), *body, "</body>", "</html>"]) + "\n"


# ---------------------------------------------------------------------------------------------------------------- page


def _head(headline: str, script: bool) -> Iterator[str]:
    policy = [
        "default-src 'none'",
        f"style-src '{_hash('plan.css')}'",
        f"script-src '{_hash('plan.js')}'" if script else "script-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(policy)}">'
    yield '<meta name="referrer" content="no-referrer">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{headline} Exolink</title>"
    yield f"<style>{_asset('plan.css')}</style>"
    yield "</head>"
    yield "<body>"


def _header(plan: Plan, headline: str, more: Sequence[str], sections: Sequence[Section]) -> Iterator[str]:
    """What a reader must know first: totals, what apply will refuse, what is dangerous."""
    yield "<header>"
    for line in sentences.compared(plan):
        yield f'<p class="from">{_bdi(line)}</p>'
    yield f"<h1>{headline}</h1>"
    for line in more:
        yield f'<p class="rest">{line}</p>'
    for refusal in plan.refusals:
        yield f'<p class="refusal">Apply will refuse: {_prose(inert(f"{refusal.summary} ({refusal.code})."))}</p>'
    for danger in sentences.dangers(plan):
        yield f'<p class="danger">{_prose(danger)}</p>'
    if sections:
        yield '<ul class="counts" aria-label="Changes by action">'
        for section in sections:
            yield f'<li class="{_classes(section)}"><b>{_mark(section)}</b> {section.label} {_number(section.rows)}</li>'
        yield "</ul>"
    yield "</header>"


def _notes(plan: Plan) -> Iterator[str]:
    """Notes that are neither a change nor a danger. A small screen shows them below the changes."""
    if notes := [*sentences.notes(plan), *sentences.inferred(plan)]:
        yield '<ul class="notes">'
        yield from (f"<li>{_prose(note)}</li>" for note in notes)
        yield "</ul>"


def _approve(plan: Plan, digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> Iterator[str]:
    """What a reviewer approves, and the command that applies it. A small screen shows it below the changes."""
    if not plan.differs:
        return
    yield '<dl class="approve">'
    yield f'<dt>Digest</dt><dd><code id="digest">{_escaped(digest)}</code></dd>'
    if plan.waves:
        words = _unbroken(_command(digest, paths, options))
        yield f'<dt>Apply exactly this</dt><dd><code id="command">{words}</code></dd>'
    yield "</dl>"


def _nothing(plan: Plan) -> Iterator[str]:
    """The page of a plan without differences: what was compared, so that the sentence above can be believed."""
    yield '<div class="calm"><p class="tick" aria-hidden="true">✓</p>'
    part = "What this plan looked at is" if plan.partial else "Everything that the YAML declares is"
    yield f"<p>{part} live, with the values it says. An apply would write nothing.</p>"
    if plan.compared:
        yield '<dl class="looked">'
        yield from (f"<div><dt>{_escaped(kind)}</dt><dd>{count:,}</dd></div>" for kind, count in plan.compared.items())
        yield "</dl>"
    yield "</div>"


def _footer(plan: Plan, paths: Sequence[str], provenance: Mapping[str, str]) -> Iterator[str]:
    """Where the plan comes from: files, commit, who, when, run, tool."""
    facts = [("API", _bdi(inert(plan.origin)))]
    facts += [("YAML", _bdi(shortened(inert(", ".join(paths)))))] if paths else []
    facts += [(name.capitalize(), _fact(fact)) for name, fact in provenance.items()]
    facts.append(("Made by", f"exolink-reconcile {_escaped(__version__)}"))
    yield '<footer><dl class="origin">'
    yield from (f"<div><dt>{_escaped(name)}</dt><dd>{fact}</dd></div>" for name, fact in facts)
    yield "</dl></footer>"


def _fact(fact: str) -> str:
    """A fact, inert; a web address becomes a link."""
    shown = _bdi(shortened(inert(fact)))
    return f'<a href="{_escaped(fact)}" rel="noreferrer">{shown}</a>' if is_base(fact) else shown


def _command(digest: str, paths: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """The words that apply this plan and no other; without its paths if they cannot be shown unchanged."""
    start = ["exolink-reconcile", "apply", "--expect", digest]
    words = [*start, *map(shlex.quote, again.arguments(paths, options))]
    return words if all(inert(word) == word for word in words) else [*start, " # and this plan's options"]


def _toolbar(sections: Sequence[Section]) -> Iterator[str]:
    """Search and filters, hidden: they need the script, so the script shows them."""
    yield '<div class="toolbar" id="toolbar" role="search" aria-label="Filter the changes" hidden>'
    yield (
        '<input type="search" id="search" placeholder="Search address, field, value, file" '
        'aria-label="Search address, field, value and file place" autocomplete="off" spellcheck="false">'
    )
    yield '<div class="chips" role="group" aria-label="Show only these actions">'
    for section in sections:
        yield (
            f'<button type="button" class="chip {_classes(section)}" data-word="{section.word}" aria-pressed="false">'
            f"<b>{_mark(section)}</b> {section.label} <i>{_number(section.rows)}</i></button>"
        )
    yield "</div>"
    yield '<select id="tenant" aria-label="Tenant" hidden><option value="">All tenants</option></select>'
    yield '<select id="kind" aria-label="Kind" hidden><option value="">All kinds</option></select>'
    yield '<button type="button" id="unfold" aria-pressed="false" hidden>Unfold all</button>'
    yield '<p id="status" role="status" aria-live="polite"></p>'
    yield (
        '<p class="keys"><kbd>/</kbd> search <kbd>j</kbd> <kbd>k</kbd> or arrows move '
        "<kbd>Enter</kbd> unfolds <kbd>Esc</kbd> clears</p>"
    )
    yield "</div>"


@functools.cache
def _asset(name: str) -> str:
    """The style or the script for the page. The package's own files are trusted, so they are not escaped."""
    return resources.files(__package__).joinpath(name).read_text("utf-8").replace("\r\n", "\n")


def _hash(name: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()


# --------------------------------------------------------------------------------------------------------- plain HTML


def _plain(section: Section, full: bool, hrefs: Mapping[str, str]) -> Iterator[str]:
    yield f'<section id="{section.word}" class="{_classes(section)}" aria-labelledby="{section.word}-title">'
    yield f'<h2 id="{section.word}-title">{section.title} <span class="count">({_number(section.rows)})</span></h2>'
    yield '<div class="plain">'
    fold = not (section.dangerous or full or len(section.rows) <= PLAIN_ROWS)
    if fold:
        yield '<p class="folded-note">Long runs are folded here: <code>--full</code> writes out each object.</p>'
    runs = {run.start: run for run in section.runs} if fold else {}
    several = len({row.tenant for row in section.rows}) > 1
    tenant, at, anchors = None, 0, set[str]()
    while at < len(section.rows):
        row = section.rows[at]
        if several and row.tenant != tenant:
            tenant = row.tenant
            yield f'<h3 class="tenant">{_bdi(shortened(tenant))}</h3>'
        if run := runs.get(at):
            yield _plain_run(section, row, run)
        else:
            anchor = _anchor(section, row)
            yield _plain_row(section, row, "" if anchor in anchors else f' id="{anchor}"', hrefs)
            anchors.add(anchor)
        at += run.size if run else 1
    yield "</div>"
    yield "</section>"


def _anchor(section: Section, row: ObjectRow) -> str:
    """The fragment that leads to a row: the same in every plan with this action on this object."""
    return f"{section.word}-{zlib.crc32(f'{row.tenant}/{row.kind}/{row.name}'.encode()):08x}"


def _plain_row(section: Section, row: ObjectRow, anchor: str, hrefs: Mapping[str, str]) -> str:
    """One object. A row that is not dangerous has everything a reviewer needs on its line, unless something is too long."""
    more = _more(row) if section.dangerous or _is_long(row) else ""
    return f'<div class="row"{anchor}><div class="line">{_line(section, row, hrefs)}</div>{more}</div>'


def _line(section: Section, row: ObjectRow, hrefs: Mapping[str, str]) -> str:
    sentence = (
        f'<span class="say">{_bdi(shortened(row.sentence))}</span>' if row.sentence else _changes(row, "span", cut=True)
    )
    if row.besides:
        sentence += f' <span class="say">{_bdi(row.besides)}</span>'
    return (
        f'<span class="mark" aria-hidden="true">{_mark(section)}</span><span class="where">'
        f'<span class="unseen">{section.label} </span>{_bdi(f"{row.tenant}/{row.kind}/")}'
        f'<b>{_bdi(shortened(row.name))}</b></span><span class="what">{sentence}</span>{_place(row.place, hrefs)}'
    )


def _place(place: str, hrefs: Mapping[str, str]) -> str:
    """The place of a row, as a link if its file has a web address."""
    if not place:
        return ""
    path, line, _ = place.rsplit(":", 2)
    href, shown = hrefs.get(path), _bdi(shortened(place))
    link = f'<a href="{_escaped(href)}#L{line}" rel="noreferrer">{shown}</a>' if href else shown
    return f'<span class="place">{link}</span>'


def _more(row: ObjectRow) -> str:
    """What does not fit on the line: long texts in full, changes that are not on it, sentences, ways out."""
    parts = []
    for label, full_text in (("Name", row.name), ("Place", row.place), ("Reason", row.sentence)):
        if len(full_text) > LONG:
            parts.append(f'<p class="long">{label}: {_bdi(full_text)}</p>')
    if row.fields and (row.sentence or _is_long(row)):
        parts.append(f'<ul class="changes">{_changes(row, "li", cut=False)}</ul>')
    parts += [f"<p>{_bdi(say)}</p>" for say in row.says]
    if row.ways:
        ways = "".join(f"<li>{_way_out(way)}</li>" for way in row.ways)
        parts.append(f'<p>Ways out:</p><ul class="ways">{ways}</ul>')
    return f'<div class="more">{"".join(parts)}</div>' if parts else ""


def _way_out(way: str) -> str:
    """A way out, with the command in it as code; plan.js does the same."""
    sentence, name, arguments = way.partition("exolink-reconcile ")
    return f"{_escaped(sentence)}<code>{_unbroken((name + arguments).split(' '))}</code>" if name else _escaped(way)


def _unbroken(words: Iterable[str]) -> str:
    """The words of a command, none of which is broken at a hyphen."""
    return " ".join(f'<span class="word">{_escaped(word)}</span>' for word in words)


def _changes(row: ObjectRow, tag: str, *, cut: bool) -> str:
    def shown(name: str, before: str | None, after: str | None) -> str:
        sides = [("del", before)] if before is not None else []
        sides += [("ins", after)] if after is not None else []
        values = " → ".join(f"<{side}>{_bdi(shortened(value) if cut else value)}</{side}>" for side, value in sides)
        return f'<{tag} class="change"><span class="field">{_bdi(shortened(name) if cut else name)}</span> {values}</{tag}>'

    return "".join(shown(*change) for change in row.fields)


def _plain_run(section: Section, first: ObjectRow, run: Run) -> str:
    """A long run as one row."""
    changes = _changes(first._replace(fields=run.shared), "span", cut=True)
    changes += f'<span class="say">{_bdi(run.own)}</span>' if run.own else ""
    return (
        f'<div class="row run"><div class="line"><span class="mark" aria-hidden="true">{_mark(section)}</span>'
        f'<span class="where">{_bdi(f"{first.tenant}/{first.kind}/")}<b>{run.size:,} alike</b></span>'
        f'<span class="what">{changes}</span></div><div class="more"><p>{_bdi(run.names)}</p></div></div>'
    )


def _is_long(row: ObjectRow) -> bool:
    """Whether any text of a row is cut on its line."""
    parts = (row.name, row.place, row.sentence, *(part for change in row.fields for part in change))
    return any(part is not None and len(part) > LONG for part in parts)


def _bdi(plain: str) -> str:
    """A text that cannot reorder the text beside it."""
    return f"<bdi>{_escaped(plain)}</bdi>"


def _prose(sentence: str) -> str:
    """A sentence, with text in backticks as code; no line breaks within the name of an option or a code."""
    return _NAME.sub(r'<span class="word">\g<0></span>', _CODE.sub(r"<code>\1</code>", _escaped(sentence)))


def _escaped(shown: str) -> str:
    return escape(shown, quote=True)


def _classes(section: Section) -> str:
    return section.word.replace("-", " ")


def _mark(section: Section) -> str:
    return _escaped(section.mark.strip() or "·")


def _number(rows: Sequence[ObjectRow]) -> str:
    return f"{len(rows):,}"


# ---------------------------------------------------------------------------------------------------------------- JSON


def _data(sections: Sequence[Section], hrefs: Mapping[str, str]) -> str:
    """The rows for the script. No character in them can end the element that holds them or start another."""
    texts: dict[str, int] = {}
    numbers: dict[tuple[str, ...], list[int]] = {(): []}
    for section in sections:
        for row in section.rows:
            for lines in (row.says, row.ways):
                if lines not in numbers:
                    numbers[lines] = [texts.setdefault(line, len(texts)) for line in lines]
    sections_data = [
        {
            "word": section.word,
            "mark": section.mark.strip() or "·",
            "label": section.label,
            "whole": section.dangerous,
            "rows": [
                (*row[:6], numbers[row.says], numbers[row.ways], *filter(None, [row.besides])) for row in section.rows
            ],
            "runs": section.runs,
        }
        for section in sections
    ]
    content = {"sections": sections_data, "texts": [*texts], "long": LONG, "links": [*hrefs.items()]}
    data = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def render(view: PlanView) -> tuple[str]:
    """A plan as a page of its own."""
    page = plan(
        view.plan,
        view.digest,
        paths=view.paths,
        options=view.options,
        full=view.full,
        show_unmanaged=view.show_unmanaged,
        links=view.links,
        provenance=view.provenance,
    )
    return (page,)

"""What YAML may not say: one small mistake a case, its place, and the words that help.

A case is a text with marks. `▲` stands right before the place that the error must have, line and column; `△` fixes
the line only. With several marks an error at any of them will do (`both`: the errors must name all of them, in their
place or in their text). No error may sit on an unmarked line. `TENANT` becomes the case's own name, so that cases do
not meet.

All cases of a topic are validated by one process.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Place:
    file: str
    line: int
    column: int | None


@dataclass(frozen=True)
class Case:
    name: str
    files: Mapping[str, bytes]
    places: tuple[Place, ...]  # empty: anywhere in the files
    says: tuple[str, ...]  # regular expressions that the errors' texts must match
    both: bool


def bad(name: str, marked: str | bytes | Mapping[str, str], *says: str, both: bool = False) -> Case:
    texts = marked if isinstance(marked, Mapping) else {"a.yaml": marked}
    files: dict[str, bytes] = {}
    places: list[Place] = []
    for file, text in texts.items():
        if isinstance(text, bytes):
            files[f"{name}/{file}"] = text
            continue
        text = text.replace("TENANT", name)
        places += _places(f"corpus/{name}/{file}", text)
        files[f"{name}/{file}"] = re.sub("[▲△]", "", text).encode()
    return Case(name, files, tuple(places), says, both)


def _places(file: str, text: str) -> list[Place]:
    places = []
    for number, line in enumerate(text.split("\n"), start=1):
        for mark in re.finditer("[▲△]", line):
            before = re.sub("[▲△\ufeff]", "", line[: mark.start()])  # a byte order mark takes up no column
            places.append(Place(file, number, len(before) + 1 if mark.group() == "▲" else None))
    return places


HEAD = "tenant: TENANT\n"

DOCUMENTS = (
    bad("no-tenant", "▲name: Acme\ncpms: []\n", "tenant"),
    bad("no-tenant-second-document", HEAD + "---\n▲name: Acme\n", "tenant"),
    bad("tenant-empty-text", '△tenant: ""\n', "tenant"),
    bad("tenant-with-slash", "△tenant: acme/cpms\n"),
    bad("tenant-list", "△tenant: [TENANT]\n"),
    bad("tenant-mapping", "△tenant: {TENANT: 1}\n"),
    bad("document-list", "△- tenant: TENANT\n"),
    bad("document-text", "△hello\n"),
    bad("document-empty-mapping", "△{}\n", "tenant"),
    bad("cpms-mapping", HEAD + "△cpms: {△displayName: Primary}\n", "list|sequence"),
    bad("cpms-text", HEAD + "△cpms: Primary\n", "list|sequence"),
    bad("chargers-text", HEAD + "△chargers: CP-1\n", "list|sequence"),
    bad("entry-text", HEAD + "chargers:\n  - △CP-1\n"),
    bad("entry-list", HEAD + "chargers:\n  - △[CP-1]\n"),
    bad("policy-list", HEAD + "△policy: [△protect]\n"),
    bad("protect-text", HEAD + "policy:\n  △protect: charger/CP-1\n", "list|sequence"),
    bad("profiles-list", HEAD + "△profiles: [△standard]\n"),
    bad("defaults-list", HEAD + "△defaults: [△cpms]\n"),
    bad("defaults-of-cpms-text", HEAD + "defaults:\n  △cpms: 30\n"),
    bad("removed-text", HEAD + "△removed: CP-1\n", "list|sequence"),
    bad("removed-entry-text", HEAD + "removed:\n  - △charger/CP-1\n"),
    bad("create-only-text", HEAD + "cpms:\n  - displayName: A\n    interval: 30\n    △createOnly: interval\n"),
    bad("field-list", HEAD + "cpms:\n  - displayName: A\n    △url: [wss://a.example.com/]\n"),
    bad("field-mapping", HEAD + "chargers:\n  - identity: CP-1\n    △displayName: {en: Lobby}\n"),
    bad("key-list", HEAD + "△? [a, b]\n△: c\n"),
    bad("key-mapping", HEAD + "△? {a: b}\n△: c\n"),
    bad("key-null", HEAD + "▲~: c\n"),
    bad("key-number", HEAD + "▲1: c\n"),
    bad("cpms-without-name", HEAD + "cpms:\n  - ▲url: wss://a.example.com/\n    interval: 30\n", "displayName"),
    bad("charger-without-identity", HEAD + "chargers:\n  - ▲displayName: Lobby\n    profileId: 1\n", "identity"),
    bad("cpms-empty-name", HEAD + 'cpms:\n  - △displayName: ""\n'),
    bad("charger-empty-identity", HEAD + 'chargers:\n  - △identity: ""\n'),
    bad("second-of-two", HEAD + "chargers:\n  - identity: CP-1\n  - ▲displayName: Lobby\n", "identity"),
)

UNKNOWN_KEYS = (
    bad("top-level", HEAD + "▲chargrs: []\n", "chargrs", r"\bchargers\b"),
    bad("top-level-singular", HEAD + "▲charger: []\n", r"\bchargers\b"),
    bad("nothing-near", HEAD + "▲qqqqqqqqqq: 1\n", "qqqqqqqqqq"),
    bad("cpms-field", HEAD + "cpms:\n  - displayName: A\n    ▲intervall: 30\n", "intervall", r"\binterval\b"),
    bad(
        "cpms-case",
        HEAD + "cpms:\n  - {▲displayname: A, url: wss://a.example.com/}\n",
        r"\bdisplayname\b",
        r"\bdisplayName\b",
    ),
    bad("charger-field", HEAD + "chargers:\n  - {identity: CP-1, ▲profileID: 1}\n", r"\bprofileId\b"),
    bad("charger-profil", HEAD + "chargers:\n  - {identity: CP-1, ▲profil: x}\n", r"\bprofile\b"),
    bad("umlaut-before", HEAD + "chargers:\n  - {identity: CP-1, displayName: Größe, ▲profil: x}\n", r"\bprofile\b"),
    bad("foreign-field", HEAD + "chargers:\n  - {identity: CP-1, ▲url: wss://a.example.com/}\n", "url"),
    bad("foreign-profile", HEAD + "profiles: {x: 1}\ncpms:\n  - {displayName: A, ▲profile: x}\n", "profile"),
    bad("policy", HEAD + "policy:\n  ▲protct: []\n", r"\bprotect\b"),
    bad("policy-case", HEAD + "policy: {▲allowreplace: []}\n", r"\ballowReplace\b"),
    bad("defaults", HEAD + "defaults:\n  ▲charger: {profileId: 1}\n", r"\bchargers\b"),
    bad("defaults-field", HEAD + "defaults:\n  cpms: {▲intrval: 30}\n", r"\binterval\b"),
    bad("removed", HEAD + "removed:\n  - {charger: CP-1, ▲reasn: gone}\n", r"\breason\b"),
    bad("removed-kind", HEAD + "removed:\n  - {▲chargr: CP-1}\n", r"\bcharger\b"),
    bad("removed-tenant", HEAD + "removed:\n  - {▲tenant: TENANT}\n"),
    bad("create-only", HEAD + "cpms:\n  - {displayName: A, △createOnly: [intervall]}\n", r"\binterval\b"),
    bad("schema-below", HEAD + "chargers:\n  - {identity: CP-1, ▲$schema: x}\n", "schema"),
    bad("two-in-one-file", HEAD + "▲chargrs: []\n▲polcy: {}\n", r"\bchargers\b", r"\bpolicy\b", both=True),
)

DUPLICATE_KEYS = (
    bad("top", HEAD + "△name: A\n▲name: B\n", "(?i)name", "(?i)duplicate|twice|again|more than once|already"),
    bad("same-value", HEAD + "△name: A\n▲name: A\n", "name"),
    bad("quoted", HEAD + '△name: A\n▲"name": B\n', "name"),
    bad("tenant", "△tenant: TENANT\n▲tenant: TENANT\n", "tenant"),
    bad("list", HEAD + "△chargers: []\n▲chargers: []\n", "chargers"),
    bad("entry", HEAD + "chargers:\n  - △identity: CP-1\n    ▲identity: CP-2\n", "identity"),
    bad("flow", HEAD + "cpms:\n  - {△displayName: A, interval: 30, ▲interval: 60}\n", "interval"),
    bad("profiles", HEAD + "profiles:\n  △standard: 1\n  ▲standard: 2\n", "standard"),
    bad("defaults", HEAD + "defaults:\n  cpms:\n    △interval: 30\n    ▲interval: 30\n", "interval"),
    bad("policy", HEAD + "policy:\n  △protect: []\n  ▲protect: []\n", "protect"),
    bad("removed", HEAD + "removed:\n  - {△charger: A, ▲charger: B}\n", "charger"),
)

BOMB = (
    HEAD + "△name: &a [x, x]\n" + "".join(f"△{n}: &{n} [*{p}, *{p}, *{p}]\n" for p, n in itertools.pairwise("abcdefgh"))
)

NOT_PLAIN_DATA = (
    bad("tag-str", HEAD + "△name: !!str Acme\n", "(?i)tag"),
    bad("tag-int", HEAD + "cpms:\n  - {displayName: A, △interval: !!int 30}\n", "(?i)tag"),
    bad("tag-broken-int", HEAD + "cpms:\n  - {displayName: A, △interval: !!int x}\n", "(?i)tag"),
    bad("tag-custom", HEAD + "△name: !secret Acme\n", "(?i)tag"),
    bad("tag-non-specific", HEAD + "△name: ! Acme\n", "(?i)tag"),
    bad("tag-python", HEAD + "△name: !!python/object/apply:os.system [id]\n", "(?i)tag"),
    bad("tag-binary", HEAD + "△name: !!binary aGVsbG8=\n", "(?i)tag"),
    bad("tag-timestamp", HEAD + "△name: !!timestamp x\n", "(?i)tag"),
    bad("tag-mapping", HEAD + "△profiles: !!map {standard: 1}\n", "(?i)tag"),
    bad("tag-list", HEAD + "△chargers: !!seq []\n", "(?i)tag"),
    bad("tag-key", HEAD + "△!!str name: Acme\n", "(?i)tag"),
    bad("tag-null", HEAD + "△name: !!null ''\n", "(?i)tag"),
    bad("anchor-scalar", HEAD + "△name: &name Acme\n", "(?i)anchor"),
    bad("anchor-list", HEAD + "△chargers: &all []\n", "(?i)anchor"),
    bad("anchor-mapping", HEAD + "△profiles: &all {standard: 1}\n", "(?i)anchor"),
    bad("anchor-key", HEAD + "△&key name: Acme\n", "(?i)anchor"),
    bad("alias", HEAD + "△name: *nowhere\n", "(?i)alias"),
    bad("alias-key", HEAD + "△*nowhere : Acme\n", "(?i)alias"),
    bad("alias-of-anchor", HEAD + "△name: &a Acme\nprofiles: {△standard: *a}\n", "(?i)anchor|alias"),
    bad("recursive", HEAD + "△chargers: &a [*a]\n", "(?i)anchor|alias"),
    bad("merge", HEAD + "chargers:\n  - identity: CP-1\n    ▲<<: {profileId: 1}\n", "(?i)merge"),
    bad("merge-list", HEAD + "chargers:\n  - identity: CP-1\n    ▲<<: [{profileId: 1}]\n", "(?i)merge"),
    bad(
        "merge-alias",
        HEAD + "△profiles: &p {standard: 1}\nchargers:\n  - identity: CP-1\n    △<<: *p\n",
        "(?i)merge|anchor|alias",
    ),
    bad("billion-laughs", BOMB, "(?i)anchor|alias"),
)

EMPTY_VALUES = (
    bad("name-null", HEAD + "△name: null\n"),
    bad("name-tilde", HEAD + "△name: ~\n"),
    bad("name-nothing", HEAD + "△name:\nchargers: []\n"),
    bad("name-comment", HEAD + "△name: # later\nchargers: []\n"),
    bad("tenant-null", "△tenant: null\n"),
    bad("tenant-nothing", "△tenant:\n"),
    bad("number-null", HEAD + "cpms:\n  - displayName: A\n    △interval: null\n"),
    bad("number-nothing", HEAD + "cpms:\n  - displayName: A\n    △interval:\n    url: wss://a.example.com/\n"),
    bad("number-empty-text", HEAD + "cpms:\n  - displayName: A\n    △interval: ''\n"),
    bad("number-quoted-null", HEAD + "cpms:\n  - displayName: A\n    △interval: 'null'\n"),
    bad("flow-nothing", HEAD + "cpms:\n  - {displayName: A, △interval: }\n"),
    bad("flow-key-only", HEAD + "cpms:\n  - {displayName: A, △interval}\n"),
    bad("key-null", HEAD + "chargers:\n  - △identity: null\n"),
    bad("list-nothing", HEAD + "△chargers:\ncpms: []\n"),
    bad("list-null", HEAD + "△removed: null\n"),
    bad("list-tilde", HEAD + "△cpms: ~\n"),
    bad("item-nothing", HEAD + "chargers:\n  △-\n  - identity: CP-1\n"),
    bad("item-null", HEAD + "chargers:\n  - △null\n"),
    bad("policy-nothing", HEAD + "△policy:\nchargers: []\n"),
    bad("defaults-nothing", HEAD + "defaults:\n  △cpms:\nchargers: []\n"),
    bad("default-null", HEAD + "defaults:\n  cpms: {△interval: null}\n"),
    bad("profile-null", HEAD + "profiles: {△standard: null}\n"),
    bad("glob-null", HEAD + "policy:\n  protect: [△null]\n"),
    bad("reason-null", HEAD + "removed:\n  - {charger: CP-1, △reason: null}\n"),
)

TYPES = (
    bad("interval-word", HEAD + "cpms:\n  - {displayName: A, △interval: thirty}\n", "thirty|interval"),
    bad("interval-true", HEAD + "cpms:\n  - {displayName: A, △interval: true}\n", "true|interval"),
    bad("interval-yes", HEAD + "cpms:\n  - {displayName: A, △interval: yes}\n", "yes|interval"),
    bad("interval-clock", HEAD + "cpms:\n  - {displayName: A, △interval: 12:30}\n", "interval|12:30"),
    bad("interval-nan", HEAD + "cpms:\n  - {displayName: A, △interval: nan}\n", "interval|nan"),
    bad("interval-dot-nan", HEAD + "cpms:\n  - {displayName: A, △interval: .nan}\n", "interval|nan"),
    bad("interval-inf", HEAD + "cpms:\n  - {displayName: A, △interval: .inf}\n", "interval|inf"),
    bad("interval-infinity", HEAD + "cpms:\n  - {displayName: A, △interval: Infinity}\n", "interval|Infinity"),
    bad("interval-overflow", HEAD + "cpms:\n  - {displayName: A, △interval: 1e999}\n", "interval|1e999"),
    bad("interval-5000-digits", HEAD + "cpms:\n  - {displayName: A, △interval: " + "9" * 5000 + "}\n"),
    bad("profile-id-word", HEAD + "chargers:\n  - {identity: CP-1, △profileId: night}\n", "night|profileId"),
    bad("profile-id-fraction", HEAD + "chargers:\n  - {identity: CP-1, △profileId: 1.5}\n", r"1\.5|profileId"),
    bad("profile-id-true", HEAD + "chargers:\n  - {identity: CP-1, △profileId: true}\n"),
    bad("id-word", HEAD + "cpms:\n  - {displayName: A, △id: seven}\n", "seven|id"),
    bad("id-fraction", HEAD + "cpms:\n  - {displayName: A, △id: 7.5}\n"),
    bad("removed-id-word", HEAD + "removed:\n  - {cpms: A, △id: seven}\n"),
    bad("profiles-word", HEAD + "profiles: {△standard: one}\n", "one|standard"),
    bad("boolean-word", HEAD + "cpms:\n  - {displayName: A, △authPassThrough: maybe}\n", "authPassThrough|maybe"),
    bad("boolean-yes", HEAD + "cpms:\n  - {displayName: A, △authPassThrough: yes}\n", "authPassThrough|yes"),
    bad("boolean-on", HEAD + "cpms:\n  - {displayName: A, △authPassThrough: on}\n", "authPassThrough|on"),
    bad("boolean-number", HEAD + "cpms:\n  - {displayName: A, △authPassThrough: 1}\n", "authPassThrough|1"),
    bad("default-word", HEAD + "△defaults: {cpms: {interval: often}}\ncpms:\n  - {displayName: A}\n", "often|interval"),
)

PROFILES = (
    bad(
        "both-forms",
        HEAD + "profiles: {night: 2}\nchargers:\n  - △identity: CP-1\n    △profile: night\n    △profileId: 2\n",
        r"\bprofile\b",
        r"\bprofileId\b",
    ),
    bad("both-forms-flow", HEAD + "profiles: {a: 1}\nchargers:\n  - {△identity: C, profile: a, profileId: 9}\n"),
    bad(
        "both-forms-in-defaults",
        HEAD
        + "profiles: {a: 1}\n△defaults: {△chargers: {△profile: a, △profileId: 1}}\nchargers:\n  - {△identity: C}\n",
        r"\bprofileId\b",
    ),
    bad("unknown", HEAD + "profiles: {night: 2}\nchargers:\n  - {identity: CP-1, △profile: nite}\n", "nite", "night"),
    bad("none-declared", HEAD + "chargers:\n  - {identity: CP-1, △profile: night}\n", "night"),
    bad("case-counts", HEAD + "profiles: {Night: 2}\nchargers:\n  - {identity: CP-1, △profile: night}\n", "night"),
    bad(
        "unknown-in-defaults",
        HEAD + "profiles: {night: 2}\n△defaults: {chargers: {profile: nite}}\nchargers:\n  - {△identity: CP-1}\n",
        "nite",
    ),
    bad(
        "of-another-tenant",
        {
            "a.yaml": "tenant: of-another-tenant-a\nprofiles: {night: 2}\n",
            "b.yaml": "tenant: of-another-tenant-b\nchargers:\n  - {identity: CP-1, △profile: night}\n",
        },
        "night",
    ),
    bad(
        "two-ids-in-two-files",
        {"a.yaml": HEAD + "profiles:\n  △night: 2\n", "b.yaml": HEAD + "profiles:\n  △night: 3\n"},
        "night",
    ),
)

DEFAULTS = (
    bad("cpms-key", HEAD + "defaults:\n  cpms:\n    ▲displayName: A\n", "displayName"),
    bad("cpms-id", HEAD + "defaults:\n  cpms: {interval: 30, ▲id: 7}\n", "id"),
    bad("charger-key", HEAD + "defaults:\n  chargers: {▲identity: CP-1}\n", "identity"),
    bad("charger-id", HEAD + "defaults:\n  chargers:\n    ▲id: 7\n", "id"),
)

ONCE = (
    bad("name-twice", HEAD + "△name: A\n---\n" + HEAD + "△name: B\n", "name", both=True),
    bad("name-twice-same", HEAD + "△name: A\n---\n" + HEAD + "△name: A\n", "name", both=True),
    bad("name-two-files", {"a.yaml": HEAD + "△name: A\n", "b.yaml": HEAD + "\n△name: B\n"}, "name", both=True),
    bad(
        "cpms-twice",
        HEAD + "cpms:\n  - {▲displayName: A, interval: 30}\n  - {▲displayName: A, interval: 60}\n",
        "A",
        both=True,
    ),
    bad("charger-twice", HEAD + "chargers:\n  - ▲identity: CP-1\n  - ▲identity: CP-1\n", "CP-1", both=True),
    bad(
        "place-is-first-key",
        HEAD + "chargers:\n  - ▲profileId: 1\n    identity: CP-1\n  - ▲displayName: x\n    identity: CP-1\n",
        "CP-1",
        both=True,
    ),
    bad(
        "charger-two-documents",
        HEAD + "chargers:\n  - ▲identity: CP-1\n---\n" + HEAD + "chargers:\n  - ▲identity: CP-1\n",
        "CP-1",
        both=True,
    ),
    bad(
        "charger-two-files",
        {
            "a.yaml": HEAD + "chargers:\n  - ▲identity: CP-1\n",
            "deep/b.yml": HEAD + "\n\nchargers:\n- {▲identity: CP-1}\n",
        },
        "CP-1",
        both=True,
    ),
    bad(
        "pinned-differently",
        HEAD + "cpms:\n  - {▲displayName: A, id: 1}\n  - {▲displayName: A, id: 2}\n",
        "A",
        both=True,
    ),
    bad("fold-case", HEAD + "chargers:\n  - ▲identity: CP-1\n  - ▲identity: cp-1\n", "(?i)cp-1"),
    bad("fold-sharp-s", HEAD + "cpms:\n  - ▲displayName: Straße\n  - ▲displayName: STRASSE\n"),
    bad("fold-space", HEAD + "cpms:\n  - ▲displayName: A\n  - ▲displayName: 'A '\n"),
    bad("fold-no-break-space", HEAD + 'cpms:\n  - ▲displayName: A\n  - ▲displayName: "\\u00a0A"\n'),
    bad("fold-nfc", HEAD + 'cpms:\n  - ▲displayName: "Caf\\u00e9"\n  - ▲displayName: "Cafe\\u0301"\n'),
    bad(
        "fold-all-three",
        HEAD + 'cpms:\n  - ▲displayName: "CAF\\u00c9 "\n---\n' + HEAD + 'cpms:\n  - ▲displayName: "cafe\\u0301"\n',
    ),
    bad(
        "fold-two-files",
        {"a.yaml": HEAD + "chargers:\n  - ▲identity: Lobby\n", "b.yaml": HEAD + "chargers:\n  - ▲identity: LOBBY\n"},
    ),
)

REMOVED = (
    bad("declared", HEAD + "chargers:\n  - ▲identity: CP-1\nremoved:\n  - ▲charger: CP-1\n", "CP-1"),
    bad(
        "declared-elsewhere",
        {"a.yaml": HEAD + "cpms:\n  - ▲displayName: A\n", "b.yaml": HEAD + "removed:\n  - ▲cpms: A\n"},
        "A",
    ),
    bad("declared-with-id", HEAD + "cpms:\n  - {▲displayName: A, id: 1}\nremoved:\n  - {▲cpms: A}\n"),
    bad("removed-with-id", HEAD + "cpms:\n  - {▲displayName: A}\nremoved:\n  - {▲cpms: A, id: 1}\n"),
    bad("same-id", HEAD + "cpms:\n  - {▲displayName: A, id: 7}\nremoved:\n  - {▲cpms: A, id: 7}\n"),
    bad("same-id-quoted", HEAD + "cpms:\n  - {▲displayName: A, id: 7}\nremoved:\n  - {▲cpms: A, id: '7'}\n"),
    bad("twice", HEAD + "removed:\n  - ▲charger: CP-1\n  - ▲charger: CP-1\n", "CP-1"),
    bad(
        "twice-in-two-files",
        {"a.yaml": HEAD + "removed:\n  - ▲charger: CP-1\n", "b.yaml": HEAD + "removed:\n  - ▲charger: CP-1\n"},
        "CP-1",
    ),
    bad("two-kinds", HEAD + "removed:\n  - {▲cpms: A, ▲charger: B}\n"),
    bad("no-kind", HEAD + "removed:\n  - {▲reason: gone}\n"),
    bad("empty-name", HEAD + 'removed:\n  - {△charger: ""}\n'),
)


def protected(name: str, pattern: str, removed: str) -> Case:
    return bad(name, HEAD + f'policy:\n  △protect: [△"{pattern}"]\nremoved:\n  - {{▲{removed}}}\n')


PROTECTED = (
    protected("exact", "charger/CP-1", "charger: CP-1"),
    protected("star", "charger/CP-*", "charger: CP-1"),
    protected("star-is-any-run", "charger/CP-1*", "charger: CP-1"),
    protected("star-crosses-slash", "cpms/a*z", "cpms: a/b/z"),
    protected("star-in-front", "*/CP-1", "charger: CP-1"),
    protected("question-mark", "charger/CP-?", "charger: CP-1"),
    protected("question-mark-is-slash", "cpms/a?b", "cpms: a/b"),
    protected("kind-alone", "charger", "charger: CP-1"),
    protected("all", "*", "cpms: A"),
    protected("brackets-are-plain", "charger/[C]", 'charger: "[C]"'),
    protected("dot-is-plain", "cpms/a.b", "cpms: a.b"),
    protected("line-of-regex", "cpms/a+(b)^$|", "cpms: a+(b)^$|"),
    bad(
        "elsewhere",
        {
            "a.yaml": HEAD + "policy: {△protect: [cpms/Primary*]}\n",
            "b.yaml": HEAD + "removed:\n  - ▲cpms: Primary backend\n",
        },
        "Primary backend",
    ),
    bad(
        "with-id",
        HEAD + "policy: {△protect: [cpms/A]}\nremoved:\n  - {▲cpms: A, id: 7}\n",
    ),
)

BAD_CHARACTERS = {
    "escape": "\\e",
    "nul": "\\0",
    "bell": "\\a",
    "tab": "\\t",
    "line-feed": "\\n",
    "carriage-return": "\\r",
    "delete": "\\x7f",
    "next-line": "\\x85",
    "csi": "\\x9b",
    "arabic-letter-mark": "\\u061c",
    "left-to-right-mark": "\\u200e",
    "right-to-left-mark": "\\u200f",
    "left-to-right-embedding": "\\u202a",
    "pop-directional": "\\u202c",
    "right-to-left-override": "\\u202e",
    "isolate": "\\u2066",
    "pop-isolate": "\\u2069",
    "zero-width-space": "\\u200b",
    "zero-width-non-joiner": "\\u200c",
    "zero-width-joiner": "\\u200d",
    "byte-order-mark": "\\ufeff",
}

CHARACTERS = (
    *(bad(f"identity-{name}", HEAD + f'chargers:\n  - △identity: "C{e}P"\n') for name, e in BAD_CHARACTERS.items()),
    *(
        bad(f"display-name-{name}", HEAD + f'cpms:\n  - △displayName: "A{BAD_CHARACTERS[name]}B"\n')
        for name in ("escape", "tab", "right-to-left-override", "zero-width-space")
    ),
    *(
        bad(f"tenant-{name}", f'△tenant: "a{BAD_CHARACTERS[name]}b"\n')
        for name in ("escape", "line-feed", "right-to-left-override", "zero-width-space")
    ),
    bad("raw-override", HEAD + "chargers:\n  - △identity: C\u202eP\n"),
    bad("raw-zero-width", HEAD + "chargers:\n  - △identity: C\u200bP\n"),
    bad("raw-byte-order-mark", HEAD + "chargers:\n  - △identity: C\ufeffP\n"),
    bad("raw-escape", HEAD + "chargers:\n  - △identity: C\x1bP\n"),
    bad("raw-nul", HEAD + "chargers:\n  - △identity: C\x00P\n"),
    bad("at-the-end", HEAD + 'cpms:\n  - △displayName: "A\\u200b"\n'),
)

REFERENCES = (
    bad("other-word", HEAD + "△name: ${NAME}\n", r"\$\{|env"),
    bad("other-source", HEAD + "△name: ${file:/etc/passwd}\n", r"\$\{|env"),
    bad("upper-case", HEAD + "△name: ${ENV:NAME}\n", r"\$\{|env"),
    bad("no-name", HEAD + "△name: ${env:}\n", r"\$\{|env"),
    bad("empty", HEAD + '△name: "${}"\n', r"\$\{|env"),
    bad("blank-in-name", HEAD + '△name: "${env:MY NAME}"\n', r"\$\{|env"),
    bad("default-value", HEAD + '△name: "${env:NAME:-acme}"\n', r"\$\{|env"),
    bad("not-closed", HEAD + '△name: "${env:NAME"\n', r"\$\{|env"),
    bad("second-is-bad", HEAD + "△name: ${env:GOOD}-${BAD}\n", r"BAD|\$\{"),
    bad("after-escaped", HEAD + "△name: $${GOOD}-${BAD}\n", r"BAD|\$\{"),
    bad("in-url", HEAD + "cpms:\n  - {displayName: A, △url: 'wss://u:${PASSWORD}@a.example.com/'}\n", r"PASSWORD|\$\{"),
    bad("in-number", HEAD + "cpms:\n  - {displayName: A, △interval: '${INTERVAL}'}\n", r"INTERVAL|\$\{"),
    bad("in-glob", HEAD + "policy: {△protect: ['cpms/${X}']}\n", r"\$\{|env"),
    bad("in-default", HEAD + "△defaults: {cpms: {url: '${X}'}}\ncpms:\n  - displayName: A\n", r"\$\{|env"),
    bad("in-reason", HEAD + "removed:\n  - {charger: CP-1, △reason: '${X}'}\n", r"\$\{|env"),
    bad("in-key", HEAD + "▲${env:KEY}: []\n"),
    bad(
        "in-profile-key",
        HEAD + "△profiles: {'${env:NIGHT}': 2}\nchargers:\n  - {identity: CP-1, △profile: night}\n",
    ),
)

SYNTAX = (
    bad("tab-indent", HEAD + "chargers:\n△\t- identity: CP-1\n", "(?i)tab"),
    bad("tab-in-mapping", HEAD + "chargers:\n  - identity: CP-1\n△\tprofileId: 1\n", "(?i)tab"),
    bad("colon-twice", HEAD + "△name: a: b\n"),
    bad("quote-open", HEAD + '△name: "Acme\n△chargers: []\n△'),
    bad("bracket-open", HEAD + "△chargers: [\n△  {identity: CP-1}\n△"),
    bad("brace-open", HEAD + "chargers:\n△  - {identity: CP-1\n△"),
    bad("bracket-wrong", HEAD + "△chargers: [{identity: CP-1]\n"),
    bad("outdented", HEAD + "chargers:\n    - identity: CP-1\n△  - identity: CP-2\n"),
    bad("at-sign", HEAD + "△name: @acme\n"),
    bad("backtick", HEAD + "△name: `acme`\n"),
    bad("percent", HEAD + "△name: %acme\n"),
    bad("bad-escape", HEAD + '△name: "\\q"\n'),
    bad("lone-surrogate", HEAD + '△name: "\\ud800"\n'),
    bad("beyond-unicode", HEAD + '△name: "\\U00110000"\n'),
    bad("text-after-quote", HEAD + '△name: "Acme" GmbH\n'),
    bad("second-document", HEAD + "---\n" + HEAD + "△name: a: b\n"),
)

GOOD = "tenant: TENANT\nname: Größe\n"


def encoded(name: str, encoding: str, *says: str, mark: bytes = b"") -> Case:
    return bad(name, mark + GOOD.replace("TENANT", name).encode(encoding), *says)


BYTES = (
    encoded("sixteen-le-mark", "utf-16-le", "(?i)utf-?16", "(?i)utf-?8", mark=b"\xff\xfe"),
    encoded("sixteen-be-mark", "utf-16-be", "(?i)utf-?16", "(?i)utf-?8", mark=b"\xfe\xff"),
    encoded("sixteen-le", "utf-16-le", "(?i)utf-?8"),
    encoded("sixteen-be", "utf-16-be", "(?i)utf-?8"),
    encoded("thirty-two-le-mark", "utf-32-le", "(?i)utf-?8", mark=b"\xff\xfe\x00\x00"),
    encoded("thirty-two-be-mark", "utf-32-be", "(?i)utf-?8", mark=b"\x00\x00\xfe\xff"),
    encoded("latin-1", "latin-1", "(?i)utf-?8"),
    bad("cut-character", b"tenant: cut-character\nname: Gr\xc3", "(?i)utf-?8"),
    bad("overlong", b"tenant: overlong\nname: \xc0\xaf\n", "(?i)utf-?8"),
    bad("surrogate", b"tenant: surrogate\nname: \xed\xa0\x80\n", "(?i)utf-?8"),
    bad("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x2b\x49\xcd\x4b", "(?i)utf-?8"),
    bad("mark-does-not-count", "\ufeff▲tennant: acme\n", "tenant"),
    bad("carriage-returns-count-once", HEAD.replace("\n", "\r\n") + "\r\n▲chargrs: []\r\n", r"\bchargers\b"),
)

SECRET = "hunter2hunter2"
SECRETS = (
    bad("quote-open", HEAD + f'cpms:\n  - displayName: A\n△    url: "wss://u:{SECRET}@a.example.com/\n△'),
    bad("flow-open", HEAD + f"cpms:\n△  - {{displayName: A, url: 'wss://u:{SECRET}@a.example.com/'\n△"),
    bad("twice", HEAD + f"cpms:\n  - displayName: A\n    △url: wss://u:{SECRET}@a/\n    ▲url: wss://u:{SECRET}@b/\n"),
    bad("bad-reference", HEAD + f"cpms:\n  - {{displayName: A, △url: 'wss://u:{SECRET}@a/${{BAD}}'}}\n"),
    bad("query", HEAD + f"cpms:\n  - {{displayName: A, △url: 'wss://a/?token={SECRET}&x=${{BAD}}'}}\n"),
    bad("wrong-type", HEAD + f"cpms:\n  - displayName: A\n    △url: ['wss://u:{SECRET}@a.example.com/']\n"),
    bad("tagged", HEAD + f"cpms:\n  - displayName: A\n    △url: !!str wss://u:{SECRET}@a.example.com/\n"),
)

TOPICS: dict[str, tuple[Case, ...]] = {
    "documents": DOCUMENTS,
    "unknown-keys": UNKNOWN_KEYS,
    "duplicate-keys": DUPLICATE_KEYS,
    "not-plain-data": NOT_PLAIN_DATA,
    "empty-values": EMPTY_VALUES,
    "types": TYPES,
    "profiles": PROFILES,
    "defaults": DEFAULTS,
    "once": ONCE,
    "removed": REMOVED,
    "protected": PROTECTED,
    "characters": CHARACTERS,
    "references": REFERENCES,
    "syntax": SYNTAX,
    "bytes": BYTES,
    "secrets": SECRETS,
}
CASES = [pytest.param(topic, case, id=f"{topic}-{case.name}") for topic, cases in TOPICS.items() for case in cases]


def _files(cases: tuple[Case, ...]) -> dict[str, bytes]:
    return {name: content for case in cases for name, content in case.files.items()}


@pytest.fixture(scope="session")
def errors_of(corpus: Callable[..., Any]) -> Callable[[str, Case], list[Any]]:
    """The errors in the files of one case, out of the one run over its topic."""

    def errors(topic: str, case: Case) -> list[Any]:
        result = corpus(topic, _files(TOPICS[topic]))
        return [error for error in result.errors if (error.file or "").startswith(f"corpus/{case.name}/")]

    return errors


def _at(error: Any, place: Place) -> bool:
    return (error.file, error.line) == (place.file, place.line) and place.column in (None, error.column)


def _named(errors: list[Any], place: Place) -> bool:
    shown = f"{place.file}:{place.line}:{place.column or ''}"
    return any(_at(error, place) or shown in error.text for error in errors)


@pytest.mark.parametrize(("topic", "case"), CASES)
def test_mistake_is_refused_where_it_is(topic: str, case: Case, errors_of: Callable[[str, Case], list[Any]]) -> None:
    """Each mistake is an error, at its line and column, in words that help."""
    errors = errors_of(topic, case)
    assert errors, "accepted"
    assert all(error.line >= 1 and error.column >= 1 for error in errors if error.line is not None), errors
    if case.places:
        assert any(_at(error, place) for error in errors for place in case.places), (errors, case.places)
        marked = {(place.file, place.line) for place in case.places}
        assert [error for error in errors if (error.file, error.line) not in marked] == [], "error on a blameless line"
    if case.both:
        assert [place for place in case.places if not _named(errors, place)] == [], errors
    text = "\n".join(error.text for error in errors)
    assert [words for words in case.says if not re.search(words, text)] == [], text


@pytest.mark.parametrize("topic", TOPICS)
def test_messages_show_neither_secrets_nor_control_characters(
    topic: str, corpus: Callable[..., Any], hostile: frozenset[str]
) -> None:
    """A password in a URL is never shown, and nothing from a file reaches a terminal raw."""
    result = corpus(topic, _files(TOPICS[topic]))
    assert SECRET not in result.output
    assert hostile.intersection(result.output) == set()


@functools.cache
def _everything() -> dict[str, bytes]:
    return {f"{topic}/{n}": c for topic, cases in TOPICS.items() for n, c in _files(cases).items()}


def test_all_problems_of_all_files_are_reported_in_one_go(corpus: Callable[..., Any]) -> None:
    """A file that cannot even be parsed hides no problem of another one."""
    result = corpus("everything", _everything())
    reported = {"/".join((error.file or "").split("/")[1:3]) for error in result.errors}
    expected = {f"{topic}/{case.name}" for topic, cases in TOPICS.items() for case in cases}
    # Beside all the others, cases of different topics with one name share a tenant; that can only add errors.
    assert expected - reported == set()


def test_text_shows_places_and_no_control_characters(
    run: Callable[..., Any], folder: Callable[..., Any], hostile: frozenset[str]
) -> None:
    """The text form names each place as FILE:LINE:COLUMN, keeps secrets, and shows hostile names made harmless."""
    root = folder(
        {
            "conf/a.yaml": f"tenant: a\nchargrs: []\ncpms:\n  - {{displayName: A, url: 'wss://u:{SECRET}@h/${{X}}'}}\n",
            "conf/b.yaml": 'tenant: b\nchargers:\n  - identity: "C\\e[31mP\\u202e"\n  - identity: C\u202eP\n',
            "conf/c.yaml": 'tenant: c\n"\\e[2J\\u202e": 1\n',
        }
    )
    result = run("validate", "conf", cwd=root)
    assert result.exit_code == 3
    assert "conf/a.yaml:2:1" in result.output
    assert re.search(r"conf/a\.yaml:4:\d+", result.output)
    assert re.search(r"conf/b\.yaml:3:\d+", result.output) and re.search(r"conf/b\.yaml:4:\d+", result.output)
    assert "conf/c.yaml:2:1" in result.output
    assert SECRET not in result.output
    assert hostile.intersection(result.output) == set()

"""The failure catalogue, rows 64 to 96: YAML, text and secrets. One test for each row, named after its number."""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from world import World

from . import server as fs
from .bench import PASSWORD, TOKEN, Bench, Ran, fleet, live_chargers

REPOSITORY = Path(__file__).resolve().parents[2]
STEERING = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) != "\n"]
STEERING += list("\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
RUNNER_COMMAND = re.compile(r"^\s*::|##\[|##vso\[|##teamcity\[", re.MULTILINE)  # what CI runners obey


def refused(bench: Bench, files: Mapping[str, str | bytes], *says: str) -> Ran:
    """Each of these files is refused, at a place in it; the run ends soon, and no request is sent."""
    __tracebackhide__ = True
    for name, text in files.items():
        bench.write(f"corpus/{name}.yaml", text.encode() if isinstance(text, str) else text)
    ran = bench.run("validate", "corpus", "--format", "json", code=3)
    errors = [entry for entry in ran.json["diagnostics"] if entry["severity"] == "error"]
    named = {(entry.get("range") or {}).get("filename") for entry in errors}
    missing = {f"corpus/{name}.yaml" for name in files} - named
    assert not missing, f"taken: {sorted(missing)}\n{ran.report}"
    told = "\n".join(f"{entry['summary']} {entry['detail']}" for entry in errors)
    assert all(re.search(word, told, re.IGNORECASE) for word in says), ran.report
    assert ran.peak < 700 and bench.server.log == []
    return ran


# ------------------------------------------------------------------------------------------------------- YAML that bites


def test_row_64_billion_laughs(bench: Bench) -> None:
    """Aliases are refused where they stand, before anything grows."""
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    refused(
        bench, {"bomb": "a0: &a0 x\n" + levels, "one": "tenant: acme\nname: &a x\nprofiles: {a: *a}\n"}, "alias|anchor"
    )


def test_row_65_merge_key_bomb(bench: Bench) -> None:
    """Merge keys are refused."""
    levels = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9))
    refused(
        bench,
        {"bomb": "a0: &a0 {x: 1}\n" + levels, "one": "tenant: acme\ndefaults: {<<: {cpms: {interval: 1}}}\n"},
        "merge",
    )


def test_row_66_depth(bench: Bench) -> None:
    """200,000 levels are refused in a moment, however they are written."""
    deep = 200_000
    files = {"flow": "[" * deep, "closed": "[" * deep + "]" * deep, "map": "{a: " * deep, "block": "- " * deep + "x\n"}
    refused(bench, files)


def test_row_67_a_key_given_twice(bench: Bench) -> None:
    """Both lines are named."""
    text = "tenant: acme\nname: one\nprofiles: {}\nname: two\n"
    ran = refused(bench, {"twice": text, "flow": "tenant: acme\nprofiles: {a: 1, a: 2}\n"})
    places = (
        re.findall(r'"line":\s*(\d+)', ran.out)
        + re.findall(r"twice\.yaml:(\d+)", ran.out)
        + re.findall(r"line (\d+)", ran.out)
    )
    assert {"2", "4"} <= set(places), ran.out


LITERAL = [
    "NO",
    "on",
    "yes",
    "Off",
    "y",
    "0123",
    "12:30:45",
    "1_000",
    "1.10",
    "1e5",
    "0x1F",
    "0o17",
    ".5",
    "+1",
    "2020-13-45",
]


def sent(bench: Bench, identities: list[str]) -> list[str]:
    """What arrives when these are written as they are, without quotes."""
    entries = "".join(f"  - {{identity: {text}, displayName: {text}, profileId: 1}}\n" for text in identities)
    bench.write("exolink.yaml", f"tenant: acme\nchargers:\n{entries}")
    bench.apply(code=0)
    rows = bench.world.live("acme", "charger")
    assert all(row["displayName"] == row["identity"] for row in rows)
    return sorted(row["identity"] for row in rows)


def test_row_68_words_that_yaml_takes_for_booleans(bench: Bench) -> None:
    """A name is the text that was typed; a boolean is `true` or `false` and nothing else."""
    assert sent(bench, LITERAL[:5] + ["true", "False"]) == sorted(LITERAL[:5] + ["true", "False"])
    bench.empty()


def test_row_69_serials_that_yaml_takes_for_numbers(bench: Bench) -> None:
    """Leading zeros, colons, underscores, exponents: nothing is resolved; and the next plan is empty."""
    assert sent(bench, LITERAL[5:]) == sorted(LITERAL[5:])
    bench.empty()


def test_row_70_scalars_that_crash_a_loader(bench: Bench) -> None:
    """What is not a date is text; a tag is an error; neither is a traceback."""
    assert sent(bench, ["2020-13-45", "2001-99-99T99:99:99Z"]) == ["2001-99-99T99:99:99Z", "2020-13-45"]
    begun = len(bench.server.log)
    for number, tag in enumerate(("!!int x", "!!timestamp x", "!!bool x", "!!float x", "!!null x", "!!merge x")):
        bench.write(f"corpus/{number}.yaml", f"tenant: acme\nname: {tag}\n")
    ran = bench.run("validate", "corpus", "--format", "json", code=3)
    assert ran.json["error_count"] >= 6 and len(bench.server.log) == begun


def test_row_71_tags(bench: Bench) -> None:
    """Any explicit tag is refused."""
    tags = ("!!python/object/apply:os.system ['true']", "!custom x", "!<tag:example.com,2020:x> x", "!!str x", "! x")
    refused(bench, {f"t{number}": f"tenant: acme\nname: {tag}\n" for number, tag in enumerate(tags)}, "tag")


def test_row_72_types_that_nobody_asked_for(bench: Bench) -> None:
    """Binary, sets and pairs are refused with their tags; a date stays the text that was typed."""
    refused(bench, {n: f"tenant: acme\nname: !!{n} x\n" for n in ("binary", "set", "omap", "pairs", "seq", "map")})
    assert sent(bench, ["2020-01-02", "2001-12-14T21:59:43.10-05:00"]) == ["2001-12-14T21:59:43.10-05:00", "2020-01-02"]


def test_row_73_an_alias_to_itself(bench: Bench) -> None:
    """Refused, not walked."""
    refused(bench, {"list": "tenant: acme\ncpms: &a [*a]\n", "map": "&a {tenant: *a}\n", "key": "&a {*a : x}\n"})


def test_row_74_keys_that_are_no_text(bench: Bench) -> None:
    """Null, lists, mappings and numbers as keys."""
    keys = ("~", "null", "[a]", "{a: b}", "1", "? [a, b]\n", "''", "? ")
    refused(bench, {f"k{n}": f"tenant: acme\n{key}: x\n" for n, key in enumerate(keys)})


def test_row_75_tabs(bench: Bench) -> None:
    """A tab as indentation is an error that says so."""
    refused(
        bench, {"tab": "tenant: acme\npolicy:\n\tprotect: [cpms]\n", "list": "tenant: acme\ncpms:\n\t- {}\n"}, "tab"
    )


def test_row_76_bom_and_line_ends(bench: Bench) -> None:
    """A leading BOM and CRLF are fine; a BOM in the middle of a name is not."""
    text = fleet(2).replace("\n", "\r\n")
    bench.write("exolink.yaml", b"\xef\xbb\xbf" + text.encode())
    bench.apply(code=0)
    assert live_chargers(bench.world) == ["CP-001", "CP-002"]
    assert all("\r" not in str(row) for row in bench.world.live("acme", "charger"))
    bench.write("middle.yaml", "tenant: acme\nname: A\ufeffB\n")
    bench.run("validate", "middle.yaml", code=3)


def test_row_77_other_encodings(bench: Bench) -> None:
    """UTF-8 only; the message helps."""
    text = "tenant: acme\nname: Zürich\n"
    files = {name: text.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252")}
    ran = refused(bench, files, "utf-8")
    assert "Traceback" not in ran.text
    refused(bench, {"surrogate": b"tenant: acme\nname: \xed\xa0\x80\n", "overlong": b"tenant: acme\nname: \xc0\xaf\n"})


def test_row_78_size(bench: Bench) -> None:
    """More than 64 MiB is refused by its size, not by reading it."""
    for size in ((64 << 20) + 1, 8 << 30):
        with (bench.folder / "big.yaml").open("wb") as file:
            file.truncate(size)
        running = bench.start("validate", "big.yaml")
        ran = running.finish()
        bench.check(ran, 3)
        assert ran.peak < 150 and "64" in ran.text
    (bench.folder / "big.yaml").unlink()


def test_row_79_numbers_without_end(bench: Bench) -> None:
    """Text until it is typed; where a number is meant, a range is checked; a message shows a part."""
    numbers = {
        "nines": "9" * 5000,
        "hex": "0x" + "f" * 4000,
        "float": "1" + "0" * 400 + ".5",
        "word": "Infinity",
        "exp": "1e999",
    }
    entry = "tenant: acme\nchargers: [{{identity: CP-1, displayName: A, profileId: {}}}]\n"
    ran = refused(bench, {name: entry.format(number) for name, number in numbers.items()})
    assert len(ran.out) < 20_000
    assert sent(bench, ["9" * 200]) == ["9" * 200]


def test_row_80_nothing_in_it(bench: Bench) -> None:
    """An empty file is not an empty desired state; several documents in one file are several documents."""
    for name, text in {
        "empty": "",
        "comment": "# nothing\n",
        "dashes": "---\n",
        "null": "~\n",
        "list": "[]\n",
        "text": "hello\n",
    }.items():
        bench.write(f"{name}.yaml", text)
        bench.run("validate", f"{name}.yaml", code=3)
    bench.write("two.yaml", fleet(1) + "---\n" + fleet(1, first=2))
    bench.apply("two.yaml", code=0)
    assert live_chargers(bench.world) == ["CP-001", "CP-002"]


def test_row_81_files_that_are_not_there(bench: Bench) -> None:
    """Less input is never less desired state: every path must give a document, and an unreadable one stops everything."""
    bench.world.add("acme", "charger", identity="CP-9")
    bench.write("good.yaml", "tenant: acme\npolicy: {exclusive: [charger]}\n")
    bench.write("empty/readme.txt", "no YAML here")
    for path in ("missing.yaml", "missing/", "*.yml", "empty"):
        bench.apply("good.yaml", path, "--prune", code=3)
    bench.write("folder/good.yml", fleet(1))
    (bench.folder / "folder" / "dangling.yaml").symlink_to("nowhere")
    bench.apply("folder", code=3)
    (bench.folder / "folder" / "dangling.yaml").unlink()
    os.mkfifo(bench.folder / "folder" / "fifo.yaml")
    bench.apply("folder", code=3)
    assert bench.server.log == []


def test_row_82_the_same_object_in_two_files(bench: Bench) -> None:
    """Both places are named."""
    bench.write("conf/a.yaml", fleet(2))
    bench.write("conf/b.yaml", fleet(2, first=2))
    ran = bench.plan("conf", code=3)
    assert "conf/a.yaml:4:" in ran.text and "conf/b.yaml:3:" in ran.text and bench.server.log == []


def test_row_83_control_characters_in_names(bench: Bench) -> None:
    """Escapes that YAML lets through are refused in names, and shown escaped where the API has them."""
    escapes = [
        r"\e[31m",
        r"\0",
        r"\a",
        r"\u009b",
        r"\u202e",
        r"\u2066",
        r"\u200b",
        r"\u2028",
        r"\x7f",
        r"\n",
        r"\ud800",
    ]
    files = {f"e{n}": f'tenant: acme\nchargers: [{{identity: "X{e}Y"}}]\n' for n, e in enumerate(escapes)}
    files |= {f"d{n}": f'tenant: acme\ncpms: [{{displayName: "X{e}Y"}}]\n' for n, e in enumerate(escapes)}
    ran = refused(bench, files)
    assert not any(char in ran.text for char in STEERING)
    bench.write("corpus/x.yaml", "tenant: acme\n")
    text = bench.run("validate", "corpus", code=3).text
    assert not any(char in text for char in STEERING)


# ------------------------------------------------------------------------------------------------------- text that steers


HOSTILE = {
    "ansi": "a\x1b[2J\x1b]0;title\x07\r\x08b\x9b31mc\x00d\x7f",
    "markup": "[/foo][link=https://evil.example.com]x[bold]",
    "bidi": "x\u202egpj.exe\u2066",
    "commands": "x\n::error file=x::pwned\r::set-output name=a::b\n##[error]pwned\n##vso[task.x]y\n##teamcity[x]",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """All that is printed when live objects have these names, in every way that names are shown."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "home").mkdir()
    mine, gone = [], []
    with fs.serving(World(("acme",), TOKEN)) as server:
        bench, world = Bench(folder, server), server.world
        for what, name in HOSTILE.items():
            world.add("acme", "cpms", displayName=name)
            world.add("acme", "charger", identity=name)
            world.add("acme", "charger", identity=f"MINE-{what}", displayName=name)
            bench.may_delete.add(world.add("acme", "charger", identity=f"GONE-{what}", displayName=name))
            mine.append(f"{{identity: MINE-{what}, displayName: Mine, profileId: 1}}")
            gone.append(f"{{charger: GONE-{what}}}")
        world.edit("acme", "tenant", "acme", name="".join(HOSTILE.values()))
        entries = f"name: Acme\ncpms: []\nchargers: [{', '.join(mine)}]\nremoved: [{', '.join(gone)}]\n"
        bench.write("exolink.yaml", f"tenant: acme\n{entries}")
        texts = [bench.plan("--show-unmanaged", "--full").text]
        error = json.dumps({"error": "".join(HOSTILE.values())}).encode()
        server.on(fs.writes, fs.answer(422, fs.JSON, error))
        texts.append(bench.apply("--allow-deletes", "4", code=5).text)
        server.heal()
        texts += [bench.plan("--out", "saved.plan").text, bench.run("show", "saved.plan", code=(0, 3)).text]
        texts += [bench.apply("--allow-deletes", "4", code=0).text, bench.run("export", "acme", code=0).text]
        bench.judge()
        yield "\n".join(texts)


def test_row_84_ansi_in_live_names(shown: str) -> None:
    """Nothing that the API calls itself moves a cursor or clears a screen; it is shown, escaped."""
    assert not any(char in shown for char in STEERING)
    assert "\\x1b" in shown


def test_row_85_markup_in_names(shown: str) -> None:
    """Square brackets are text."""
    assert shown.count(HOSTILE["markup"]) >= 5


def test_row_86_bidi(shown: str) -> None:
    """An override is shown as what it is."""
    assert "\\u202e" in shown and "\u202e" not in shown and "\u2066" not in shown


def test_row_87_commands_to_a_ci_runner(shown: str) -> None:
    """Whatever the name, no line of ours is one that a runner obeys."""
    assert not RUNNER_COMMAND.search(shown), shown
    assert shown.count("pwned") >= 5


def markdown(bench: Bench, name: str) -> str | None:
    """The plan in Markdown, with this name in it; None as long as there is no Markdown (then it is refused)."""
    if "markdown" not in bench.run("plan", "--help").out:
        bench.write("exolink.yaml", fleet(1))
        bench.plan("--format", "markdown", code=3)
        return None
    bench.world.add("acme", "charger", identity="CP-001", displayName=name)
    bench.world.add("acme", "cpms", displayName=f"{name} too")
    bench.write("exolink.yaml", fleet(1))
    return bench.plan("--format", "markdown", "--show-unmanaged").out


def outside_fences(text: str) -> str:
    """What a Markdown reader takes for Markdown."""
    outside, fence = [], ""
    for line in text.splitlines():
        ticks = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if not fence:
            outside.append(line)
            fence = ticks.group(1) if ticks else ""
        elif ticks and ticks.group(1)[0] == fence[0] and len(ticks.group(1)) >= len(fence) and not line.strip(" `~"):
            fence = ""
    return "\n".join(outside)


def test_row_88_markdown_and_html(bench: Bench) -> None:
    """Names stand in a fence that they cannot close; outside of it there is nothing of theirs."""
    text = markdown(bench, "```` | <img src=x onerror=a()> </details> [l](http://evil) **b** `c`")
    if text is not None:
        assert not re.search("<img|evil|onerror", outside_fences(text)), text


def test_row_89_mentions(bench: Bench) -> None:
    """No mention, no reference, no closing word, also where a mail flattens the fence."""
    text = markdown(bench, "@octocat Fixes #1 GH-2 @org/team")
    if text is not None:
        assert not re.search(r"@\w|#\d", text), text


def test_row_90_the_marker_of_the_sticky_comment(bench: Bench) -> None:
    """A name cannot pose as the marker by which our own comment is found."""
    text = markdown(bench, "<!-- exolink-reconcile -->")
    if text is not None:
        assert "<!-- exolink-reconcile -->" not in outside_fences(text.split("\n", 1)[1])


# ---------------------------------------------------------------------------------------------------------------- secrets

SECRET_URL = "wss://ops:${env:BENCH_PASSWORD}@a.example.com/p?token=${env:BENCH_PASSWORD}"


def test_row_91_a_password_in_a_url(bench: Bench) -> None:
    """Compared and sent; shown as `***`; never in plan, JSON, state, audit or error."""
    old = bench.world.add(
        "acme", "cpms", displayName="A", url=f"wss://ops:old{PASSWORD}@a.example.com/p?token=x{PASSWORD}"
    )
    bench.write("exolink.yaml", f"tenant: acme\ncpms: [{{displayName: A, url: '{SECRET_URL}', interval: 30}}]\n")
    texts = [bench.plan("--detailed-exitcode", "--out", "saved.plan", code=2), bench.plan("--format", "json")]
    texts.append(bench.run("show", "saved.plan", code=(0, 3)))
    bench.server.on(
        fs.writes, fs.answer(422, fs.JSON, f'{{"error": "bad url wss://ops:{PASSWORD}@a/"}}'.encode()), times=1
    )
    texts += [bench.apply(code=5), bench.apply("--format", "json", code=0), bench.run("export", "acme", code=0)]
    assert bench.world.row("acme", "cpms", old)["url"] == SECRET_URL.replace("${env:BENCH_PASSWORD}", PASSWORD)
    assert all(PASSWORD not in ran.text for ran in texts) and "***" in texts[0].out
    bench.empty()
    bench.judge()  # the files


def test_row_92_a_token_with_a_line_break(bench: Bench) -> None:
    """One trailing line break is dropped; anything else is refused without showing a part of it, 10."""
    bench.write("exolink.yaml", fleet(1))
    bench.write("token", (TOKEN + "\n").encode())
    bench.plan("--token-file", "token", code=0)
    begun = len(bench.server.log)
    for number, token in enumerate(("hush\nhush", "hush hush", "hush\x1b", "hüsh", "")):
        bench.write(f"token{number}", token.encode())
        ran = bench.plan("--token-file", f"token{number}", code=10)
        assert "hush" not in ran.text and "hüsh" not in ran.text
    assert len(bench.server.log) == begun


def test_row_93_tracebacks_and_logs(bench: Bench) -> None:
    """With every logger at its loudest, and on every kind of failure, the token is shown nowhere."""
    code = "import logging\nlogging.basicConfig(level=1)\nlogging.captureWarnings(True)\n"
    env = bench.patch(code) | {"PYTHONDEVMODE": "1", "HTTPX_LOG_LEVEL": "trace", "SSLKEYLOGFILE": ""}
    entry = f"tenant: acme\ncpms: [{{displayName: A, url: '{SECRET_URL}', interval: 30}}]\n"
    bench.write("exolink.yaml", entry)
    for fault in (fs.reset_before, fs.no_http, fs.page(), fs.answer(401, fs.JSON, f'{{"error": "{TOKEN}"}}'.encode())):
        bench.server.heal()
        bench.server.on(fs.lists, fault)
        ran = bench.start("apply", "--auto-approve", env=env).finish()
        assert TOKEN not in ran.text and PASSWORD not in ran.text, ran.report
    bench.server.heal()
    ran = bench.start("apply", "--auto-approve", env=env).finish()
    assert ran.code == 0 and TOKEN not in ran.text and PASSWORD not in ran.text, ran.report


def test_row_94_cassettes() -> None:
    """No recording in this repository holds a token, a cookie or a password of anybody."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout.split(
        b"\0"
    )
    recordings = [path for path in map(os.fsdecode, listed) if re.search(r"cassette|\.har$|recording", path)]
    for path in recordings:
        if Path(path).suffix not in (".py", ".md") and (REPOSITORY / path).exists():
            octets = (REPOSITORY / path).read_bytes()
            assert set(re.findall(rb"(?i)bearer ([\w.~+/-]+)", octets)) <= {b"documented-token"}, path
            assert not re.search(rb"(?i)cookie|x-api-key", octets), path


def test_row_95_secrets_in_git(bench: Bench) -> None:
    """`${env:NAME}` keeps a secret out of the files: validate needs no variable, plan does, and it is never shown."""
    bench.write("exolink.yaml", f"tenant: acme\ncpms: [{{displayName: A, url: '{SECRET_URL}', interval: 30}}]\n")
    bench.run("validate", "exolink.yaml", code=0, env={"BENCH_PASSWORD": None})
    ran = bench.plan(code=3, env={"BENCH_PASSWORD": None})
    assert "BENCH_PASSWORD" in ran.text and bench.server.log == []
    assert PASSWORD not in bench.plan(code=0).text
    bench.world.add("acme", "cpms", displayName="B", url=f"wss://u:{PASSWORD}@b.example.com/", interval=1)
    exported = bench.run("export", "acme", code=0)
    assert "${env:" in exported.out and PASSWORD not in exported.text


def test_row_96_a_reference_to_nothing(bench: Bench) -> None:
    """Unset or empty is 3, with the variable and the place; other references are refused; `$${` is a literal."""
    url = "tenant: acme\ncpms: [{{displayName: A, url: 'wss://u:{}@a.example.com/', interval: 30}}]\n"
    bench.write("exolink.yaml", url.format("${env:HUSH}"))
    for value in (None, ""):
        ran = bench.plan(code=3, env={"HUSH": value})
        assert "HUSH" in ran.text and "exolink.yaml:2:" in ran.text
    for wrong in ("${HUSH}", "${env:}", "${file:/etc/passwd}", "${env:HUSH:-x}", "${env:HUSH"):
        bench.write("exolink.yaml", url.format(wrong))
        bench.plan(code=3, env={"HUSH": "x"})
    assert bench.server.log == []
    bench.write("exolink.yaml", "tenant: acme\nname: $${env:HUSH}\n")
    bench.apply(code=0)
    assert bench.world.rows("acme", "tenant")[0]["name"] == "${env:HUSH}"

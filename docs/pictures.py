"""The pictures of README and site, from what the tool really shows: `make pictures`.

A terminal is drawn as SVG, character by character, from what a pseudoterminal got; a test holds each against what the tool
prints now. The page and the comment of the same plan are photographed in Chromium.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pexpect

PICTURES = Path(__file__).resolve().parent / "pictures"
COLUMNS = 100
APPLIED = """\
tenant: acme
profiles: {standard: 1, night: 2}
defaults:
  chargers: {profile: standard}
cpms:
  - {displayName: Primary, url: wss://cpms.example.com/ocpp, interval: 60}
chargers:
  - {identity: LOBBY-1, displayName: Lobby left}
  - {identity: LOBBY-2, displayName: Lobby right}
  - {identity: OLD-7, displayName: Old yard}
""" + "".join(f"  - {{identity: DEPOT-{n:02}, displayName: Depot {n}}}\n" for n in range(1, 25))
BY_HAND = APPLIED.replace("Lobby left", "Lobby by the stairs")
WANTED = (
    APPLIED.replace("interval: 60", "interval: 30")
    .replace("  - {identity: OLD-7, displayName: Old yard}\n", "")
    .replace("Lobby right}", "Lobby right, profile: night}")
    + "  - {identity: LOBBY-3, displayName: Lobby by the door}\n"
    + 'removed:\n  - {charger: OLD-7, reason: "yard closed, OPS-123"}\n'
)
WANTED = re.sub(r"(displayName: Depot \d+)\}", r"\1, profile: night}", WANTED)
MISTAKES = """\
tenant: acme
profiles: {standard: 1, night: 2}
defaults:
  chargers: {profile: standard}
cpms:
  - {displayName: Primary, url: "https://cpms.example.com/ocpp", intervall: 60}
chargers:
  - {identity: CP-0001, displayName: Lobby left, profile: nigth}
  - {identity: CP-0001, displayName: Lobby right}
"""


def screens() -> Iterator[tuple[str, str]]:
    """The names of the pictures of terminals, and what a terminal gets, escapes included."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        prepare(at)
        yield "plan", _screen(at, "plan", "--out", "plan.json")
        (at / "exolink.yaml").write_text(MISTAKES, "utf-8")
        yield "errors", _screen(at, "validate")


def prepare(folder: Path) -> None:
    """A folder where a plan shows everything: an edit, drift, a delete, and something that is held back."""
    for text, state in ((APPLIED, "state"), (BY_HAND, "another")):
        (folder / "exolink.yaml").write_text(text, "utf-8")
        subprocess.run(
            [*_TOOL, "apply", "--auto-approve"],
            cwd=folder,
            env=_environment(folder) | {"EXOLINK_STATE": state},
            capture_output=True,
            check=True,
        )
    (folder / "exolink.yaml").write_text(WANTED, "utf-8")


_TOOL = (sys.executable, "-m", "exolink_reconcile")


def _environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "EXOLINK_API_URL": "emulator:live.db",
        "EXOLINK_STATE": "state",
        "EXOLINK_PARALLELISM": "1",  # so that ids, and with them the digest, are the same each time
    }


def _screen(folder: Path, *arguments: str) -> str:
    child = pexpect.spawn(
        _TOOL[0],
        [*_TOOL[1:], *arguments],
        cwd=str(folder),
        env=_environment(folder),
        encoding="utf-8",
        timeout=60,
        dimensions=(60, COLUMNS),
    )
    child.expect(pexpect.EOF)
    child.close()
    lines = str(child.before).replace("\r\n", "\n").rstrip("\n").split("\n")
    last_drawn = [line.rpartition("\r")[2].removeprefix("\x1b[K") for line in lines]
    return "\n".join([f"\x1b[1m$ exolink-reconcile {' '.join(arguments)}\x1b[0m", *last_drawn])


# ---------------------------------------------------------------------------------------------------- a terminal as SVG

_WIDTH, _HEIGHT, _MARGIN, _BAR = 8.4, 19, 16, 34
_COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "35": "#d2a8ff", "36": "#79c0ff"}
_ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
_STYLE = "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;white-space:pre}"


class _Run(NamedTuple):
    column: int
    text: str
    codes: tuple[str, ...]


def svg(screen: str, title: str) -> str:
    """A terminal with this on it."""
    lines = screen.split("\n")
    width = round(COLUMNS * _WIDTH + 2 * _MARGIN)
    height = len(lines) * _HEIGHT + _BAR + _MARGIN
    dots = "".join(
        f'<circle cx="{20 + 18 * n}" cy="17" r="5.5" fill="{c}"/>'
        for n, c in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    rows = "".join(_row(line, _BAR + (number + 1) * _HEIGHT - 5) for number, line in enumerate(lines))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>{dots}\n{rows}</svg>\n'
    )


def text_of(drawing: str) -> str:
    """What a picture of a terminal says, a line a row, without blanks at the ends."""
    rows = re.findall(r"<text [^>]*>(.*?)</text>", drawing)
    return "\n".join(html.unescape(re.sub(r"<[^>]*>", "", row)).rstrip() for row in rows)


def _row(line: str, y: int) -> str:
    spans = "".join(_span(run) for run in _runs(line))
    return f'<text y="{y}" xml:space="preserve">{spans}</text>\n'


def _runs(line: str) -> Iterator[_Run]:
    """Pieces of one look. What stands before an escape has the look of the one before it."""
    codes: tuple[str, ...] = ()
    column = place = 0
    for escape in [*_ESCAPE.finditer(line), None]:
        text = line[place : escape.start() if escape else len(line)]
        if text:
            yield _Run(column, text, codes)
        column += len(text)
        if escape:
            place = escape.end()
            codes = tuple(code for code in escape[1].split(";") if code not in ("", "0"))


def _span(run: _Run) -> str:
    """A piece at its column, as wide as in a terminal whatever the font."""
    looks = [f'fill="{_COLOURS[code]}"' for code in run.codes if code in _COLOURS]
    looks += ['font-weight="700"'] if "1" in run.codes else []
    looks += ['fill-opacity=".6"'] if "2" in run.codes else []
    x, length = _MARGIN + run.column * _WIDTH, len(run.text) * _WIDTH
    return f'<tspan x="{x:.1f}" textLength="{length:.1f}" {" ".join(looks)}>{html.escape(run.text)}</tspan>'


# ------------------------------------------------------------------------------------------------- pages as photographs

_COMMENT = """<!doctype html><meta charset="utf-8"><style>
body{font:14px/1.5 -apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif;color:#1f2328;margin:0;padding:24px;background:#fff}
.box{border:1px solid #d1d9e0;border-radius:6px;max-width:900px}
.head{background:#f6f8fa;border-bottom:1px solid #d1d9e0;padding:8px 16px;border-radius:6px 6px 0 0;color:#59636e}.head b{color:#1f2328}
.body{padding:16px}h3{font-size:20px;margin:0 0 16px}h4{margin:24px 0 16px;font-size:16px}p{margin:0 0 16px}
pre{background:#f6f8fa;padding:16px;border-radius:6px;overflow:hidden;font-size:12px;line-height:1.45;margin:0 0 16px}
code{font-family:ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12px;background:#818b981f;padding:.2em .4em;border-radius:6px}
pre code{background:none;padding:0}blockquote{margin:0 0 16px;padding:0 1em;color:#59636e;border-left:.25em solid #d1d9e0}
.add{background:#dafbe1;color:#116329;display:block}.del{background:#ffebe9;color:#82071e;display:block}
.chg{background:#ffd8b5;color:#953800;display:block}
</style><div class=box><div class=head><b>github-actions</b> commented on this pull request</div><div class=body>BODY</div></div>"""


def photograph(folder: Path) -> None:
    """The page and the comment of the plan, as PNG; beside each the words on it, by which a test sees that it is stale."""
    for name, source in sources(folder):
        page = folder / f"{name}.html"
        page.write_text(source, "utf-8")
        _shoot(page, PICTURES / f"{name}.png", HEIGHTS[name])
        (PICTURES / f"{name}.txt").write_text(words(source), "utf-8")


def sources(folder: Path) -> Iterator[tuple[str, str]]:
    """The names of the photographs, and the HTML of each."""
    prepare(folder)
    origin = ("--link-base", "https://github.com/acme/fleet/blob/4f2c9d1", "--provenance", "commit=4f2c9d1", "--provenance", "who=jo")  # fmt: skip
    yield "page", _out(folder, "plan", "--format", "html", *origin).decode()
    yield "comment", _COMMENT.replace("BODY", _rendered(_out(folder, "plan", "--format", "markdown").decode()))


def words(source: str) -> str:
    """What a page says, a line a piece of text: neither its looks nor the version of the tool."""
    pieces = re.split(r"<[^>]*>", re.sub(r"(?s)<(script|style)\b.*?</\1>|<!--.*?-->", "", source))
    text = "\n".join(filter(None, (html.unescape(piece).strip() for piece in pieces)))
    return re.sub(r"(exolink-reconcile) \d+\.\d+\.\S+", r"\1", text) + "\n"


def _out(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run([*_TOOL, *arguments], cwd=folder, env=_environment(folder), capture_output=True, check=True)
    return done.stdout


def _rendered(markdown: str) -> str:
    """The Markdown as GitHub renders it, with its colours of diffs."""
    import cmarkgfm

    def coloured(block: re.Match[str]) -> str:
        names = {"+": "add", "-": "del", "!": "chg"}
        lines = [
            f'<span class="{names[line[0]]}">{line}</span>' if line[:1] in names else f"{line}\n"
            for line in block[2].rstrip("\n").split("\n")
        ]
        return block[1] + "".join(lines) + block[3]

    rendered: str = cmarkgfm.github_flavored_markdown_to_html(markdown)
    return re.sub(r'(<pre lang="diff"><code>)(.*?)(</code></pre>)', coloured, rendered, flags=re.DOTALL)


def _shoot(page: Path, picture: Path, height: int) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        sys.exit("no chromium here: apt-get install chromium")
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={page.parent}/profile",
         f"--window-size=980,{height}", f"--screenshot={picture}", page.as_uri()],
        check=True, capture_output=True,
    )  # fmt: skip


TITLES = {
    "plan": "A plan in a terminal: what is held back, a delete, updates, a create, and what another hand changed",
    "errors": "Four mistakes in a file, each with its line, the place underlined, and what was probably meant",
}


HEIGHTS = {"page": 900, "comment": 960}


def main() -> None:
    """Draw all of them."""
    for name, screen in screens():
        (PICTURES / f"{name}.svg").write_text(svg(screen, TITLES[name]), "utf-8")
    with tempfile.TemporaryDirectory() as folder:
        photograph(Path(folder))


if __name__ == "__main__":
    main()

"""Each goal to what was measured for it. A row that a user can ask for by name; several results each."""

import functools
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fleet, measuring, peers
from benchmarks.measuring import PYTHON, TOOL, Api, Command, Measured

LATENCY_MS = 20
WORKERS = 16
# Outside of the work tree: a state folder inside of one is refused.
STATE = Path(tempfile.gettempdir()) / f"exolink-bench-{os.getuid()}"


@dataclass(frozen=True)
class Size:
    """How much of everything: the full run, or one to try things out."""

    small: int = 10_000
    large: int = 100_000
    creates: tuple[int, ...] = (1_000, 10_000)
    rounds: int = 5
    peer_rounds: int = 5
    quick: bool = False


FULL = Size()
QUICK = Size(small=1_000, large=10_000, creates=(200,), rounds=3, peer_rounds=1, quick=True)


@dataclass(frozen=True)
class Result:
    """One line of the table. `ratio` and `limit` are what the verdict compares; None where nothing was measured."""

    work: str
    goal: str
    figures: str
    ratio: float | None
    limit: float = 0.0
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """pass, miss, or why there is neither."""
        if self.ratio is None:
            return "not measured"
        if not self.goal:
            return "no goal"
        return "pass" if self.ratio <= self.limit else "**miss**"

    @property
    def shown(self) -> str:
        """The ratio as people read it; below one as a fraction."""
        if self.ratio is None:
            return "-"
        if self.unit == "MiB":
            return f"{self.ratio:.0f} MiB"
        if self.unit == "":
            return f"{self.ratio:.0f}"
        return f"1/{1 / self.ratio:.1f}" if 0 < self.ratio < 0.2 else f"{self.ratio:.2f} x"


# ---------------------------------------------------------------------------------------------------------- commands


def plan(name: str, api: Api, folder: Path, *options: str, says: str) -> Command:
    """A plan whose output has these words, with or without commas in its numbers."""
    return Command(
        name,
        [TOOL, "plan", str(folder / "exolink.yaml"), "--api-url", api.url, "--state", str(STATE / "none"), *options],
        lambda code, out, err: code == 0 and says.replace(",", "") in out.replace(",", ""),
    )


def floor(api: Api, folder: Path, style: str, changed: int) -> Command:
    """What a plan cannot avoid, by stage."""
    return Command(
        f"floor, {style}",
        [PYTHON, "-m", "benchmarks.floor", str(folder / "exolink.yaml"), f"{api.url}/tenant/{fleet.TENANT}/charger", style],
        lambda code, out, err: code == 0 and err.count("~ CP-") == changed,
        after=json.loads,
        read_output=True,
    )  # fmt: skip


def sentence(changed: int) -> str:
    """What a text plan says at its end."""
    if not changed:
        return "No changes. Your infrastructure matches the configuration."
    return f"Plan: 0 to add, {changed} to change, 0 to destroy."


def offers(option: str) -> bool:
    """Whether `plan` takes this word for --format."""
    shown = subprocess.run(
        [TOOL, "plan", "--help"], check=False, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}
    ).stdout
    return option in shown.partition("--format")[2].partition("]")[0]


def figures(*found: Measured) -> str:
    """The medians, with how far the runs went."""
    return "; ".join(f"{each.name} {each.seconds:.3g} s ({each.spread})" for each in found)


# -------------------------------------------------------------------------------------------------------------- rows


def against_peers(size: Size) -> list[Result]:
    """A plan without a change, beside Terraform and octoDNS on equal counts."""
    count = size.small
    folder = fleet.ensure(count)
    results = []
    with measuring.api(charger=folder / "same.json") as api:
        ours = plan("ours", api, folder, says=sentence(0))
        for name, make, share in (("Terraform", peers.terraform, 25), ("octoDNS", peers.octodns, 8)):
            work, goal = f"plan, {count:,} chargers, no change, against {name}", f"<= 1/{share}"
            if name in peers.missing():
                results.append(Result(work, goal, f"{name} is not installed", None))
                continue
            us, them = measuring.in_turn([ours, make(count)], size.peer_rounds, warm=not size.quick)
            both = f"{figures(us, them)}; processor time 1/{sum(them.processor) / sum(us.processor):.0f}; peak {us.mebibytes:.0f} and {them.mebibytes:.0f} MiB"
            results.append(Result(work, goal, both, us.seconds / them.seconds, 1 / share))
    return results


def against_floor(size: Size) -> list[Result]:
    """A plan with 1 % changed, beside what it cannot avoid; its memory; with profiles by number and by name."""
    results = []
    for style in fleet.STYLES:
        folder = fleet.ensure(size.large, style)
        changed = size.large // 100
        with measuring.api(charger=folder / "percent.json") as api:
            ours, least = measuring.in_turn(
                [
                    plan("ours", api, folder, "--full", says=sentence(changed)),
                    floor(api, folder, style, changed),
                ],
                size.rounds,
            )
        fields = "profileId in each entry" if style == "plain" else "profiles by name, one by default"
        work = f"plan, {size.large:,} chargers, 1 % changed, {fields}"
        more = f"{figures(ours, least)}; processor time {sum(ours.processor) / sum(least.processor):.2f} x"
        results.append(
            Result(f"{work}, against the summed floor", "<= 1.25 x", more, ours.seconds / least.seconds, 1.25)
        )
        memory = f"floor {least.mebibytes:.0f} MiB"
        results.append(Result(f"{work}, peak memory", "<= 450 MiB", memory, ours.mebibytes, 450, "MiB"))
        print(stages(least))
    return results


def stages(measured: Measured) -> str:
    """The floor, stage by stage: medians, and what the interpreter took beside them."""
    runs: list[Mapping[str, float]] = [each for each in measured.kept if isinstance(each, dict)]
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    rest = statistics.median(wall - sum(run.values()) for wall, run in zip(measured.wall, runs, strict=True))
    parts = ", ".join(f"{name} {seconds:.3f}" for name, seconds in {"interpreter": rest, **middle}.items())
    return f"  {measured.name}, seconds: {parts}"


def growth(size: Size) -> list[Result]:
    """Ten times the chargers."""
    small_list, large_list = (fleet.ensure(count) / "percent.json" for count in (size.small, size.large))
    with measuring.api(charger=small_list) as small, measuring.api(charger=large_list) as large:
        less, more = measuring.in_turn(
            [
                plan(f"{count:,}", api, fleet.ensure(count), says=sentence(count // 100))
                for count, api in ((size.small, small), (size.large, large))
            ],
            size.rounds,
        )
    work = f"plan, 1 % changed, from {size.small:,} to {size.large:,} chargers"
    return [Result(work, "<= 10 x", figures(less, more), more.seconds / less.seconds, 10)]


def everything(size: Size) -> list[Result]:
    """Every charger changed, each in its own way so that nothing folds, in every format."""
    folder = fleet.ensure(size.large)
    formats = [name for name in ("text", "json", "markdown") if name == "text" or offers(name)]
    changed = {"text": sentence(size.large), "json": fleet.identity(size.large), "markdown": f"{size.large}"}
    with measuring.api(charger=folder / "percent.json") as percent, measuring.api(charger=folder / "all.json") as every:
        commands = [plan("1 %, text", percent, folder, says=sentence(size.large // 100))]
        commands += [plan(f"all, {name}", every, folder, "--format", name, says=changed[name]) for name in formats]
        base, *found = measuring.in_turn(commands, size.rounds)
    results = []
    for name in ("text", "json", "markdown"):
        work = f"plan, all {size.large:,} changed, {name}"
        if name not in formats:
            results.append(Result(work, "<= 2 x the 1 % plan", "not yet: plan has no such format", None))
            continue
        each = found[formats.index(name)]
        results.append(Result(work, "<= 2 x the 1 % plan", figures(each, base), each.seconds / base.seconds, 2))
        results.append(Result(f"{work}, peak memory", "<= 700 MiB", "", each.mebibytes, 700, "MiB"))
    return results


def apply(size: Size) -> list[Result]:
    """N creates at a latency, journal and canary on: the part from the first write to the last answer, and the whole command."""
    results = []
    for count in size.creates:
        folder = fleet.ensure(count)
        least = count * LATENCY_MS / 1000 / WORKERS
        ours, raw = Measured("ours"), Measured("bare sockets")
        for _ in range(size.rounds):
            with measuring.api(LATENCY_MS) as api:
                measuring.once(_apply(api, folder, count), ours)
            with measuring.api(LATENCY_MS) as api:
                measuring.once(_raw(api, count), raw)
        window = statistics.median(float(str(each)) for each in ours.kept)
        bare = statistics.median(float(str(each)) for each in raw.kept)
        work = f"apply, {count:,} creates at {LATENCY_MS} ms, {WORKERS} workers"
        more = (
            f"{window:.3f} s of {least:.3f} s; bare sockets {bare:.3f} s, so {window / bare:.2f} x of them;"
            f" n={size.rounds}; processor time {statistics.median(ours.processor):.2f} s"
        )
        results.append(Result(f"{work}, first write to last answer", "<= 1.15 x N*L/c", more, window / least, 1.15))
        whole = figures(ours) + f"; it reads files, plans and verifies too; peak {ours.mebibytes:.0f} MiB"
        results.append(Result(f"{work}, the whole command beside N*L/c", "", whole, ours.seconds / least))
    return results


def _apply(api: Api, folder: Path, count: int) -> Command:
    state = STATE / "apply"

    def check(code: int, out: str, err: str) -> bool:
        return code == 0 and f"Apply complete! Resources: {count} added, 0 changed, 0 destroyed." in out

    return Command(
        "ours",
        [TOOL, "apply", str(folder / "exolink.yaml"), "--api-url", api.url, "--state", str(state), "--auto-approve",
         "--parallelism", str(WORKERS)],
        check, before=lambda: shutil.rmtree(state, ignore_errors=True), after=lambda out: api.window(),
    )  # fmt: skip


def _raw(api: Api, count: int) -> Command:
    arguments = [PYTHON, "-m", "benchmarks.raw_client", str(api.port), str(count), str(WORKERS)]
    return Command("bare sockets", arguments, before=api.reset, after=lambda out: api.window())


def requests(size: Size) -> list[Result]:
    """How often each path is asked for, by a plan and by an apply with creates, updates and deletes."""
    live, creates, updates, deletes = 400, 100, 100, 40
    folder = fleet.CACHE / "requests"
    folder.mkdir(parents=True, exist_ok=True)
    _write_mix(folder, live, creates, updates, deletes)
    budget = ["--allow-deletes", str(deletes)]
    words = f"Plan: {creates} to add, {updates} to change, {deletes} to destroy."
    with measuring.api(charger=folder / "charger.json", cpms=folder / "cpms.json") as api:
        measuring.once(plan("plan", api, folder, *budget, says=words), Measured("plan"))
        planned = api.counts()
        api.reset()
        state = STATE / "requests"
        shutil.rmtree(state, ignore_errors=True)
        arguments = [
            TOOL,
            "apply",
            str(folder / "exolink.yaml"),
            "--api-url",
            api.url,
            "--state",
            str(state),
            "--auto-approve",
            *budget,
        ]
        measuring.once(
            Command("apply", arguments, lambda code, out, err: code == 0 and "Apply complete!" in out),
            Measured("apply"),
        )
        applied = api.counts()
    return [*_plan_requests(planned), *_apply_requests(applied, creates, updates, deletes)]


def _plan_requests(counts: Mapping[str, int]) -> list[Result]:
    allowed = {
        f"GET /tenant/{fleet.TENANT}": 1,
        f"GET /tenant/{fleet.TENANT}/charger": 1,
        f"GET /tenant/{fleet.TENANT}/cpms": 1,
    }
    extra = Counter(counts)
    extra.subtract(allowed)
    over = sum(count for count in extra.values() if count > 0)
    shown = ", ".join(f"{path} {count}" for path, count in sorted(counts.items()))
    return [Result("requests of a plan beyond one list a (tenant, kind) and one get a tenant", "0", shown, over, 0, "")]


def _apply_requests(counts: Mapping[str, int], creates: int, updates: int, deletes: int) -> list[Result]:
    """Two waves touch chargers: creates with updates, then deletes."""
    seen: Counter[str] = Counter()
    for path, count in counts.items():
        method, _, rest = path.partition(" ")
        parts = rest.split("/")[2:]
        seen[f"{method} {parts[1] if len(parts) > 1 else 'tenant'}{' item' if len(parts) > 2 else ''}"] += count
    allowed = {
        "GET tenant": 1,
        "GET cpms": 1,
        "POST charger": creates,
        "PUT charger item": updates,
        "DELETE charger item": deletes,
        "GET charger item": updates + deletes,
        # the plan; each of two waves, and the look back after each of its first two stages
        "GET charger": 1 + (1 + 2) + (1 + 2),
    }
    results = []
    for what in sorted({*allowed, *seen}):
        results.append(
            Result(
                f"requests of an apply: {what}", f"<= {allowed.get(what, 0)}", "", seen[what], allowed.get(what, 0), ""
            )
        )
    return results


def _write_mix(folder: Path, live: int, creates: int, updates: int, deletes: int) -> None:
    """The first rows are to go, the next to change, and beyond the live ones some are to come."""
    rows = [
        {
            "id": n,
            "identity": fleet.identity(n),
            "displayName": fleet.display_name(n),
            "profileId": 1,
            "deletedAt": None,
        }
        for n in range(1, live + 1)
    ]
    backend = {"id": 1, "displayName": "Primary", "url": "wss://cpms.example.com/", "interval": 30, "deletedAt": None}
    (folder / "charger.json").write_text(json.dumps(rows))
    (folder / "cpms.json").write_text(json.dumps([backend]))
    lines = [
        f"tenant: {fleet.TENANT}",
        "cpms:",
        "  - {displayName: Primary, url: wss://cpms.example.com/, interval: 30}",
        "chargers:",
    ]
    for n in range(deletes + 1, live + creates + 1):
        profile = 2 if n <= deletes + updates else 1
        lines.append(
            f"  - {{identity: {fleet.identity(n)}, displayName: {fleet.display_name(n)}, profileId: {profile}}}"
        )
    lines += ["removed:", *(f"  - {{charger: {fleet.identity(n)}}}" for n in range(1, deletes + 1))]
    (folder / "exolink.yaml").write_text("\n".join(lines) + "\n")


def start_up(size: Size) -> list[Result]:
    """`--version` and `--help`."""
    rounds = max(15, size.rounds)
    bare, version, click, help_ = measuring.in_turn(
        [
            Command("python -c pass", [PYTHON, "-c", "pass"]),
            Command("--version", [TOOL, "--version"], lambda code, out, err: code == 0 and "exolink-reconcile" in out),
            Command("import click", [PYTHON, "-c", "import click"]),
            Command("--help", [TOOL, "--help"], lambda code, out, err: code == 0 and "apply" in out),
        ],
        rounds,
    )
    return [
        Result(
            "--version against the bare interpreter",
            "<= 1.5 x",
            figures(version, bare),
            version.seconds / bare.seconds,
            1.5,
        ),
        Result("--help against `import click`", "<= 1.5 x", figures(help_, click), help_.seconds / click.seconds, 1.5),
    ]


def many_files(size: Size) -> list[Result]:
    """The same fleet in one file and in many."""
    folder = fleet.ensure(size.large)
    files = size.large // 100
    parts = fleet.split(folder, files)
    with measuring.api(charger=folder / "percent.json") as api:
        one = plan("one file", api, folder, says=sentence(size.large // 100))
        arguments = [str(parts) if each == str(folder / "exolink.yaml") else each for each in one.arguments]
        many = Command(f"{files:,} files", arguments, one.check)
        each, base = measuring.in_turn([many, one], size.rounds)
    work = f"plan, {size.large:,} chargers, 1 % changed, in {files:,} files against one"
    return [Result(work, "<= 1.1 x", figures(each, base), each.seconds / base.seconds, 1.1)]


def bad_line(size: Size) -> list[Result]:
    """One bad line: found, with line and column."""
    results = []
    for style in fleet.STYLES:
        folder = fleet.ensure(size.large, style)
        place = f"bad.yaml:{(folder / 'bad.txt').read_text()}"
        good, bad = measuring.in_turn(
            [
                Command(
                    "good",
                    [TOOL, "validate", str(folder / "exolink.yaml")],
                    lambda code, out, err: code == 0 and "Success!" in out,
                ),
                Command("bad", [TOOL, "validate", str(folder / "bad.yaml")], functools.partial(_found_at, place)),
            ],
            size.rounds,
        )
        what = "a number that is none" if style == "plain" else "a profile that has no number"
        work = f"validate, one bad line in {size.large:,} chargers ({what})"
        results.append(Result(work, "<= 2 x the good path", figures(bad, good), bad.seconds / good.seconds, 2))
    return results


def _found_at(place: str, code: int, out: str, err: str) -> bool:
    return code == 3 and place in out + err


def reports(size: Size) -> list[Result]:
    """Markdown and HTML of changes, beside text."""
    folder = fleet.ensure(size.small)
    results = []
    with measuring.api(charger=folder / "all.json") as api:
        text = plan("text", api, folder, says=sentence(size.small))
        for name in ("markdown", "html"):
            work = f"plan, {size.small:,} changes, {name} against text"
            if not offers(name):
                results.append(Result(work, "< 2 x", "not yet: plan has no such format", None))
                continue
            written = plan(name, api, folder, "--format", name, says=f"{size.small}")
            base, each = measuring.in_turn([text, written], size.rounds)
            results.append(Result(work, "< 2 x", figures(each, base), each.seconds / base.seconds, 2))
    return results


ROWS: Mapping[str, Callable[[Size], Sequence[Result]]] = {
    "peers": against_peers,
    "floor": against_floor,
    "growth": growth,
    "everything": everything,
    "apply": apply,
    "requests": requests,
    "start-up": start_up,
    "bad-line": bad_line,
    "files": many_files,
    "reports": reports,
}


# --------------------------------------------------------------------------------------------------------- the plot


def curves(size: Size) -> dict[str, list[tuple[int, float, float]]]:
    """Plans without a change by count: (count, seconds, MiB) for us and each peer that is installed."""
    counts = (100, 1_000) if size.quick else (1_000, 10_000, 100_000)
    missing = peers.missing()
    found: dict[str, list[tuple[int, float, float]]] = {"exolink-reconcile": []}
    for count in counts:
        folder = fleet.ensure(count)
        with measuring.api(charger=folder / "same.json") as api:
            commands = [plan("exolink-reconcile", api, folder, says=sentence(0))]
            if "Terraform" not in missing and count <= 10_000:  # 100,000 blocks would need more than 10 GiB
                commands.append(peers.terraform(count))
            if "octoDNS" not in missing:
                commands.append(peers.octodns(count))
            rounds = 1 if count > 10_000 or size.quick else 3
            for measured in measuring.in_turn(commands, rounds, warm=False):
                name = measured.name.partition(",")[0]
                found.setdefault(name, []).append((count, measured.seconds, measured.mebibytes))
    return found

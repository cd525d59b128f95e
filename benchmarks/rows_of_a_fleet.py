"""The goals of bases, tables, waves and many tenants: each beside the plan that does without."""

import itertools
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence

from benchmarks import fleet, measuring
from benchmarks.measuring import PYTHON, TOOL, Command, Measured
from benchmarks.rows import STATE, Result, Size, figures, plan, sentence

TENANTS = 10


def bases(size: Size) -> list[Result]:
    """A plan that tells whose change each difference is, beside one that does not: by the state, by another checkout."""
    folder = fleet.ensure(size.large)
    state, changed = STATE / "base", size.large // 100
    with measuring.api(charger=folder / "percent.json") as api:
        shutil.rmtree(state, ignore_errors=True)
        subprocess.run([PYTHON, "-m", "benchmarks.base", api.url, str(state), str(folder / "exolink.yaml")], check=True)
        without = plan("without", api, folder, says=sentence(changed))
        by_state = plan("from the state", api, folder, "--state", str(state), says=f"{changed} drift.")
        by_path = plan("--base PATH", api, folder, "--base", str(folder / "exolink.yaml"), says=f"{changed} drift.")
        base, *others = measuring.in_turn([without, by_state, by_path], _rounds(size))
    limits = (("a base from the state", 1.15), ("--base PATH", 1.6))
    return [
        _beside(f"plan, {size.large:,} chargers, 1 % changed, with {what} against without", limit, measured, base)
        for (what, limit), measured in zip(limits, others, strict=True)
    ]


def export_into(size: Size) -> list[Result]:
    """Live values into the YAML that is there, as a diff, beside the plan of the same difference."""
    folder = fleet.ensure(size.large)
    changed = size.large // 100
    with measuring.api(charger=folder / "percent.json") as api:
        into = Command(
            "export --into",
            [TOOL, "export", fleet.TENANT, "--into", str(folder / "exolink.yaml"), "--api-url", api.url],
            lambda code, out, err: code == 0 and "Nothing was written." in err and " was" in out,
        )
        measured, base = measuring.in_turn([into, plan("plan", api, folder, says=sentence(changed))], _rounds(size))
    return [_beside(f"export --into, {size.large:,} chargers, 1 % changed, against plan", 2, measured, base)]


def tables(size: Size) -> list[Result]:
    """The same fleet from a table and from YAML."""
    folder = fleet.ensure(size.large)
    table = fleet.as_table(folder, size.large)
    with measuring.api(charger=folder / "percent.json") as api:
        yaml = plan("YAML", api, folder, says=sentence(size.large // 100))
        csv = plan("CSV", api, table, says=sentence(size.large // 100))
        measured, base = measuring.in_turn([csv, yaml], _rounds(size))
    return [_beside(f"plan, {size.large:,} chargers, 1 % changed, from CSV against YAML", 0.9, measured, base)]


def wave(size: Size) -> list[Result]:
    """A hundred reviewed steps of a plan that has one for each charger, beside the plan."""
    folder = fleet.ensure(size.large)
    saved, state = fleet.CACHE / "wave.json", STATE / "wave"
    shutil.rmtree(state, ignore_errors=True)
    numbers = itertools.count(1)
    lists = folder / "all.json"
    with measuring.api(charger=lists) as api, measuring.api(charger=lists) as untouched:
        planned = plan("plan", untouched, folder, says=sentence(size.large))
        measuring.once(plan("save", api, folder, "--out", str(saved), says=sentence(size.large)), Measured("save"))
        arguments = [TOOL, "apply", "--plan", str(saved), "--state", str(state), "--wave", ""]

        def next_wave() -> None:
            arguments[-1] = f"{fleet.TENANT}/charger/{fleet.identity(next(numbers) * 100)[:-2]}??"

        going = Command("one wave", arguments, _went, before=next_wave)
        measured, base = measuring.in_turn([going, planned], _rounds(size))
    return [_beside(f"one wave of 100 of a plan of {size.large:,} against the plan", 1.5, measured, base)]


def _went(code: int, out: str, err: str) -> bool:
    return code == 5 and "100 changed" in out and "steps left" in out


def tenants(size: Size) -> list[Result]:
    """Ten tenants of the same size beside one: time, also that of the processor (it holds on a busy machine), and memory."""
    folder = fleet.ensure(size.large)
    many = fleet.for_tenants(folder, TENANTS)
    changed = size.large // 100
    with measuring.api(charger=folder / "percent.json") as api:
        one = plan("one tenant", api, folder, says=sentence(changed))
        arguments = [str(many) if word == str(folder / "exolink.yaml") else word for word in one.arguments]
        all_of_them = Command("ten tenants", arguments, _says(sentence(TENANTS * changed)))
        measured, base = measuring.in_turn([all_of_them, one], _rounds(size), warm=False)
    work = f"plan, {TENANTS * size.large:,} chargers in {TENANTS} tenants, 1 % changed, against {size.large:,}"
    memory = f"{measured.mebibytes:.0f} and {base.mebibytes:.0f} MiB"
    seconds = statistics.median(measured.processor), statistics.median(base.processor)
    processor = f"{seconds[0]:.1f} and {seconds[1]:.1f} s"
    return [
        _beside(work, 9.5, measured, base),
        Result(f"{work}, processor time", "<= 9.5 x", processor, seconds[0] / seconds[1], 9.5),
        Result(f"{work}, peak memory", "<= 4 x", memory, measured.mebibytes / base.mebibytes, 4),
    ]


def _says(words: str) -> Callable[[int, str, str], bool]:
    return lambda code, out, err: code == 0 and words in out


def _rounds(size: Size) -> int:
    return min(size.rounds, 3)


def _beside(work: str, limit: float, measured: Measured, base: Measured) -> Result:
    processor = f"processor time {sum(measured.processor) / sum(base.processor):.2f} x"
    memory = f"peak {measured.mebibytes:.0f} and {base.mebibytes:.0f} MiB"
    shown = f"{figures(measured, base)}; {processor}; {memory}"
    return Result(work, f"<= {limit:g} x", shown, measured.seconds / base.seconds, limit)


ROWS: Mapping[str, Callable[[Size], Sequence[Result]]] = {
    "bases": bases,
    "export-into": export_into,
    "tables": tables,
    "wave": wave,
    "tenants": tenants,
}

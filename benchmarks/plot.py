"""Times and memory by count to a picture: two panels with logarithmic axes, readable on light and dark paper."""

import math
from collections.abc import Mapping, Sequence

Curves = Mapping[str, Sequence[tuple[int, float, float]]]
_COLOURS = ("#1f8fff", "#e0702c", "#2a9d5c", "#a566d6")  # enough contrast on white and on near-black
_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 380, 260, 62, 60, 74
_STYLE = """<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .grid { stroke: #8c959f; stroke-opacity: .35; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.2 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
</style>
"""


def picture(curves: Curves) -> str:
    """The SVG. `curves`: by name (count, seconds, MiB)."""
    counts = sorted({count for points in curves.values() for count, _, _ in points})
    panels = [
        _panel("seconds", _LEFT, counts, {name: [(c, s) for c, s, _ in points] for name, points in curves.items()}),
        _panel(
            "peak MiB",
            _LEFT + _WIDTH + _GAP,
            counts,
            {name: [(c, m) for c, _, m in points] for name, points in curves.items()},
        ),
    ]
    width, height = 2 * _WIDTH + _GAP + _LEFT + 24, _TOP + _HEIGHT + 74
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="Time and peak memory of a plan without changes, by number of resources">\n'
        + _STYLE
        + "".join(panels)
        + _legend(list(curves), height)
        + "</svg>\n"
    )


def _panel(title: str, left: int, counts: Sequence[int], lines: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    values = [value for points in lines.values() for _, value in points]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))

    def x(count: float) -> float:
        return left + _WIDTH * _share(count, counts[0], counts[-1])

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - _share(value, low, high))

    parts = [f'<text x="{left}" y="{_TOP - 36}" font-weight="600">plan without changes, {title}</text>\n']
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        at = y(10.0**power)
        parts.append(
            f'<path class="grid" d="M{left} {at:.1f}h{_WIDTH}"/><text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>\n'
        )
    for count in counts:
        parts.append(
            f'<path class="grid" d="M{x(count):.1f} {_TOP}v{_HEIGHT}"/>'
            f'<text x="{x(count):.1f}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{count:,}</text>\n'
        )
    for index, ((name, points), colour) in enumerate(zip(lines.items(), _COLOURS, strict=False)):
        below = 18 if index == 0 else -8  # ours is the lowest line: its figures stand under it, clear of the others
        path = "L".join(f"{x(count):.1f} {y(value):.1f}" for count, value in points)
        parts.append(f'<path class="line" stroke="{colour}" d="M{path}"><title>{name}</title></path>\n')
        for count, value in points:
            parts.append(
                f'<circle cx="{x(count):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"><title>{name}, {count:,}: {value:.3g}</title></circle>\n'
            )
            parts.append(
                f'<text x="{x(count) - 6:.1f}" y="{y(value) + below:.1f}" text-anchor="{"start" if count == counts[0] else "end"}">{value:.3g}</text>\n'
            )
    return "".join(parts)


def _share(value: float, low: float, high: float) -> float:
    return math.log(value / low) / math.log(high / low) if high > low else 0.5


def _legend(names: Sequence[str], height: int) -> str:
    return "".join(
        f'<rect x="{_LEFT + 170 * index}" y="{height - 24}" width="12" height="12" rx="2" fill="{colour}"/>'
        f'<text x="{_LEFT + 170 * index + 18}" y="{height - 14}">{name}</text>\n'
        for index, (name, colour) in enumerate(zip(names, _COLOURS, strict=False))
    )

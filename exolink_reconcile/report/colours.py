"""The text of a plan to the same text in colour: danger is bold, places are dim.

It reads finished lines, so that colours can change nothing else: without the escapes the text is the same, byte for byte.
At worst, a name that looks like something else is painted like it.
"""

import re

LEGEND, GAP = "Marks: ", "   "
_TONES = {"+": "32", "~": "33", "-/+": "35", "-": "31", "!": "36"}
_BOLD, _DIM, _ALARM = "1", "2", "1;31"
_DANGEROUS = ("-", "-/+")
_ENTRY = re.compile(r"  (-/\+|[+~!-]) ")
_PLACE = re.compile(r"(.*?)( {2,})(\S(?:(?!  ).)*:\d+(?:[:-]\d+)?|\d+ files)")
_TITLE = re.compile(r"(?:Held back|To (\w+)) \(\d+\)")
_TENANT = re.compile(r" \S")
_DESTROY = re.compile(r"[1-9]\d* to destroy")
_ARROW = " -> "
_RESULT = re.compile(r"(Apply complete!|Apply incomplete\.|  (?:unknown|failed|skipped|not verified)|Next:)(?= )")
_TONES_OF_RESULTS = {"Apply complete!": "1;32", "Next:": _BOLD, "skipped": "33"}


def paint(text: str) -> str:
    """The same text with the escapes of colours."""
    return "\n".join([_line(line) for line in text.split("\n")])


def paint_result(text: str) -> str:
    """The result of an apply with its words in colour: green for all of it done, red for what is not, bold for what is next."""
    return "\n".join([_RESULT.sub(_word, line, count=1) if _RESULT.match(line) else line for line in text.split("\n")])


def _word(match: re.Match[str]) -> str:
    word = match[1].strip()
    return f"{match[1][: -len(word)]}{_in(_TONES_OF_RESULTS.get(word, _ALARM), word)}"


def _line(line: str) -> str:
    if entry := _ENTRY.match(line):
        return _entry(line, entry[1], entry.end())
    if line.startswith("      "):
        return "      " + _detail(line[6:])
    if line.startswith(LEGEND):
        return LEGEND + GAP.join(_in(_TONES[mark.split()[0]], mark) for mark in line[len(LEGEND) :].split(GAP))
    if line.startswith("Apply will refuse:"):
        return _in(_ALARM, line)
    if line.startswith("Plan: "):
        return _total(line)
    if title := _TITLE.match(line):
        return _in(_ALARM if title[1] in ("delete", "replace") else _BOLD, line)
    return _in(_BOLD, line) if _TENANT.match(line) else line


def _entry(line: str, mark: str, start: int) -> str:
    """Mark and address in the action's colour, bold if something is deleted; what happens; the place dim."""
    tone = _TONES[mark]
    weight = f"{_BOLD};{tone}" if mark in _DANGEROUS else tone
    rest, place = _without_place(line[start:])
    address, gap, sentence = rest.partition("  ")
    return f"  {_in(weight, f'{mark} {address}')}{gap}{_change(sentence)}{place}"


def _detail(text: str) -> str:
    """A line below an entry: a change, a sentence, or the place alone."""
    match = _PLACE.fullmatch(f"  {text}")
    if match and not match[1]:
        return _in(_DIM, text)
    sentence, place = _without_place(text)
    return f"{_change(sentence)}{place}"


def _without_place(text: str) -> tuple[str, str]:
    match = _PLACE.fullmatch(text)
    return (match[1], match[2] + _in(_DIM, match[3])) if match else (text, "")


def _change(sentence: str) -> str:
    """The value before dim, the value after plain and bold."""
    before, arrow, after = sentence.partition(_ARROW)
    if not arrow:
        if sentence.startswith("-> "):
            return f"{_in(_DIM, '->')} {_in(_BOLD, sentence[3:])}"
        return sentence
    if _ARROW in after:  # of several changes only the arrows are painted
        return sentence.replace(_ARROW, f" {_in(_DIM, '->')} ")
    name, colon, value = before.partition(": ")
    value = _in(_DIM, f"{value} ->") if colon else _in(_DIM, "->")
    return f"{name}{colon}{value} {_in(_BOLD, after)}" if colon else f"{before} {value} {_in(_BOLD, after)}"


def _total(line: str) -> str:
    return _in(_BOLD, _DESTROY.sub(lambda number: f"\x1b[31m{number[0]}\x1b[39m", line))


def _in(colour: str, text: str) -> str:
    stripped = text.rstrip(" ")
    return f"\x1b[{colour}m{stripped}\x1b[0m{text[len(stripped) :]}" if stripped else text

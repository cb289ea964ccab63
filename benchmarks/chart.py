"""Bar charts for the README and the docs, from the JSON of ``python -m benchmarks``.

usage: python -m benchmarks.chart RESULTS.json FOLDER
Writes drain.svg, and growth.svg where growth was measured. Bars are linear, so that their lengths are the rates. Colours
are of middle brightness, to be read on light and dark alike.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks import growth
from benchmarks.catalogue import BOUND, OURS
from benchmarks.results import Results

WIDTH, ROW, BAR, TOP, BOTTOM = 760, 26, 16, 44, 30
LEFT, RIGHT = 170, 80
"""Room for names and for numbers."""

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #6f7a87 }
.title { font-size: 15px; font-weight: 600 }
.ours { font-weight: 700 }
.small { font-size: 11px }
rect { fill: #8c97a6 }
rect.ours { fill: #e0620d }
"""


@dataclass(frozen=True)
class Row:
    """A bar."""

    name: str
    rate: float
    strong: bool = False
    apart: bool = False
    """Whether there is a gap above it."""


def drain(results: Results) -> list[Row]:
    """The peers with their median rates, fastest first."""
    peers = {name: peer for name, peer in results.peers.items() if peer.rounds and name != BOUND}
    rates = [(peer.about["name"], peer.median("drain"), name == OURS) for name, peer in peers.items()]
    return sorted((Row(name, rate, ours) for name, rate, ours in rates if rate is not None), key=lambda row: -row.rate)


def grown(results: Results) -> list[Row]:
    """The points of all series, the first of each strong."""
    rows: list[Row] = []
    series = ""
    for name, values in results.sections.get(growth.NAME, {}).items():
        begins = name.partition(":")[0] != series
        series = name.partition(":")[0]
        rows.append(Row(name, statistics.median(values), begins, begins and bool(rows)))
    return rows


def chart(title: str, rows: Sequence[Row], foot: str) -> str:
    """The picture."""
    most, top, bars = max(row.rate for row in rows), TOP, ""
    for row in rows:
        top += ROW // 2 if row.apart else 0
        bars += _bar(top, most, row)
        top += ROW
    height = top + BOTTOM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{title}">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        f'<text class="title" x="0" y="18">{title}</text>\n{bars}'
        f'<text class="small" x="0" y="{height - 8}">{escape(foot)}</text>\n</svg>\n'
    )


def _bar(top: int, most: float, row: Row) -> str:
    length = max(1.0, (WIDTH - LEFT - RIGHT) * row.rate / most)
    mark, base = ' class="ours"' if row.strong else "", top + BAR - 3
    return (
        f'<text{mark} x="{LEFT - 10}" y="{base}" text-anchor="end">{escape(row.name)}</text>'
        f'<rect{mark} x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text{mark} x="{LEFT + length + 6:.1f}" y="{base}">{row.rate:,.0f}</text>\n'
    )


def _foot(results: Results) -> str:
    about, rounds = results.machine, results.settings["rounds"]
    server = " ".join(about["server"].split()[:3]).replace(" server v=", " ")
    what = f"median of {rounds} rounds" if rounds > 1 else "one round"
    return f"{what}, {about['cores']} cores ({about['cpu']}), Python {about['python']}, {server}, {about['date']}"


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    results = Results.load(given.results)
    for name, title, rows in (
        ("drain", "No-op tasks drained by one worker process, per second", drain(results)),
        ("growth", "No-op tasks drained per second as things grow", grown(results)),
    ):
        if rows:
            (given.folder / f"{name}.svg").write_text(chart(title, rows, _foot(results)))


if __name__ == "__main__":
    main()

"""A bar chart of the drain rates for the README, from the JSON of ``benchmarks.compare``.

usage: python -m benchmarks.chart RESULTS.json CHART.svg
Bars are linear, so that their lengths are the rates. Colours are of middle brightness, to be read on light and dark alike.
"""

from __future__ import annotations

import argparse
from html import escape
from pathlib import Path

from benchmarks.catalogue import OURS
from benchmarks.results import PeerResult, Results

WIDTH, ROW, BAR, TOP, BOTTOM = 760, 26, 16, 44, 30
LEFT, RIGHT = 150, 80
"""Room for names and for numbers."""

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #6f7a87 }
.title { font-size: 15px; font-weight: 600 }
.ours { font-weight: 700 }
.small { font-size: 11px }
rect { fill: #8c97a6 }
rect.ours { fill: #e0620d }
"""


def rates(results: Results) -> list[tuple[PeerResult, float, bool]]:
    """The peers with their median rates and whether it is ours, fastest first."""
    rows = [(peer, peer.median("drain"), name == OURS) for name, peer in results.peers.items() if peer.rounds]
    return sorted(((peer, rate, ours) for peer, rate, ours in rows if rate is not None), key=lambda row: -row[1])


def chart(results: Results) -> str:
    """The picture."""
    rows = rates(results)
    if not rows:
        raise SystemExit("no peer has a drain rate there")
    height = TOP + ROW * len(rows) + BOTTOM
    title = "No-op tasks drained by one worker process, per second"
    bars = "".join(_bar(number, rows[0][1], *row) for number, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{title}">\n<title>{title}</title>\n<style>{STYLE}</style>\n'
        f'<text class="title" x="0" y="18">{title}</text>\n{bars}'
        f'<text class="small" x="0" y="{height - 8}">{escape(_foot(results))}</text>\n</svg>\n'
    )


def _bar(number: int, most: float, peer: PeerResult, rate: float, ours: bool) -> str:
    top, length = TOP + ROW * number, max(1.0, (WIDTH - LEFT - RIGHT) * rate / most)
    mark, base = ' class="ours"' if ours else "", top + BAR - 3
    return (
        f'<text{mark} x="{LEFT - 10}" y="{base}" text-anchor="end">{escape(peer.about["name"])}</text>'
        f'<rect{mark} x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<text{mark} x="{LEFT + length + 6:.1f}" y="{base}">{rate:,.0f}</text>\n'
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
    parser.add_argument("chart", type=Path)
    given = parser.parse_args()
    given.chart.write_text(chart(Results.load(given.results)))


if __name__ == "__main__":
    main()

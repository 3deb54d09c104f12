"""A picture of completeness over time: a line a symbol, a cell an hour."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO

from firehose_dagster.maintenance.completeness.hour import HourRow, Unsealed

HOURS_SHOWN = 72
SYMBOLS_SHOWN = 30
_SECONDS_PER_HOUR = 3_600
_STATES: Mapping[str, str] = {
    "nothing known": "#f2f2f2",
    "sealed": "#2e8b57",
    "nothing missing, not sealed": "#a8d5ba",
    "ids missing after it": "#e8c468",
    "ids missing": "#c0392b",
}
"""In the order of their numbers, each with its colour."""
_NUMBER = {state: number for number, state in enumerate(_STATES)}


def state_of(row: HourRow) -> str:
    """What the cell of an hour says."""
    if row.missing:
        return "ids missing"
    if row.is_sealed:
        return "sealed"
    return "ids missing after it" if row.unsealed_reason is Unsealed.MISSING_AT_END else "nothing missing, not sealed"


def grid(rows: Sequence[HourRow], last_hour: int) -> tuple[list[str], list[list[int]]]:
    """The symbols shown, those that lack most first, and for each the numbers of its last `HOURS_SHOWN` hours."""
    first_hour = last_hour - HOURS_SHOWN + 1
    lacking: dict[str, int] = {}
    for row in rows:
        lacking[row.symbol] = lacking.get(row.symbol, 0) + row.missing
    symbols = sorted(lacking, key=lambda symbol: (-lacking[symbol], symbol))[:SYMBOLS_SHOWN]
    lines = {symbol: [_NUMBER["nothing known"]] * HOURS_SHOWN for symbol in symbols}
    for row in rows:
        if row.symbol in lines and first_hour <= row.hour <= last_hour:
            lines[row.symbol][row.hour - first_hour] = _NUMBER[state_of(row)]
    return symbols, list(lines.values())


def plot(rows: Sequence[HourRow], last_hour: int) -> bytes:
    """The picture as PNG, some ten kilobytes. `rows` are the newest of their hours; raises ValueError for none."""
    # Not at the top: every run of Dagster imports this module, and a spike's webhook would wait for Matplotlib.
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    if not rows:
        raise ValueError("there is no hour to plot")
    symbols, lines = grid(rows, last_hour)
    figure = Figure(figsize=(10, 1.5 + 0.22 * len(symbols)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(lines, cmap=ListedColormap(list(_STATES.values())), vmin=0, vmax=len(_STATES) - 1, aspect="auto")
    axes.set_yticks(range(len(symbols)), symbols, fontsize=7)
    ticks = range(0, HOURS_SHOWN, 6)
    axes.set_xticks(ticks, [_label(last_hour - HOURS_SHOWN + 1 + tick) for tick in ticks], fontsize=7)
    axes.set_xlabel("hour, UTC", fontsize=8)
    axes.legend(
        handles=[Patch(facecolor=colour, edgecolor="#888888", label=state) for state, colour in _STATES.items()],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(_STATES),
        fontsize=7,
        frameon=False,
    )
    content = BytesIO()
    figure.savefig(content, format="png", dpi=90)
    return content.getvalue()


def plot_markdown(rows: Sequence[HourRow], last_hour: int) -> str:
    """The picture as Markdown that needs no other file."""
    picture = b64encode(plot(rows, last_hour)).decode()
    return f"![completeness of the last {HOURS_SHOWN} hours](data:image/png;base64,{picture})"


def _label(hour: int) -> str:
    moment = datetime.fromtimestamp(hour * _SECONDS_PER_HOUR, UTC)
    return f"{moment:%d %b}\n{moment:%H}h" if moment.hour < 6 else f"{moment:%H}h"

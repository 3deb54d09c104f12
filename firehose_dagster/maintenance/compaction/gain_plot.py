"""A small picture of what compaction gained: for each query two bars, before and after."""

from base64 import b64encode
from html import escape

from firehose_dagster.maintenance.compaction.gain import Gain

_WIDTH = 520
_LABEL_WIDTH = 110
_BAR_HEIGHT = 14
_QUERY_HEIGHT = 48
_SMALLEST_BAR = 2.0
_COLOURS = {"before": "#c0504d", "after": "#4f9d69"}


def svg(gain: Gain) -> str:
    """The picture as SVG; bars of one query are to scale, and the times stand beside them."""
    rows = []
    for number, query in enumerate(gain.seconds_before):
        top = 8 + number * _QUERY_HEIGHT
        times = {"before": gain.seconds_before[query], "after": gain.seconds_after[query]}
        longest = max(*times.values(), 1e-9)
        rows.append(f'<text x="0" y="{top + 18}">{escape(query.replace("_", " "))}</text>')
        for place, (when, seconds) in enumerate(times.items()):
            width = max(_SMALLEST_BAR, (_WIDTH - _LABEL_WIDTH - 150) * seconds / longest)
            bar_top = top + place * (_BAR_HEIGHT + 3)
            rows.append(
                f'<rect x="{_LABEL_WIDTH}" y="{bar_top}" width="{width:.1f}" height="{_BAR_HEIGHT}" '
                f'fill="{_COLOURS[when]}"/>'
                f'<text x="{_LABEL_WIDTH + width + 6:.1f}" y="{bar_top + 11}">{when} {seconds * 1_000:,.1f} ms</text>'
            )
    height = 8 + len(gain.seconds_before) * _QUERY_HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="#444">{"".join(rows)}</svg>'
    )


def markdown(gain: Gain) -> str:
    """The picture and its figures, as Markdown that needs no other file."""
    picture = b64encode(svg(gain).encode()).decode()
    lines = [
        f"![before and after](data:image/svg+xml;base64,{picture})",
        "",
        f"{gain.files_before:,} files before, {gain.files_after:,} after; best of three turns.",
        "",
        "| query | before | after | faster |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {query.replace('_', ' ')} | {gain.seconds_before[query] * 1_000:,.1f} ms "
        f"| {gain.seconds_after[query] * 1_000:,.1f} ms | {gain.ratio(query):.1f} x |"
        for query in gain.seconds_before
    ]
    return "\n".join(lines)

"""Small plots as SVG, for a light page and a dark one."""

import math
from html import escape

COLOURS = ["#0f766e", "#4f46e5", "#d97706", "#b45309", "#64748b", "#be185d"]
INK, FAINT, FONT = "#1f2937", "#d1d5db", "font-family='system-ui, sans-serif'"


def text(x, y, words, size=12, anchor="start", colour=INK, weight="normal"):
    return (f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{colour}' "
            f"font-weight='{weight}' {FONT}>{escape(str(words))}</text>")


def page(width, height, parts):
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}'>"
            f"<rect width='100%' height='100%' fill='#ffffff'/>{''.join(parts)}</svg>\n")


def short(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def bars(title, values):
    """Horizontal bars, each with its figure."""
    left, width, step = 170, 720, 30
    most = max(value for _, value in values)
    parts = [text(16, 26, title, 15, weight="600")]
    for index, (label, value) in enumerate(values):
        top = 44 + index * step
        length = max((width - left - 90) * value / most, 1)
        parts.append(text(left - 10, top + 15, label, anchor="end"))
        parts.append(f"<rect x='{left}' y='{top}' width='{length:.1f}' height='20' rx='2' fill='{COLOURS[index % 6]}'/>")
        parts.append(text(left + length + 8, top + 15, short(value)))
    return page(width, 60 + len(values) * step, parts)


def ticks(low, high, is_log):
    if is_log:
        return [10**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in [1, 2, 5, 10] if unit * factor >= rough)
    return [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def lines(title, unit, series, is_log=False, limit=None):
    """Values over seconds: `series` is a list of (label, colour index, [(second, value)])."""
    left, right, top, width, height = 64, 24, 74, 860, 330
    points = [point for _, _, own in series for point in own]
    seconds = (min(x for x, _ in points), max(x for x, _ in points))
    high = max(max(y for _, y in points), limit[0] if limit else 0) * 1.05
    low = max(min(y for _, y in points), 0.1) if is_log else 0
    marks = ticks(low, high, is_log)
    if is_log:
        low, high = marks[0], marks[-1]

    def across(x):
        return left + (x - seconds[0]) / (seconds[1] - seconds[0]) * (width - left - right)

    def up(y):
        share = math.log(max(y, low) / low) / math.log(high / low) if is_log else (y - low) / (high - low)
        return height - 40 - share * (height - 40 - top)

    parts = [text(16, 26, title, 15, weight="600")]
    for mark in marks:
        if low <= mark <= high:
            parts.append(f"<line x1='{left}' x2='{width - right}' y1='{up(mark):.1f}' y2='{up(mark):.1f}' stroke='{FAINT}' stroke-width='0.7'/>")
            parts.append(text(left - 8, up(mark) + 4, short(mark), 11, "end"))
    for mark in ticks(*seconds, False):
        parts.append(text(across(mark), height - 22, f"{mark:g}", 11, "middle"))
    parts.append(text(width - right, height - 6, "seconds since all logged in at once", 11, "end"))
    parts.append(text(16, top - 12, unit, 11))
    if limit:
        parts.append(f"<line x1='{left}' x2='{width - right}' y1='{up(limit[0]):.1f}' y2='{up(limit[0]):.1f}' stroke='#dc2626' stroke-dasharray='5 4'/>")
        parts.append(text(width - right, up(limit[0]) - 5, limit[1], 11, "end", "#dc2626"))
    place = left
    for label, colour, own in series:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in own)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{COLOURS[colour % 6]}' stroke-width='1.6'/>")
        parts.append(f"<rect x='{place}' y='38' width='10' height='10' fill='{COLOURS[colour % 6]}'/>")
        parts.append(text(place + 14, 47, label, 11))
        place += 26 + len(label) * 6
    return page(width, height, parts)

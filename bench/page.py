# SPDX-License-Identifier: GPL-2.0-only
"""The document of bench/run (document.py) as one HTML page that needs nothing else: styles and drawings are in it, scripts are not."""

import math
from html import escape
from statistics import quantiles

import document
import figures

# One colour a scheduler, in the order of the document; legible on light and dark. Lines differ by dashes too, for print.
COLOURS = ("#8a8a8a", "#2f7ed8", "#e08a1e", "#2ca05a", "#b05cc8", "#d0453e", "#17a2b8")
DASHES = ("", "", "6 3", "2 3", "8 3 2 3", "4 2", "1 2")
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6a737d; --rule: #d8dce1; --good: #1a7f37; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e6ea; --paper: #14171b; --faint: #9aa3ad; --rule: #343a42; --good: #57c878; --bad: #ff8a80; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1rem 0 .2rem; font-weight: 600; }
.faint { color: var(--faint); } .warn { border-left: 4px solid var(--bad); padding-left: .7rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .18rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); } th { font-weight: 600; }
th.text, td.text { text-align: left; } .better { color: var(--good); } .worse { color: var(--bad); }
.wide { overflow-x: auto; } svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .faint { fill: var(--faint); } svg .axis { stroke: var(--rule); } code { font-size: .92em; overflow-wrap: anywhere; }
figure { margin: .4rem 0 1rem; break-inside: avoid; } tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
@media print {
  :root { color-scheme: light; --ink: #000; --paper: #fff; --faint: #444; --rule: #bbb; --good: #0a5c22; --bad: #8c1d17; }
  body { font-size: 10pt; max-width: none; margin: 0; } .wide { overflow: visible; }
}
"""
WIDTH, LEFT, RIGHT = 900, 130, 135


def page(found):
    schedulers = list(dict.fromkeys(entry["scheduler"] for entry in found["results"]))
    style = {name: (COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]) for i, name in enumerate(schedulers)}
    parts = [head(found), *(f'<p class="warn">{escape(text)}</p>' for text in document.warnings(found)),
             "<h2>Figures</h2>", note(), table(document.lines(found), 5)]
    for benchmark in dict.fromkeys(entry["benchmark"] for entry in found["results"]):
        parts.append(f"<h2>{escape(benchmark)}</h2>")
        entries = [entry for entry in found["results"] if entry["benchmark"] == benchmark]
        for metric in dict.fromkeys(entry["metric"] for entry in entries):
            parts.append(boxes([entry for entry in entries if entry["metric"] == metric], style))
        if benchmark in found["cdfs"]:
            parts.append(curves(found["cdfs"][benchmark], style))
    if found["userland"]:
        parts += ["<h2>Who decided</h2>", f'<p class="faint">{escape(document.USERLAND_NOTE)}</p>',
                  table(document.userland_lines(found), 1)]
    parts += ["<h2>What was measured</h2>", table(conditions(found), 2, first_is_head=False)]
    body = "\n".join(parts)
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>mus: {escape(document.title(found))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")


def head(found):
    return f'<h1>mus and others, measured</h1>\n<p class="faint">{escape(document.title(found))}. {escape(found["date"])}</p>'


def note():
    return ("<p>Median of all rounds, least and most beside it, and the ratio to EEVDF. Only ratios within one boot mean something. "
            "Where the ranges overlap, there is no difference to report; with fewer than 3 values nothing is said.</p>")


def table(rows, left, first_is_head=True):
    """The first `left` columns to the left, the others to the right."""
    def cell(tag, index, text):
        kind = "text" if index < left else text if text in ("better", "worse") else ""
        return f'<{tag}{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</{tag}>'

    lines = ["<tr>" + "".join(cell("th" if first_is_head and not number else "td", index, text) for index, text in enumerate(row)) + "</tr>"
             for number, row in enumerate(rows)]
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</table></div>"


def conditions(found):
    machine = found["machine"]
    versions = dict.fromkeys((entry["scheduler"], entry["version"]) for entry in found["results"])
    return [["command", found["command"]], ["date", found["date"]], ["guest", document.title(found)],
            ["machine", f"{machine['cpu']}, {machine['cores']} cores, kernel {machine['kernel']}, QEMU {machine['qemu']}"],
            *([scheduler, version or "?"] for scheduler, version in versions)]


def ticks(least, most, wanted=5):
    """Round numbers from at most `least` to at least `most`."""
    raw = (most - least) / wanted or abs(most) / wanted or 1
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(least / step), math.ceil(most / step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def quartiles(values):
    return quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3


def boxes(entries, style):
    """Box plots of one metric, a line for each scheduler: quartiles, median, least and most, and every value."""
    everything = [value for entry in entries for value in entry["values"]]
    # From 0 where the values are not far from it, so that lengths may be compared; over several powers of ten logarithmic.
    logarithmic = min(everything) > 0 and max(everything) / min(everything) > 30
    if logarithmic:
        marks = decades(min(everything), max(everything))
    else:
        marks = ticks(0 if min(everything) < max(everything) / 2 else min(everything), max(everything))
    scale = scaled(marks[0], marks[-1], logarithmic)
    row, top = 26, 8
    height = top + row * len(entries)
    first = entries[0]
    better = "higher" if first["higher_is_better"] else "lower"
    drawn = [axis(marks, scale, top, height)]
    for index, entry in enumerate(entries):
        colour, middle = style[entry["scheduler"]][0], top + row * index + row / 2
        low, median, high = (scale(value) for value in quartiles(entry["values"]))
        ends = scale(min(entry["values"])), scale(max(entry["values"]))
        drawn.append(f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{escape(entry["scheduler"])}</text>')
        drawn.append(f'<line x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}" stroke="{colour}"/>')
        drawn.append(f'<rect x="{low:.1f}" y="{middle - 7}" width="{max(high - low, 1):.1f}" height="14" fill="{colour}" fill-opacity=".3" '
                     f'stroke="{colour}"/>')
        drawn.append(f'<line x1="{median:.1f}" x2="{median:.1f}" y1="{middle - 7}" y2="{middle + 7}" stroke="{colour}" stroke-width="3"/>')
        drawn += [f'<circle cx="{scale(value):.1f}" cy="{middle}" r="2" fill="{colour}"/>' for value in entry["values"]]
        ratio = f' ({entry["ratio_to_eevdf"]:.2f})' if entry["ratio_to_eevdf"] and entry["scheduler"] != "eevdf" else ""
        drawn.append(f'<text x="{WIDTH - RIGHT + 10}" y="{middle + 4}">{figures.figure(entry["median"])}{ratio}</text>')
    label = f"{first['benchmark']}, {first['metric']} in {first['unit']}"
    return (f"<h3>{escape(first['metric'])}, {escape(first['unit'])} <span class=\"faint\">({better} is better)</span></h3>\n" +
            drawing(drawn, height + 22, label))


def curves(by_scheduler, style):
    """How many of the samples are above a latency: both axes logarithmic, so that the tail is seen."""
    points = {name: [(max(value, 1), max(1 - share, 1e-5)) for value, share in cdf] for name, cdf in by_scheduler.items()}
    marks = decades(min(x for line in points.values() for x, _ in line), max(x for line in points.values() for x, _ in line))
    across = scaled(marks[0], marks[-1], True)
    top, height = 10, 260
    drawn = [axis(marks, across, top, height)]
    for power, text in ((0, "all"), (-1, "10 %"), (-2, "1 %"), (-3, "0.1 %"), (-4, "0.01 %")):
        y = top + (height - top) * -power / 5
        drawn.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        drawn.append(f'<text class="faint" x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{text}</text>')
    for index, (name, line) in enumerate(points.items()):
        colour, dash = style.get(name, (COLOURS[0], ""))
        # A step at each point: the share holds from there on.
        path, last = [], 1.0
        for x, share in line:
            for step in (last, share):
                path.append(f"{across(x):.1f},{top + (height - top) * -math.log10(step) / 5:.1f}")
            last = share
        drawn.append(f'<polyline points="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        y = top + 8 + 18 * index
        drawn.append(f'<line x1="{WIDTH - RIGHT + 10}" x2="{WIDTH - RIGHT + 32}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2" '
                     f'stroke-dasharray="{dash}"/><text x="{WIDTH - RIGHT + 37}" y="{y + 4}">{escape(name)}</text>')
    return ('<h3>distribution of latencies <span class="faint">(share of all samples, of all rounds, that took longer than so many us)'
            "</span></h3>\n" + drawing(drawn, height + 22, "distribution of latencies"))


def decades(least, most):
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0 ** power for power in range(first, max(last, first + 1) + 1)]


def scaled(least, most, logarithmic):
    if logarithmic:
        least, most = math.log10(least), math.log10(most)
    return lambda value: LEFT + (WIDTH - LEFT - RIGHT) * ((math.log10(value) if logarithmic else value) - least) / (most - least)


def axis(marks, scale, top, height):
    return "".join(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height}"/>'
                   f'<text class="faint" x="{x:.1f}" y="{height + 15}" text-anchor="middle">{number(mark)}</text>'
                   for mark in marks for x in [scale(mark)])


def number(mark):
    return f"{mark:,.6g}" if abs(mark) < 1e6 else f"{mark / 1e6:,.6g} M"


def drawing(parts, height, label):
    inner = "\n".join(parts)
    return f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">\n{inner}\n</svg></figure>'

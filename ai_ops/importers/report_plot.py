"""The accuracy report as a picture: one bar for each layer, in plain SVG."""

from xml.sax.saxutils import escape

from ai_ops.importers.report import LayerReport, Report

BAR, GAP, LEFT, WIDTH, TOP = 12, 3, 330, 420, 48
MOST = 80.0
"""Decibels at which a bar is full: a signal ten thousand times its error."""
TICKS = (0, 20, 40, 60, 80)
STYLE = (
    "text{font:11px sans-serif;fill:#222}.t{font-size:14px}.r{text-anchor:end}"
    ".good{fill:#2b7a4b}.fair{fill:#c98a1b}.poor{fill:#b3362b}line{stroke:#ccc}"
)
# Least decibels of each colour.
CLASSES = ((30.0, "good"), (20.0, "fair"), (float("-inf"), "poor"))


def plot(name: str, report: Report) -> str:
    """Return an SVG picture of each layer's signal-to-error ratio, in the order of computation.

    Parameters
    ----------
    name : the model's name, for the heading
    """
    height = TOP + len(report.layers) * (BAR + GAP) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 70}" height="{height}">',
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
        (
            f'<text class="t" x="10" y="20">{escape(name)}: each layer beside the float network,'
            " signal to error in dB</text>"
        ),
    ]
    for tick in TICKS:
        x = LEFT + WIDTH * tick / MOST
        lines.append(f'<line x1="{x}" y1="{TOP - 4}" x2="{x}" y2="{height - 20}"/>')
        lines.append(f'<text x="{x - 6}" y="{TOP - 8}">{tick}</text>')
    lines += [_bar(index, layer) for index, layer in enumerate(report.layers)]
    return "\n".join([*lines, "</svg>\n"])


def _bar(index: int, layer: LayerReport) -> str:
    y = TOP + index * (BAR + GAP)
    decibels = max(0.0, min(MOST, layer.decibels))
    colour = next(colour for least, colour in CLASSES if layer.decibels >= least)
    label = escape(f"{layer.step} {layer.operator} {layer.value}"[-52:])
    length = WIDTH * decibels / MOST
    return (
        f'<text class="r" x="{LEFT - 6}" y="{y + 10}">{label}</text>'
        f'<rect class="{colour}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}"/>'
        f'<text x="{LEFT + length + 4:.1f}" y="{y + 10}">{layer.decibels:.1f}</text>'
    )

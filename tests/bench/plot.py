#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""plot.py FIGURES.json PICTURE.svg: one picture of all ratios, with what they must reach.

A program of its own, for matplotlib is Debian's and so wants Debian's python3."""

import json
import sys

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402


def draw(rows, path):
    rows = [row for row in rows if row["ratio"] is not None and row["to"] in
            ("native", "empty preload", "pass-through wrapper", "recv", "nginx lingers always")]
    figure, axes = pyplot.subplots(figsize=(9, 0.28 * len(rows) + 1.2))
    names = [f"{row['benchmark']}: {row['variant']}" for row in rows]
    colours = ["#888888" if row["holds"] is None else "#2a7f3f" if row["holds"] else "#c03030"
               for row in rows]
    axes.barh(range(len(rows)), [min(row["ratio"], 2.5) for row in rows], color=colours, height=0.7)
    for index, row in enumerate(rows):
        axes.text(min(row["ratio"], 2.5) + 0.02, index, f"{row['ratio']:.3f}", va="center", fontsize=7)
        if row["target"]:
            limit = float(row["target"].split()[1])
            axes.plot([limit, limit], [index - 0.4, index + 0.4], color="black", linewidth=1.5)
    axes.set_yticks(range(len(rows)), names, fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.set_xlim(0, 2.7)
    axes.set_xlabel("ratio to the row's base (black mark: must reach)", fontsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        draw(json.load(file)["rows"], sys.argv[2])

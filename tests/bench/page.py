# SPDX-License-Identifier: MIT
"""The figures as a table within a page: what stands between two marks is replaced."""

BEGIN, END = "<!-- figures: written by tests/bench/run --write -->", "<!-- end of figures -->"


def cell(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def row_of(row):
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f} x {row['to']}"
    target = row["target"] or ""
    if target:
        target += ": holds" if row["holds"] else ": **does not hold**"
    return (f"| {row['benchmark']} | {row['variant']} | {cell(row['value'])} {row['unit']} | {ratio} "
            f"| {target} |")


def table(about, rows, missing, failed):
    checked = [row for row in rows if row["holds"] is not None]
    lines = [f"Linux {about['kernel']}, {about['cores']} processors, commit {about['commit']}, "
             f"{about['rounds']} rounds{', short runs' if about['quick'] else ''}: "
             f"{sum(row['holds'] for row in checked)} of {len(checked)} targets reached.", "",
             "| benchmark | with | figure | ratio | must be |", "|---|---|---:|---:|---|"]
    lines += [row_of(row) for row in rows]
    lines += ["", *(f"Not measured: {line}" for line in missing)] if missing else []
    lines += ["", *(f"Failed: {line}" for line in failed)] if failed else []
    return "\n".join(lines)


def write(path, about, rows, missing, failed):
    """The page must have both marks; the rest of it stays."""
    with open(path) as file:
        text = file.read()
    if BEGIN not in text or END not in text.split(BEGIN)[1]:
        raise RuntimeError(f"{path} lacks the marks '{BEGIN}' and '{END}'")
    before, after = text.split(BEGIN, 1)
    after = after.split(END, 1)[1]
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n{table(about, rows, missing, failed)}\n{END}{after}")

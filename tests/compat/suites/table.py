# SPDX-License-Identifier: MIT
"""The table of the suites, for the terminal and for docs/compat.md."""

import datetime
import platform
import subprocess

import compare

HEAD = ("suite", "cases", "native", "audit", "enforce", "closes", "repaired", "differences")


def name(row):
    return row.suite if row.part == row.suite else f"{row.suite}/{row.part}"


def cells(row):
    def of(mode):
        if mode not in row.trials:
            return "-"
        return compare.tally(row.trials[mode]) + ("" if row.trials[mode].complete else " (!)")

    cases = set().union(*(one.cases for one in row.trials.values()))
    seen = row.trials.get("audit") or row.trials.get("enforce")
    repaired = row.trials["enforce"].repaired if "enforce" in row.trials else "-"
    counts = {}
    for one in row.differences:
        word = one.verdict
        if one.expected and one.verdict in compare.BAD:
            word = one.expected[0]
        counts[word] = counts.get(word, 0) + 1
    found = ", ".join(f"{count} {word}" for word, count in counts.items()) or "none"
    return [name(row), len(cases), of("native"), of("audit"), of("enforce"),
            seen.closes if seen else "-", repaired, found]


def text(values):
    return "{:<36} {:>5} {:>13} {:>13} {:>13} {:>7} {:>8}  {}".format(*values)


def details(row):
    for one in row.differences:
        why = f"{one.expected[0]}: {one.expected[1]}" if one.expected else one.why
        yield f"{one.verdict}: {one.case} under {one.mode}: {one.words}" + (
            f" ({why})" if why else "")
    for mode in compare.incomplete(row):
        yield f"{mode}: did not end in time, or no case ran"


def versions(packages):
    """PACKAGE VERSION of all that Debian's packages gave."""
    answer = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n", *packages],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return sorted({line[4:].strip() for line in answer.splitlines() if line.startswith("ii")})


def markdown(rows, skipped, packages, minutes):
    """The page docs/compat.md."""
    day = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        "# Suites of others", "",
        "Written by `tests/compat/run --write docs/compat.md`: test suites and sessions of other",
        "people's programs, natively, under audit and under enforce with the built-in policy, each",
        "in namespaces of its own. A column holds cases ok/failed/skipped; *closes* are the events",
        "seen under audit, *repaired* those whose action under enforce was not `pass`.", "",
        f"Run on {day}, Linux {platform.release()}, {minutes:.0f} minutes, one library, soft limit of",
        "descriptors 1024 (as a login or a service has).", "",
        "| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * 6 + "---|"]
    for row in rows:
        lines.append("| " + " | ".join(str(cell) for cell in cells(row)) + " |")
    lines += ["", "## Differences, and what they are", "",
              "A case that came out differently was run again, three times in each mode. *differs*:",
              "never the same again; *suspect*: natively always the same, under softclose not;",
              "*unsteady*: it comes out now so, now so natively, too; *once*: the same in all",
              "repetitions.", ""]
    found = [f"* {row.suite}: `{line}`" for row in rows for line in details(row)]
    lines += found or ["None."]
    lines += ["", "## Failed natively, too", "",
              "Cases that failed the same way in all three modes, so that nothing was compared.", ""]
    alike = [f"* {name(row)}: {' '.join(f'`{case}`' for case in cases)}"
             for row in rows if (cases := compare.failed_alike(row))]
    lines += alike or ["None."]
    if skipped:
        lines += ["", "## Not run", ""] + [f"* {suite}: {why}" for suite, why in skipped]
    lines += ["", "## Versions", "", ", ".join(versions(packages)) + "."]
    return "\n".join(lines) + "\n"

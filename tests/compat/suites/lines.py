# SPDX-License-Identifier: MIT
"""Turns what a test program prints into lines of cases (suite.bash), as it comes.

usage: lines.py FORMAT RESULTS [PREFIX] <output

FORMAT is tap (Perl), ruby (test-unit's -v), php (run-tests.php -W) or redis (test_helper.tcl).
With PREFIX, cases are named PREFIX/NAME.
"""

import re
import sys

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def tap(lines):
    """Numbers name the cases: descriptions may hold addresses and times."""
    planned = number = 0
    for line in lines:
        if match := re.match(r"1\.\.(\d+)(?:.*#\s*skip\S*\s*(.*))?", line, re.I):
            planned = int(match[1])
            if planned == 0:
                yield "skip", "all", match[2] or ""
        elif match := re.match(r"(not )?ok\b\s*(\d+)?(.*)", line):
            number = int(match[2] or number + 1)
            word = "fail" if match[1] else "ok"
            if skipped := re.search(r"#\s*(?:skip|todo)\S*\s*(.*)", match[3], re.I):
                yield "skip", str(number), skipped[1]
            else:
                yield word, str(number), match[3]
    if planned != number:
        yield "fail", "end", f"{number} of {planned} were run"


def ruby(lines):
    """A failing case is told again in the summary; its line has nothing to say of it."""
    ran, words, why = [], {}, {}
    pending = None
    for line in lines:
        if match := re.match(r"\s*\[\s*\d+/\d+\]\s+(\S+?#.+?) = ", line):
            ran.append(match[1])
        elif match := re.match(r"\s*\d+\) (Failure|Error|Skipped):", line):
            pending = "skip" if match[1] == "Skipped" else "fail"
        elif pending and (match := re.match(r"(\S+#[^:\[]+?)(?: \[|:)", line)):
            words[match[1]], last = pending, match[1]
            why[last] = ""
            pending = None
        elif words and line and not why[last]:
            why[last] = line
    for name in sorted(ran):
        yield words.get(name, "ok"), name, why.get(name, "")


def php(lines):
    words = {"PASSED": "ok", "SKIPPED": "skip", "XFAILED": "skip"}
    for line in lines:
        word, _, path = line.partition("\t")
        yield words.get(word, "fail"), re.sub(r".*/source/", "", path), word


def redis(lines):
    unit = ""
    for line in lines:
        if match := re.match(r"Testing (\S+)", line):
            unit = match[1]
        elif match := re.match(r"\[(ok|err|exception|skip|ignore)\]: (.*?)(?: \(\d+ ms\))?$", line):
            word = {"ok": "ok", "skip": "skip", "ignore": "skip"}.get(match[1], "fail")
            # What differs from run to run: the seed, memory, times.
            name = re.sub(r"(in tests/|Expected|\d{3,}).*", "", match[2])
            yield word, f"{unit}:{name.strip()}", match[2]
        elif match := re.match(r"\[\d+/\d+ done\]", line):
            yield "ok", f"{unit}:end", ""


def main():
    form, results, prefix = sys.argv[1], sys.argv[2], "".join(sys.argv[3:4])
    with open(results, "a", encoding="utf-8", errors="replace") as out:
        lines = (ESCAPES.sub("", line.decode(errors="replace").rstrip("\r\n"))
                 for line in sys.stdin.buffer)
        for word, name, why in globals()[form](lines):
            name = f"{prefix}/{name}" if prefix else name
            why = "" if word == "ok" else " ".join(why.split())[:200]
            print(f"{word} {name.replace(' ', '_')}\t{why}", file=out, flush=True)


main()

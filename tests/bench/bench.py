# SPDX-License-Identifier: MIT
"""How figures are taken: variants of one command, in turn in the same run, medians and ratios."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LIBRARY = SOURCE + "/build/release/shim/libsoftclose.so"
SOFTCLOSE = SOURCE + "/build/release/tools/softclose"
PROGRAMS = SOURCE + "/build/dev/tests/bench"
TESTS = SOURCE + "/build/dev/tests"


class Missing(Exception):
    """A program that a comparison needs is not installed."""


def need(name, package=None):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed (Debian package {package or name})")
    return path


class Variant:
    """One way to run a command: a name, what is added to the environment, what stands before it."""

    def __init__(self, name, preload=None, before=(), **environment):
        self.name = name
        self.before = list(before)
        self.environment = dict(environment)
        if preload:
            self.environment["LD_PRELOAD"] = preload

    def command(self, words):
        """Through env(1), so that what stands before it is not preloaded into."""
        settings = [f"{key}={value}" for key, value in self.environment.items()]
        return self.before + (["env", *settings] if settings else []) + list(words)


def softclose(name, mode, events=None, log=None, **settings):
    pairs = {key.replace("__", "."): value for key, value in settings.items()}
    if events:
        pairs["log.events"] = events
    environment = {"SOFTCLOSE": mode, "SOFTCLOSE_LOG": log or LOG}
    if pairs:
        environment["SOFTCLOSE_SET"] = ";".join(f"{key}={value}" for key, value in pairs.items())
    return Variant(name, preload=LIBRARY, **environment)


DIRECTORY = tempfile.mkdtemp(prefix="softclose-bench.")
LOG = DIRECTORY + "/events.jsonl"
NATIVE = Variant("native")


def clean_environment():
    return {key: value for key, value in os.environ.items()
            if not key.startswith("SOFTCLOSE") and key != "LD_PRELOAD"}


def output(words, variant=NATIVE, **options):
    """Standard output of one run. A benchmark that fails is a failure, not a figure."""
    if os.path.exists(LOG):
        os.unlink(LOG)
    done = subprocess.run(variant.command(words), env=clean_environment(), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{variant.name}: {' '.join(map(str, words))}: status {done.returncode}: "
                           + done.stderr.strip()[-500:])
    return done.stdout


def paired(variants, measure, rounds):
    """{name: [figure of each round]}: every round runs every variant, each round begins with
    another one, so that a drift of the machine meets all of them alike."""
    figures = {variant.name: [] for variant in variants}
    for number in range(rounds):
        turn = number % len(variants)
        for variant in variants[turn:] + variants[:turn]:
            figures[variant.name].append(measure(variant))
    return figures


def ratio(figures, name, to):
    """Median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(figures[name], figures[to]))


class Results:
    """Rows of the table: what was measured, and whether it reaches what it must."""

    def __init__(self):
        self.rows = []

    def add(self, benchmark, variant, value, unit, ratio_=None, to=None, target=None, holds=None):
        self.rows.append({"benchmark": benchmark, "variant": variant, "value": value, "unit": unit,
                          "ratio": ratio_, "to": to, "target": target, "holds": holds})
        self.show(self.rows[-1])

    def ratios(self, benchmark, figures, unit, targets, to="native"):
        """`targets`: {variant: (">=" or "<=", ratio)}."""
        for name, values in figures.items():
            value = statistics.median(values)
            if name == to:
                self.add(benchmark, name, value, unit)
                continue
            r = ratio(figures, name, to)
            sign, limit = targets.get(name, (None, None))
            holds = None if sign is None else (r >= limit if sign == ">=" else r <= limit)
            self.add(benchmark, name, value, unit, r, to,
                     None if sign is None else f"{sign} {limit} x {to}", holds)

    @staticmethod
    def show(row):
        text = f"{row['benchmark']:34} {row['variant']:28} {row['value']:>14,.2f} {row['unit']:10}"
        if row["ratio"] is not None:
            text += f" {row['ratio']:8.3f} x {row['to']}"
        if row["target"]:
            text += f"   must be {row['target']}: {'holds' if row['holds'] else 'DOES NOT HOLD'}"
        print(text.rstrip(), flush=True)


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

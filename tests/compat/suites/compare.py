# SPDX-License-Identifier: MIT
"""Compares the trials of a part: which cases are different under softclose, and how surely.

A case that comes out differently is run again, up to AGAIN times in every mode:
  differs    never the same again in that mode: a true difference
  suspect    natively always the same, in that mode sometimes different
  unsteady   natively, too, it comes out now one way, now the other
  once       different the first time, the same in every repetition
"""

import collections
import concurrent.futures
import fnmatch
import pathlib

import trial

AGAIN = 3
BAD = ("differs", "suspect")
MISSING = trial.Outcome("missing", "it did not run")

Difference = collections.namedtuple("Difference", "case mode verdict words why expected")
Row = collections.namedtuple("Row", "suite part trials differences")


def expected_differences():
    """[(suite, case, mode, kind, why)] from the file `expected`."""
    expected = []
    for line in (trial.HERE / "expected").read_text().splitlines():
        if line and not line.startswith("#"):
            expected.append(line.split(None, 4))
    return expected


def explain(expected, *difference):
    """(kind, why) of a (suite, case, mode), or None."""
    for *patterns, kind, why in expected:
        if all(map(fnmatch.fnmatchcase, difference, patterns)):
            return kind, why
    return None


def judge(native, covered):
    """The words of all runs of a case, natively and in one mode."""
    if set(native) == set(covered) and len(set(native)) == 1:
        return "same"
    if len(set(native)) > 1:
        return "unsteady"
    if not set(native) & set(covered):
        return "differs"
    return "suspect" if any(word != native[0] for word in covered[1:]) else "once"


class Comparison:
    def __init__(self, shim, common, folder, jobs, modes, keep=False, say=print):
        self.shim, self.common, self.folder = shim, common, folder
        self.jobs, self.modes, self.keep, self.say = jobs, modes, keep, say
        self.expected = expected_differences()

    def _run(self, suite, part, mode, limit, only=()):
        return trial.run(suite, part, mode, self.shim, self.common / suite, self.folder, limit,
                         only)

    def _in_all_modes(self, suite, part, limit, jobs):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = {mode: pool.submit(self._run, suite, part, mode, limit)
                       for mode in self.modes}
            return {mode: future.result() for mode, future in futures.items()}

    def _again(self, suite, part, limit, modes, cases):
        """{mode: {case: [words]}} of AGAIN more runs, all of them with nothing beside them."""
        words = {mode: {case: [] for case in cases} for mode in modes}
        whys = {}
        for _ in range(AGAIN):
            for mode in modes:
                one = self._run(suite, part, mode, limit, sorted(cases))
                for case in cases:
                    outcome = one.cases.get(case, MISSING)
                    words[mode][case].append(outcome.word)
                    if outcome.word != "ok":
                        whys[mode, case] = outcome.why
                if not self.keep:
                    trial.discard(one)
        return words, whys

    def part(self, suite, part, limit, serial=False):
        trials = self._in_all_modes(suite, part, limit, 1 if serial else self.jobs)
        native = trials["native"].cases
        different = {}  # case -> modes
        for mode in self.modes[1:]:
            for case in native.keys() | trials[mode].cases.keys():
                if native.get(case, MISSING).word != trials[mode].cases.get(case, MISSING).word:
                    different.setdefault(case, []).append(mode)
        differences = []
        if different:
            self.say(f"{suite}/{part}: {len(different)} cases came out differently; run again")
            modes = ["native"] + [mode for mode in self.modes[1:]
                                  if any(mode in modes for modes in different.values())]
            words, whys = self._again(suite, part, limit, modes, different)
            for case, its_modes in sorted(different.items()):
                for mode in its_modes:
                    differences.append(self._difference(suite, case, mode, trials, words, whys))
        if not self.keep and not differences:
            for one in trials.values():
                trial.discard(one)
        return Row(suite, part, trials, differences)

    def _difference(self, suite, case, mode, trials, words, whys):
        first = trials[mode].cases.get(case, MISSING)
        native = [trials["native"].cases.get(case, MISSING).word] + words["native"][case]
        covered = [first.word] + words[mode][case]
        why = whys.get((mode, case)) or first.why or whys.get(("native", case), "")
        return Difference(case, mode, judge(native, covered),
                          f"native {' '.join(native)}; {mode} {' '.join(covered)}", why,
                          explain(self.expected, suite, case, mode))


def bad(row):
    """The differences that must not be."""
    return [one for one in row.differences if one.verdict in BAD and not allowed(one)]


def allowed(difference):
    return difference.expected is not None and difference.expected[0] == "linger-zero"


def failed_alike(row):
    """The cases that failed in every mode."""
    return sorted(case for case in row.trials["native"].cases
                  if all(one.cases.get(case, MISSING).word == "fail"
                         for one in row.trials.values()))


def incomplete(row):
    """The modes that did not come to their end, or in which no case ran."""
    return [mode for mode, one in row.trials.items() if not (one.complete and one.cases)]


def tally(one):
    """ok/fail/skip of a trial."""
    count = collections.Counter(outcome.word for outcome in one.cases.values())
    return f"{count['ok']}/{count['fail']}/{count['skip']}"


def names(folder=trial.HERE):
    return sorted(path.stem for path in pathlib.Path(folder).glob("*.suite"))

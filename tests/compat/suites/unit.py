# SPDX-License-Identifier: MIT
"""One test module of CPython, case by case.

usage: unit.py MODULE RESULTS [CASE]...

The cases are unittest's own, by their ids; a failing sub-test fails its case.
"""

import faulthandler
import sys
import unittest

from test import support


class Lines(unittest.TextTestResult):
    """Writes each case's line when the case has ended, so that a hang names what it hung in."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.outcome = {}

    def _line(self, test, outcome, why=""):
        with open(results, "a", encoding="utf-8") as out:
            why = " ".join(why.split())[-300:]
            print(f"{outcome} {test.id().replace(' ', '_')}\t{why}", file=out)

    def _fail(self, test, error):
        lines = [line for line in self._exc_info_to_string(error, test).splitlines() if line]
        self.outcome[test.id()] = ("fail", " | ".join(lines[-2:]))

    def startTest(self, test):
        super().startTest(test)
        with open(results + ".now", "w", encoding="utf-8") as out:
            out.write(test.id())

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test, err)
        if not isinstance(test, unittest.TestCase):  # setUpModule, setUpClass
            self._line(test, "fail", self.outcome[test.id()][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.TestCase):
            self.outcome.setdefault(test.id(), ("skip", reason))

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome[test.id()] = ("fail", "unexpected success")

    def stopTest(self, test):
        super().stopTest(test)
        self._line(test, *self.outcome.get(test.id(), ("ok", "")))


if __name__ == "__main__":
    module, results, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    faulthandler.enable()
    faulthandler.dump_traceback_later(240, repeat=True)
    # The namespace has only its loopback: what wants the network finds none, or itself.
    support.use_resources = ["cpu", "subprocess", "walltime", "network"]
    support.verbose = 0
    sys.argv[1:] = []
    suite = unittest.TestLoader().loadTestsFromNames(wanted or ["test." + module])
    runner = unittest.TextTestRunner(verbosity=2, resultclass=Lines)
    result = runner.run(suite)
    sys.stdout.flush()
    sys.exit(not result.wasSuccessful())

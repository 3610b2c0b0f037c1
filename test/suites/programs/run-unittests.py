"""Runs modules of unittest tests, and writes one line a test to ./results: its name, a tab, "passed", "failed" or "skipped".

    run-unittests.py MODULE…

What the tests print themselves goes to stderr, and so do the tracebacks.
"""

import gc
import sys
import unittest

results = open("results", "w", encoding="utf-8")


class Recorded(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.outcome = "passed"

    def addError(self, test, err):
        super().addError(test, err)
        self.outcome = "failed"
        if not isinstance(test, unittest.TestCase):  # setUpClass, setUpModule
            self.write(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = "failed"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome = "failed"

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.outcome = "failed"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = "skipped"
        if not isinstance(test, unittest.TestCase):
            self.write(test.id())

    def stopTest(self, test):
        super().stopTest(test)
        self.write(test.id())

    def write(self, name):
        print(name.removeprefix("test."), self.outcome, sep="\t", file=results, flush=True)


for module in sys.argv[1:]:
    suite = unittest.defaultTestLoader.loadTestsFromName(module)
    unittest.TextTestRunner(stream=sys.stderr, resultclass=Recorded, verbosity=2).run(suite)
    gc.collect()

# SPDX-License-Identifier: Apache-2.0
"""Runs the end-to-end tests, those of the campaigns and of what benchmarks judge by included: `python3 Tests/e2e [-k TEXT] [MODULE…]`.

A line for each test, reasons for each skip, and `N passed, N failed, N skipped` last. Exit code 0 when none failed.
"""

import argparse
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


class LineResult(unittest.TestResult):
    """One line for each test as it ends; the trace of a failure right below its line."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = self.skipped_count = 0
        self.began = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()
        self.failed_already = False

    def _line(self, word, test, more=""):
        name = test.id() if hasattr(test, "id") else str(test)
        print(f"{word:5} {name} ({time.monotonic() - self.began:.1f} s){more}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self._line("ok", test)

    def addSkip(self, test, reason):
        self.skipped_count += 1
        self._line("skip", test, f": {reason}")

    def addError(self, test, err):
        # A test and its clean-up can both fail; the test still counts once.
        if not getattr(self, "failed_already", False) or not isinstance(test, unittest.TestCase):
            self.failed += 1
        self.failed_already = True
        self._line("FAIL", test)
        trace = self._exc_info_to_string(err, test) if isinstance(test, unittest.TestCase) else str(err[1])
        print("    " + trace.strip().replace("\n", "\n    "), flush=True)

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addError(subtest, err)


def main():
    parser = argparse.ArgumentParser(prog="Tests/e2e", description="End-to-end tests of paasd, agent and paas.")
    parser.add_argument("-k", metavar="TEXT", action="append", help="only tests whose name contains TEXT")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="such as test_logs; all of them without")
    arguments = parser.parse_args()

    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if arguments.k:
        loader.testNamePatterns = [f"*{text}*" for text in arguments.k]
    places = (HERE, HERE.parent / "campaign", HERE.parents[1] / "Benchmarks/lib")
    everything = [path for place in places for path in sorted(place.glob("test_*.py"))]
    paths = [HERE / module for module in arguments.modules] or everything
    for path in paths:
        if path.parent != HERE:
            sys.path.append(str(path.parent))
    suite = unittest.TestSuite(loader.loadTestsFromName(path.stem) for path in paths)
    result = LineResult()
    suite.run(result)
    print(f"{result.passed} passed, {result.failed} failed, {result.skipped_count} skipped", flush=True)
    # Nothing run is no success: a misspelt -k would look like one.
    sys.exit(1 if result.failed or not result.testsRun and not result.skipped_count else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts tests in the xUnit files that `swift test` wrote: `count-xunit.py FILE…` prints PASSED FAILED SKIPPED.

Skips are listed with their reasons on standard error. A file that is missing counts as nothing: SwiftPM writes one for
XCTest and one for Swift Testing, and only where there are such tests. A file that cannot be read is one failure.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main():
    passed = failed = skipped = 0
    for path in map(Path, sys.argv[1:]):
        if not path.exists():
            continue
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except ElementTree.ParseError as error:
            print(f"{path}: {error}", file=sys.stderr)
            failed += 1
            continue
        for case in cases:
            skip = case.find("skipped")
            if skip is not None:
                skipped += 1
                reason = (skip.text or skip.get("message") or "no reason given").strip()
                print(f"skip  {case.get('classname')}.{case.get('name')}: {reason}", file=sys.stderr)
            elif case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            else:
                passed += 1
    print(passed, failed, skipped)


if __name__ == "__main__":
    main()

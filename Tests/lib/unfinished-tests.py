#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names the tests that began and did not end: `unfinished-tests.py FILE`, FILE being what `swift test` printed."""

import re
import sys
from pathlib import Path

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
LINE = re.compile(r"^\S+ Test (?!case |run )(.+?)(?: with \d+ test cases?)? (started|passed|failed|skipped)\b")


def main():
    open_tests = {}
    for line in Path(sys.argv[1]).read_text(errors="replace").splitlines():
        found = LINE.match(ESCAPE.sub("", line))
        if not found:
            continue
        if found[2] == "started":
            open_tests[found[1]] = None
        else:
            open_tests.pop(found[1], None)
    for name in open_tests:
        print(f"FAIL  began and did not end: {name}")


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""What a campaign found: violations of its invariants, each with the evidence, and the figures of its table."""

import sys
import time


class Findings:
    """Violations are told as they are found; `table` closes the campaign."""

    shown_of_each = 10

    def __init__(self, out=sys.stdout):
        self.out = out
        self.began = time.monotonic()
        self.violations = {}  # Invariant: sentences. In the order in which invariants were named.
        self.figures = {}
        self.told = 0.0
        self.context = ""  # What is going on, before the sentence of every violation.

    def expects(self, *invariants):
        """Names invariants beforehand, so that the table shows those that held, too."""
        for name in invariants:
            self.violations.setdefault(name, [])

    def violated(self, invariant, sentence):
        known = self.violations.setdefault(invariant, [])
        sentence = self.context + sentence
        known.append(sentence)
        if len(known) <= self.shown_of_each:
            self._print(f"VIOLATION {invariant}: {sentence}")
        elif len(known) == self.shown_of_each + 1:
            self._print(f"VIOLATION {invariant}: more of these; the table counts them")

    def count(self, figure, more=1):
        self.figures[figure] = self.figures.get(figure, 0) + more

    @property
    def total(self):
        return sum(map(len, self.violations.values()))

    def progress(self, done, of, more=""):
        """A line that replaces itself on a terminal; elsewhere one every 20 seconds."""
        now = time.monotonic()
        terminal = self.out.isatty()
        if not terminal and now - self.told < 20 and done < of:
            return
        self.told = now
        text = f"{done}/{of}  {now - self.began:.0f} s  {self.total} violations  {more}".rstrip()
        print(f"\r\x1b[K{text}" if terminal else text, end="" if terminal else "\n", file=self.out, flush=True)

    def table(self, title):
        """Prints every figure and every invariant with the number of its violations. True when there was none."""
        self._print(f"\n{title}, {time.monotonic() - self.began:.0f} s")
        rows = list(self.figures.items()) + [(name, len(found)) for name, found in self.violations.items()]
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows[: len(self.figures)]:
            self._print(f"  {name:{width}}  {value:>8}")
        self._print("  " + "-" * (width + 10))
        for name, value in rows[len(self.figures) :]:
            self._print(f"  {name:{width}}  {value:>8}" + ("  <- VIOLATED" if value else ""))
        self._print(f"{self.total} violations")
        return self.total == 0

    def _print(self, text):
        print(("\r\x1b[K" if self.out.isatty() else "") + text, file=self.out, flush=True)

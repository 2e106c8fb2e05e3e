# SPDX-License-Identifier: Apache-2.0
"""Whether a figure that was sampled again and again grows: its slope by Theil and Sen, which a few odd samples do not move, with
the bounds between which it lies 95 times of 100, and a verdict."""

import math
import statistics

FLAT, UNCLEAR, GROWS = "flat", "unclear", "grows"
# Standard deviations of the normal distribution that 95 % lie within.
CERTAINTY = 1.96
FEWEST = 8


class Slope:
    """Of values over hours."""

    def __init__(self, hours, values):
        pairs = sorted(zip(hours, values))
        slopes = sorted((later - earlier) / (after - before) for number, (before, earlier) in enumerate(pairs)
                        for after, later in pairs[number + 1:] if after > before)
        self.samples = len(pairs)
        if not slopes:
            self.per_hour = self.low = self.high = math.nan
            return
        self.per_hour = statistics.median(slopes)
        # P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968: ranks of the bounds.
        spread = CERTAINTY * math.sqrt(self.samples * (self.samples - 1) * (2 * self.samples + 5) / 18)
        rank = (len(slopes) - spread) / 2
        self.low = slopes[max(0, math.floor(rank))]
        self.high = slopes[min(len(slopes) - 1, math.ceil(len(slopes) - rank))]

    def verdict(self, allowed):
        """It grows when even the lower bound is above what is allowed an hour; it is flat when the slope itself is not. Between
        them, and of too few samples, nothing can be said."""
        if self.samples < FEWEST or math.isnan(self.per_hour):
            return UNCLEAR
        if self.low > allowed:
            return GROWS
        return FLAT if self.per_hour <= allowed else UNCLEAR

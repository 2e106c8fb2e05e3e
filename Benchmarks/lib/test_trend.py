# SPDX-License-Identifier: Apache-2.0
"""What the soak says of figures whose growth is known."""

import random
import unittest

from trend import FLAT, GROWS, UNCLEAR, Slope

# One each minute for two hours.
HOURS = [minute / 60 for minute in range(120)]


def noisy(per_hour, spread, seed=1, hours=HOURS):
    dice = random.Random(seed)
    return [50 + per_hour * hour + dice.gauss(0, spread) for hour in hours]


class SlopeTests(unittest.TestCase):
    def test_a_line_has_its_own_slope(self):
        slope = Slope(HOURS, [7 + 3 * hour for hour in HOURS])
        for found in (slope.per_hour, slope.low, slope.high):
            self.assertAlmostEqual(found, 3)

    def test_a_leak_in_noise_is_seen(self):
        slope = Slope(HOURS, noisy(per_hour=4, spread=2))
        self.assertEqual(slope.verdict(allowed=1), GROWS)
        self.assertLess(slope.low, 4)
        self.assertGreater(slope.high, 4)

    def test_noise_alone_is_flat(self):
        verdicts = [Slope(HOURS, noisy(per_hour=0, spread=2, seed=seed)).verdict(allowed=0.7) for seed in range(20)]
        self.assertNotIn(GROWS, verdicts)
        self.assertGreater(verdicts.count(FLAT), 15)

    def test_bounds_hold_what_is_true_19_times_of_20(self):
        slopes = [Slope(HOURS[:60], noisy(per_hour=1, spread=3, seed=seed, hours=HOURS[:60])) for seed in range(100)]
        self.assertGreater(sum(slope.low <= 1 <= slope.high for slope in slopes), 88)

    def test_a_step_and_odd_samples_are_no_growth(self):
        values = noisy(per_hour=0, spread=0.5)
        for place in range(5, 115, 10):
            values[place] += 100
        self.assertEqual(Slope(HOURS, values).verdict(allowed=0.7), FLAT)

    def test_what_shrinks_is_flat(self):
        self.assertEqual(Slope(HOURS, noisy(per_hour=-5, spread=1)).verdict(allowed=1), FLAT)

    def test_little_growth_in_much_noise_is_unclear(self):
        slope = Slope(HOURS, noisy(per_hour=1.5, spread=2))
        self.assertEqual(slope.verdict(allowed=0.7), UNCLEAR)

    def test_too_few_samples_say_nothing(self):
        self.assertEqual(Slope(HOURS[:7], [hour * 100 for hour in HOURS[:7]]).verdict(allowed=1), UNCLEAR)
        self.assertEqual(Slope([], []).verdict(allowed=1), UNCLEAR)
        self.assertEqual(Slope([1] * 10, list(range(10))).verdict(allowed=1), UNCLEAR)

# SPDX-License-Identifier: Apache-2.0
"""Base classes of the tests: one platform for a class, or one for each test."""

import sys
import unittest

from .platform import Platform, unavailable


def _begin(platform):
    try:
        return platform.start()
    except BaseException:
        platform.tear_down()
        raise


def _show_logs(platform):
    for daemon in (platform.paasd, platform.agent):
        if daemon:
            tail = daemon.log().splitlines()[-15:]
            print("\n".join(f"    {daemon.name}: {line}" for line in tail), file=sys.stderr)


class SharedPlatformCase(unittest.TestCase):
    """Tests that share one platform; each uses names of apps that no other test of the class uses."""

    make_platform = Platform
    unavailable = staticmethod(unavailable)

    @classmethod
    def setUpClass(cls):
        reason = cls.unavailable()
        if reason:
            raise unittest.SkipTest(reason)
        cls.platform = _begin(cls.make_platform())

    @classmethod
    def tearDownClass(cls):
        problems = cls.platform.tear_down()
        if problems:
            _show_logs_safely(cls.platform)
            raise AssertionError("; ".join(problems))


class OwnPlatformCase(unittest.TestCase):
    """Tests that hurt the platform, so each gets its own."""

    def setUp(self):
        reason = unavailable()
        if reason:
            self.skipTest(reason)
        self.platform = _begin(Platform())
        self.addCleanup(self._end)

    def _end(self):
        problems = self.platform.tear_down()
        self.assertEqual(problems, [])


def _show_logs_safely(platform):
    try:
        _show_logs(platform)
    except OSError:
        pass

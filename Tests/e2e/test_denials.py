# SPDX-License-Identifier: Apache-2.0
"""System calls that the sandbox blocks: each is an event with its count, and a flood of them is no flood of events."""

from harness.case import OwnPlatformCase, SharedPlatformCase
from harness.waiting import Deadline


def told(platform, name):
    """Blocked calls of the events so far, oldest first."""
    events = platform.paas("events", name, "--json").json
    return [event for event in events if event["kind"] == "blocked"]


def wait_until_told(platform, name, call, count, seconds):
    """Waits until events have told so many denials of a call in all, and returns those events."""
    deadline = Deadline(seconds)
    lines, close = platform.api.follow(f"/apps/{name}/events?follow=true")
    try:
        while True:
            events = [event for event in told(platform, name) if event["blocked"]["call"] == call]
            if sum(event["blocked"]["count"] for event in events) >= count:
                return events
            if deadline.passed:
                raise AssertionError(f"{name}: {count} denials of {call} did not come: {events}")
            lines.next(min(0.5, deadline.left))
    finally:
        close()


class DenialTests(SharedPlatformCase):
    def test_a_blocked_call_is_an_event_once_with_name_count_and_place(self):
        self.platform.deploy_probe("asks")
        self.assertEqual(told(self.platform, "asks"), [])
        self.assertEqual(self.platform.get("asks", "/denied?call=mount").json["answers"], ["EPERM"])
        (event,) = wait_until_told(self.platform, "asks", "mount", 1, 20)
        self.assertEqual(event["blocked"], {"call": "mount", "count": 1})
        self.assertEqual((event["app"], event["instance"], event["release"]), ("asks", "web.1", "v1"))
        self.assertEqual(event["message"], "blocked system call 'mount', once (sandbox standard)")
        self.assertRegex(self.platform.paas("events", "asks").out, r"blocked +asks\[web\.1\]  blocked system call 'mount'")
        (instance,) = self.platform.paas("inspect", "asks", "--json").json["instances"]
        self.assertEqual(instance["blockedCalls"], [{"call": "mount", "count": 1}])
        self.assertRegex(self.platform.paas("inspect", "asks").out, r"blocked calls +mount \(1\)\n")

    def test_a_flood_is_one_event_a_minute_and_each_call_is_counted(self):
        self.platform.deploy_probe("floods")
        self.assertEqual(self.platform.get("floods", "/denied?call=unshare&times=20000").json["answers"], ["EPERM"])
        self.assertEqual(self.platform.get("floods").status, 200)
        self.assertEqual(len(told(self.platform, "floods")), 1)
        events = wait_until_told(self.platform, "floods", "unshare", 20_000, 130)
        self.assertEqual([event["blocked"]["count"] for event in events], [1, 19_999])

    def test_an_ordinary_app_has_none(self):
        self.platform.deploy_probe("good")
        self.assertEqual(self.platform.get("good", "/count").json["count"], 1)
        self.assertEqual(told(self.platform, "good"), [])
        (instance,) = self.platform.paas("inspect", "good", "--json").json["instances"]
        self.assertNotIn("blockedCalls", instance)


class DenialSurvivalTests(OwnPlatformCase):
    def test_no_count_is_lost_or_doubled_when_the_agent_is_killed(self):
        self.platform.deploy_probe("stays", "--restart", "never")
        self.platform.get("stays", "/denied?call=mount&times=500")
        wait_until_told(self.platform, "stays", "mount", 1, 20)
        self.platform.agent.kill()
        self.platform.start_agent()
        self.platform.wait_for_app("stays", lambda app: app["status"] == "running", "the adoption")
        self.platform.get("stays", "/denied?call=mount&times=500")
        self.platform.get("stays", "/denied?call=unshare&times=3")
        # The end of the run brings everything to the agent, which tells it when it may.
        self.platform.get("stays", "/exit?code=0")
        self.platform.agent.kill()
        self.platform.start_agent()
        events = wait_until_told(self.platform, "stays", "mount", 1_000, 130)
        self.assertEqual(sum(event["blocked"]["count"] for event in events), 1_000)
        events = wait_until_told(self.platform, "stays", "unshare", 3, 130)
        self.assertEqual(sum(event["blocked"]["count"] for event in events), 3)

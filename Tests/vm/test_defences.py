# SPDX-License-Identifier: Apache-2.0
"""The attack suite against the sandbox of other kernels, and with each defence removed: an attack that is stopped either
way proves nothing. Only here, because a machine that is thrown away may be attacked as root."""

import json
import os
import subprocess
import tempfile

from harness.case import SharedPlatformCase
from harness.platform import BINARIES
from harness.waiting import SLOWNESS


class DefenceTests(SharedPlatformCase):
    def surroundings(self):
        """What the attacks may reach for."""
        return {
            "ATTACK_HOME": str(self.platform.home), "ATTACK_CGROUP": str(self.platform.cgroup.path),
            "ATTACK_ROUTER_PORT": str(self.platform.router_port), "ATTACK_API_PORT": str(self.platform.api_port),
        }

    def results(self, arguments, environment=None):
        """The suite's lines, by case."""
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                arguments, capture_output=True, text=True, cwd=directory, timeout=180 * SLOWNESS, check=False,
                env={**os.environ, **(environment or {})})
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        self.assertGreater(len(lines), 90, done.stderr + done.stdout[-2000:])
        return {line["case"]: line for line in lines}

    def in_the_sandbox(self, layers):
        without = [word for layer in layers for word in ("--without", layer)]
        variables = [word for pair in self.surroundings().items() for word in ("-e", "=".join(pair))]
        # The program is shown where it can be executed also without a mount namespace.
        program = "/app/paas-attacks" if "mount-namespace" not in layers else str(BINARIES / "paas-attacks")
        return self.results(
            [BINARIES / "agent", "try-sandbox", *without, *variables, "--source", BINARIES, "--", program])

    def as_root(self):
        return self.results([BINARIES / "paas-attacks"], {"PAAS_APP": "nothing", **self.surroundings()})

    def test_every_attack_is_stopped(self):
        result = self.platform.paas("doctor", "--sandbox", "--json", expect=None, timeout=240)
        report = result.json
        self.assertEqual([case["case"] for case in report["cases"] if case["outcome"] == "succeeded"], [])
        self.assertEqual(result.code, 0)
        print(f"    {report['stopped']}/{report['tried']} stopped", flush=True)

    def test_every_attack_succeeds_without_its_defence(self):
        (node,) = self.platform.api.get("/nodes")
        in_force = {layer["name"] for layer in node["capabilities"]["layers"] if layer["enforced"]}
        cases = self.as_root()
        opened, unshown = 0, []
        for layers in sorted({case["openedBy"] for case in cases.values()}):
            group = {name for name, case in cases.items() if case["openedBy"] == layers}
            if layers == "everything":
                results = cases
            elif set(layers.split()) <= in_force:
                results = self.in_the_sandbox(layers.split())
            else:
                unshown += sorted(group)
                continue
            for name in sorted(group):
                with self.subTest(case=name, without=layers):
                    result = results[name]
                    if result["outcome"] != "succeeded" and result["unshown"]:
                        unshown.append(f"{name} ({result['unshown']})")
                        continue
                    self.assertEqual(result["outcome"], "succeeded", result["seen"])
                    opened += 1
        print(f"    {opened}/{len(cases)} succeed without their defence; not to be shown here: {', '.join(unshown)}",
              flush=True)

# SPDX-License-Identifier: Apache-2.0
"""README and tutorial are run: every indented block, in order, in one shell. What they name exists."""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from harness import cgroups
from harness.case import OwnPlatformCase
from harness.platform import BINARIES, CHECKOUT, EXAMPLES
from harness.waiting import SLOWNESS

# These start whole machines or all tests; Tests/integration/test_quickstart.py and CI run them.
# Run by other tests: test_quickstart, CI, and Tests/vm/run-systemd, because this one changes the machine.
ELSEWHERE = {"deploy/quickstart", "Tests/run", "deploy/package && apt install ./.build/package/mini-paas_*.deb"}


def blocks(path):
    """The indented blocks of a page as lists of lines, each with the comment before it; `web: …` files are none."""
    comment, block, found, fenced = "", [], [], False
    for line in [*Path(path).read_text().splitlines(), ""]:
        if line.startswith("```"):
            fenced = not fenced
        if line.startswith("    ") and not fenced:
            block.append(line[4:])
            continue
        if block:
            found.append((comment, block))
            comment, block = "", []
        if line.startswith("<!--"):
            comment = line.strip("<!-> ")
    return found


def is_a_file(block):
    """`paas.toml` shown as it is written."""
    return all(re.match(r"[a-z-]+ = ", line) for line in block)


class DocumentTests(OwnPlatformCase):
    def run_page(self, page):
        self.platform.paas("deploy", "--source", EXAMPLES / "hello")
        programs = self.platform.home / "programs"
        programs.symlink_to(BINARIES)
        run = 0
        for comment, block in blocks(CHECKOUT / page):
            if is_a_file(block) or set(block) <= ELSEWHERE:
                continue
            text = "\n".join(block)
            text = text.replace("$PWD/.build/release", str(programs)).replace("$PWD/.paas", str(self.platform.home))
            text = text.replace(":8080", f":{self.platform.router_port}").replace(":7070", f":{self.platform.api_port}")
            needs = set(comment.removeprefix("needs ").split()) if comment.startswith("needs ") else set()
            can = needs <= cgroups.controllers()
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text], cwd=CHECKOUT, env=self.platform.environment, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=240 * SLOWNESS, check=False)
            shown = f"{page}:\n{text}\n-> {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            if can:
                self.assertEqual(done.returncode, 0, shown)
            else:
                # Refused, and by name, is what the page says of such a machine.
                self.assertNotEqual(done.returncode, 0, shown)
                self.assertRegex(done.stderr, "memory|cpu|pids", shown)
            run += 1
        return run

    def test_every_command_of_the_readme_works(self):
        self.assertGreaterEqual(self.run_page("README.md"), 4)

    def test_every_command_of_the_tutorial_works(self):
        self.assertGreaterEqual(self.run_page("docs/tutorial.md"), 7)

    def test_the_strangers_report_is_the_one_in_the_tutorial(self):
        self.platform.paas("deploy", "--name", "stranger", "--source", EXAMPLES / "stranger", "--sandbox", "strict")
        told = (CHECKOUT / "docs/tutorial.md").read_text().split("```")[1].strip().splitlines()
        seen = self.platform.get("stranger").text.splitlines()
        # The uid is whichever is free.
        self.assertEqual(re.sub(r"uid \d+", "uid N", "\n".join(seen)), re.sub(r"uid \d+", "uid N", "\n".join(told)))


class ReferenceTests(unittest.TestCase):
    def setUp(self):
        if not (BINARIES / "paas").exists():
            self.skipTest("needs the built programs: deploy/build")

    def test_the_reference_pages_are_what_the_programs_say(self):
        self.maxDiff = 4000
        for page, generator in (("cli.md", "command"), ("settings.md", "settings"), ("api.md", "api")):
            with self.subTest(page):
                made = subprocess.run(
                    [sys.executable, CHECKOUT / f"deploy/lib/{generator}-reference.py", BINARIES], capture_output=True, text=True,
                    timeout=120 * SLOWNESS, check=False)
                self.assertEqual(made.returncode, 0, made.stderr)
                self.assertEqual((CHECKOUT / "docs" / page).read_text(), made.stdout, "run: deploy/write-references .build/release")

    def test_the_limits_explained_are_those_that_there_are(self):
        listed = (CHECKOUT / "docs/settings.md").read_text().partition("### `[limits]`")[2].partition("\n## ")[0]
        known = set(re.findall(r"^\| `([a-z-]+)` \| `limits\.([A-Za-z]+)`", listed, re.MULTILINE))
        explained = (CHECKOUT / "docs/configuration.md").read_text().partition("\n## Limits\n")[2]
        pairs = set()
        for row in re.findall(r"^\| `.*", explained, re.MULTILINE):
            options, _, fields = row.split("|")[1:4]
            pairs |= set(zip(re.findall(r"`([a-z-]+)`", options), re.findall(r"`([A-Za-z]+)`", fields)))
        self.assertEqual(pairs, known)

    def test_the_limits_of_the_router_explained_are_those_that_there_are(self):
        known = set(re.findall(r"Names: ([a-z, -]+)\.", re.search(r"`--router-limit .*", (CHECKOUT / "docs/cli.md").read_text())[0])[0].split(", "))
        explained = (CHECKOUT / "docs/router.md").read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
        self.assertEqual(set(re.findall(r"^\| `([a-z-]+)`", explained, re.MULTILINE)), known)

    def test_docc_builds_the_libraries_without_a_warning(self):
        if not (BINARIES / "description.json").exists():
            self.skipTest("needs the modules of a build beside the programs: deploy/build")
        if shutil.which("docc") is None:
            self.skipTest("needs docc of the Swift toolchain")
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [sys.executable, CHECKOUT / "deploy/lib/module-documentation.py", BINARIES, directory], capture_output=True, text=True,
                timeout=300 * SLOWNESS, check=False)
            self.assertEqual(done.returncode, 0, done.stderr[-4000:])
            self.assertRegex(done.stdout, r"(?m)^1[0-9] modules without a warning: .*Supervision")

    def test_every_command_and_option_that_a_page_names_exists(self):
        known = (CHECKOUT / "docs/cli.md").read_text()
        commands = set(re.findall(r"^### `paas ([a-z ]+)`", known, re.MULTILINE))
        options = set(re.findall(r"--[a-z-]+", known)) | {"--help", "--version"}
        for page in [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]:
            for code in re.findall(r"`(paas [^`]+)`", page.read_text()):
                word = code.split()[1]
                if re.fullmatch("[a-z]+", word):
                    self.assertTrue(any(f"{command} ".startswith(f"{word} ") for command in commands), f"{page.name}: {code}")
                for option in re.findall(r"(?<!\S)--[a-z-]+", code):
                    self.assertIn(option, options, f"{page.name}: {code}")

    def test_the_table_of_the_router_names_every_case_and_only_what_exists(self):
        page = (CHECKOUT / "docs/router-conformance.md").read_text()
        sources = {path.stem: path.read_text() for place in ("RouterTests/*.swift", "e2e/*.py") for path in (CHECKOUT / "Tests").glob(place)}
        for stem, name in re.findall(r"`((?:test_)?[A-Za-z0-9]+)\.([A-Za-z0-9_]+)`", page):
            self.assertTrue(re.search(rf"(?m)(func |def |let |^){name}\b", sources[stem]), f"{stem}.{name}")
        listed = {re.sub(r"\s+", " ", name) for name in re.findall("“([^”]+)”", page)} - {"…"}
        cases = set(re.findall(r'\b(?:post|chunks|head)\(\s*"([^"]+)", ', sources["FramingTests"]))
        cases |= set(re.findall(r'(?m)^        \("([^"]+)", "', sources["FramingTests"]))
        cases |= set(re.findall(r'(?m)^    "([^"]+)": ', sources["test_conformance"]))
        self.assertGreater(len(cases), 140)
        self.assertEqual(listed, cases)

    def test_links_between_pages_lead_somewhere(self):
        for page in [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]:
            text = re.sub(r"`[^`\n]*`", "``", page.read_text())
            for target in re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src(?:set)?="([^"]+)"', text):
                if not re.match(r"[a-z]+:", target):
                    self.assertTrue((page.parent / target).exists(), f"{page.relative_to(CHECKOUT)}: {target}")

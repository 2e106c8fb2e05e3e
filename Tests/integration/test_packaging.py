# SPDX-License-Identifier: Apache-2.0
"""deploy/package, deploy/install and deploy/uninstall, in throw-away trees. Tests/vm/run-systemd runs what they install."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness.platform import BINARIES, CHECKOUT

# A copy of the machine in a mount namespace of its own: what is written lands on a tmpfs, and goes with it.
IN_A_COPY = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
for directory in /proc /sys /dev; do mount --rbind "$directory" "$1/root$directory"; done
mount -t tmpfs tmpfs "$1/root/run"
exec chroot "$1/root" /bin/bash -ec "$2"
"""


def call(*arguments, expect=0, env=None):
    done = subprocess.run(
        [str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", timeout=300, check=False,
        env={**os.environ, "PAAS_BINARIES": str(BINARIES), "LC_ALL": "C.UTF-8", **(env or {})})
    if done.returncode != expect:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


class PackageTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="paas-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        call(CHECKOUT / "deploy/package", "--output", cls.directory)
        (cls.package,) = cls.directory.glob("*.deb")

    def field(self, name):
        return call("dpkg-deb", "--field", self.package, name).strip()

    def contents(self):
        """Path of every file, with its mode and owner."""
        lines = [line.split(None, 5) for line in call("dpkg-deb", "--contents", self.package).splitlines()]
        return {line[5]: (line[0], line[1]) for line in lines if not line[5].endswith("/")}

    def test_name_version_and_dependencies_are_those_of_the_programs(self):
        version = call(BINARIES / "paas", "--version").split()[-1]
        self.assertEqual(self.package.name, f"mini-paas_{version}_{call('dpkg', '--print-architecture').strip()}.deb")
        self.assertEqual(self.field("Version"), version)
        for library in ("libc6 (>=", "libsqlite3-0 (>=", "systemd (>="):
            self.assertIn(library, self.field("Depends"))

    def test_every_file_is_roots_and_nobody_else_may_write_it(self):
        for path, (mode, owner) in self.contents().items():
            self.assertEqual(owner, "root/root", path)
            self.assertRegex(mode, r"^[-l]r[w-][x-]r[w-]?[x-]", path)
            self.assertFalse(mode.startswith("-") and "w" in mode[3:], f"{path}: {mode}")

    def test_settings_are_kept_on_an_upgrade(self):
        tree = self.directory / "control"
        call("dpkg-deb", "--control", self.package, tree)
        self.assertEqual(
            (tree / "conffiles").read_text().split(), ["/etc/mini-paas/agent.toml", "/etc/mini-paas/paasd.toml"])

    def test_programs_need_nothing_but_what_comes_with_them_and_debian(self):
        tree = self.directory / "tree"
        call("dpkg-deb", "--extract", self.package, tree)
        shipped = {path.name for path in (tree / "usr/lib/mini-paas").glob("*.so*")}
        for program in (tree / "usr/lib/mini-paas" / name for name in ("paasd", "agent", "paas")):
            dynamic = call("readelf", "--dynamic", program)
            self.assertEqual(re.findall(r"\(RU?N?PATH\).*\[(.*)\]", dynamic), ["/usr/lib/mini-paas"], program)
            needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
            swift = {name for name in needed if name.startswith(("libswift", "libFoundation", "lib_Foundation"))}
            self.assertLessEqual(swift, shipped, program)
            self.assertNotIn(".symtab", call("readelf", "--sections", program), program)
        # It stays beside every app, without an interpreter and without a library.
        self.assertNotIn("INTERP", call("readelf", "--program-headers", tree / "usr/lib/mini-paas/paas-init"))

    def test_units_name_files_that_are_in_the_package(self):
        tree = self.directory / "units"
        call("dpkg-deb", "--extract", self.package, tree)
        for unit in (tree / "usr/lib/systemd/system").iterdir():
            text = unit.read_text()
            self.assertNotRegex(text, "@[A-Z]+@", unit.name)
            for path in re.findall(r"(?:/usr/lib|/usr/share/doc|/etc)/mini-paas/[a-z.-]+", text):
                self.assertTrue((tree / path.lstrip("/")).is_file(), f"{unit.name}: {path}")

    def test_same_sources_give_the_same_package(self):
        again = self.directory / "again"
        call(CHECKOUT / "deploy/package", "--output", again)
        self.assertEqual((again / self.package.name).read_bytes(), self.package.read_bytes())

    def test_lintian_finds_no_error(self):
        if not shutil.which("lintian"):
            self.skipTest("lintian is not installed")
        call("lintian", "--fail-on", "error", "--allow-root", self.package)

    def test_wrong_usage_is_said(self):
        self.assertIn("--version", call(CHECKOUT / "deploy/package", "--version", expect=64))
        self.assertIn("'not a version'", call(CHECKOUT / "deploy/package", "--version", "not a version", expect=64))


class InstallTests(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: it installs into a copy of the machine")
        if not shutil.which("systemd-sysusers"):
            self.skipTest("needs the package systemd")
        if Path("/usr/lib/mini-paas").exists():
            self.skipTest("the Debian package mini-paas is installed on this machine")
        self.directory = Path(tempfile.mkdtemp(prefix="paas-install-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def in_a_copy(self, script):
        """Runs a script in a copy of the machine that is forgotten afterwards; returns its output."""
        return call("unshare", "--mount", "/bin/sh", "-c", IN_A_COPY, "sh", self.directory, script)

    def test_uninstall_takes_away_what_install_brought_and_leaves_the_data(self):
        out = self.in_a_copy(f"""
            cd {CHECKOUT}
            list() {{ find /opt/paas /etc/systemd /etc/sysusers.d /etc/tmpfiles.d -not -type d 2>/dev/null | sort; }}
            list >/run/before
            deploy/install --prefix /opt/paas --no-start
            /opt/paas/bin/paas --version
            /opt/paas/lib/mini-paas/agent --version
            grep -H ExecStart= /etc/systemd/system/paas*.service
            stat -c '%n %a %U:%G' /var/lib/mini-paas /var/lib/mini-paas/paasd /var/lib/mini-paas/agent /run/mini-paas
            echo '# mine' >>/etc/mini-paas/agent.toml
            deploy/install --prefix /opt/paas --no-start
            tail -n 1 /etc/mini-paas/agent.toml
            deploy/uninstall --prefix /opt/paas
            list | diff /run/before - && echo nothing is left
            ls /etc/mini-paas/agent.toml /var/lib/mini-paas/paasd -d
            deploy/install --prefix /opt/paas --no-start
            deploy/uninstall --prefix /opt/paas --purge
            ls -d /etc/mini-paas /var/lib/mini-paas 2>&1 || true
        """)
        self.assertIn("paas-agent.service:ExecStart=/opt/paas/lib/mini-paas/agent --config /etc/mini-paas/agent.toml", out)
        self.assertIn("/var/lib/mini-paas 1775 root:mini-paas\n/var/lib/mini-paas/paasd 700 mini-paas:mini-paas\n"
                      "/var/lib/mini-paas/agent 700 root:root\n/run/mini-paas 700 mini-paas:mini-paas\n", out)
        self.assertIn("# mine\n", out)
        self.assertIn("nothing is left\n/etc/mini-paas/agent.toml\n/var/lib/mini-paas/paasd\n", out)
        self.assertEqual(len(re.findall("cannot access '/(?:etc|var/lib)/mini-paas'", out)), 2, out)

    def test_wrong_usage_is_said(self):
        self.assertIn("absolute path", call(CHECKOUT / "deploy/install", "--prefix", "here", expect=64))
        self.assertIn("deploy/package", call(CHECKOUT / "deploy/install", "--prefix", "/usr", expect=64))
        self.assertIn("unknown argument", call(CHECKOUT / "deploy/uninstall", "--all", expect=64))
        self.assertIn("nothing is installed", call(CHECKOUT / "deploy/uninstall", "--prefix", "/nowhere", expect=1))

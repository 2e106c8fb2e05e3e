# SPDX-License-Identifier: Apache-2.0
"""Archives that mean harm, given to the API as bundles: each is refused with a message that says why, or harmless."""

import hashlib
import io
import tarfile

from harness.case import SharedPlatformCase

# Serves what was unpacked, so that a harmless archive is one that runs.
COMMAND = "exec python3 -m http.server $PORT --bind 127.0.0.1 --directory /app"


def entry(name, content=b"", **fields):
    """A member and its content; `fields` are those of TarInfo."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    for key, value in fields.items():
        setattr(member, key, value)
    return member, content


def archive(*members, mode="w", form=tarfile.GNU_FORMAT):
    """The bytes of an archive with these members and one good file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as tar:
        for member, content in (*members, entry("good.txt", b"good")):
            tar.addfile(member, io.BytesIO(content) if member.isreg() else None)
    return out.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, type=kind, linkname=target)


GOOD = archive()

# Name, bytes, and what the deploy says; None for an archive that is harmless: the app then runs, and what the
# last function asks for holds.
REFUSED = [
    ("dot-dot", archive(entry("../../escape", b"x")), "contains '..'"),
    ("device", archive(entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "Cannot mknod"),
    ("block-device", archive(entry("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=0)), "Cannot mknod"),
    ("hard-link-out", archive(link("passwd", "/etc/shadow", tarfile.LNKTYPE)), "Cannot hard link"),
    ("through-a-link", archive(link("out", "/usr"), entry("out/planted", b"x")), "Cannot open"),
    ("size-bomb-gzip", archive(entry("zeros", bytes(8 << 20)), mode="w:gz"), "Archive is compressed"),
    ("size-bomb-bzip2", archive(entry("zeros", bytes(8 << 20)), mode="w:bz2"), "Archive is compressed"),
    ("size-bomb-xz", archive(entry("zeros", bytes(8 << 20)), mode="w:xz"), "Archive is compressed"),
    ("too-many-files", archive(*(entry(f"f{number}") for number in range(100_001))), "more than 100000 files"),
    ("too-deep", archive(entry("/".join(["d" * 200] * 25), b"x")), "File name too long"),
    ("too-long-name", archive(entry("n" * 300, b"x")), "File name too long"),
    ("truncated", GOOD[:700], "Unexpected EOF"),
    ("cut-in-a-header", GOOD[:300], "does not look like a tar archive"),
    ("no-tar", b"#!/bin/sh\necho not an archive\n" * 100, "does not look like a tar archive"),
    ("empty", b"", "does not look like a tar archive"),
    ("broken-header", GOOD[:148] + b"00000000" + GOOD[156:], "does not look like a tar archive"),
]

HARMLESS = [
    ("absolute", archive(entry("/etc/planted", b"x")), "/etc/planted", b"x"),
    ("link-out", archive(link("out", "/etc/shadow")), "/out", None),
    ("link-to-host-data", archive(link("out", "/var/lib/mini-paas")), "/out", None),
    ("pipe", archive(entry("pipe", type=tarfile.FIFOTYPE)), "/good.txt", b"good"),
    ("setuid", archive(entry("su", b"x", mode=0o6755)), "/su", b"x"),
    ("other-owner", archive(entry("root", b"x", uid=0, gid=0, uname="root")), "/root", b"x"),
    ("twice", archive(entry("same", b"first"), entry("same", b"second")), "/same", b"second"),
    # tar makes absolute links last, and in the app's view this one leads nowhere.
    ("link-then-file", archive(link("same", "/etc/shadow"), entry("same", b"own")), "/same", None),
    ("control-characters", archive(entry("a\x1b[2Jb", b"x")), "/a%1b%5b2Jb", b"x"),
    ("not-utf-8", archive(entry("b\udcffd", b"x"), form=tarfile.GNU_FORMAT), "/good.txt", b"good"),
    ("trailing-garbage", GOOD + b"garbage" * 1000, "/good.txt", b"good"),
]


class HostileArchiveTests(SharedPlatformCase):
    def start(self, name, content):
        """Deploys an archive; returns the app once its rollout has ended."""
        digest = hashlib.sha256(content).hexdigest()
        api = self.platform.api
        answer = api.request("PUT", f"/bundles/{digest}", content, {"Content-Type": "application/octet-stream"})
        self.assertIn(answer.status, (200, 201), answer.text)
        created = api.request("POST", "/apps", {"name": name, "command": COMMAND, "bundle": digest})
        self.assertEqual(created.status, 201, created.text)
        self.addCleanup(api.request, "DELETE", f"/apps/{name}?wait=60")
        return self.platform.wait_for_app(
            name, lambda app: app["rollout"]["phase"] != "progressing", "the rollout's end", seconds=60)

    def test_what_is_dangerous_is_refused_with_its_reason(self):
        for name, content, message in REFUSED:
            with self.subTest(name):
                app = self.start(f"no-{name}", content)
                self.assertEqual(app["rollout"]["phase"], "failed")
                self.assertIn("unpacking failed", app["rollout"]["message"])
                self.assertIn(message, app["rollout"]["message"])
                self.assertEqual(app["pid"], None)

    def test_what_is_odd_is_harmless(self):
        for name, content, path, expected in HARMLESS:
            with self.subTest(name):
                app = self.start(f"ok-{name}", content)
                self.assertEqual(app["rollout"]["phase"], "succeeded", app["rollout"])
                answer = self.platform.get(f"ok-{name}", path)
                if expected is None:
                    self.assertEqual(answer.status, 404, answer.text)
                else:
                    self.assertEqual((answer.status, answer.body), (200, expected))
                for file in (self.platform.home / "agent").glob(f"**/bundles/{'[0-9a-f]' * 64}/*"):
                    self.assertFalse(file.is_symlink() is False and file.stat().st_mode & 0o6000, file)

    def test_other_bytes_than_the_digest_says_are_refused(self):
        answer = self.platform.api.request("PUT", f"/bundles/{'0' * 64}", GOOD)
        self.assertEqual((answer.status, answer.json["field"]), (422, "sha256"))
        self.assertIn(hashlib.sha256(GOOD).hexdigest(), answer.json["detail"])
        self.assertEqual(list((self.platform.home / "paasd/bundles").glob(f"{'0' * 64}*")), [])

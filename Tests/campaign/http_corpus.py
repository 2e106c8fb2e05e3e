# SPDX-License-Identifier: Apache-2.0
"""Campaign `http-corpus`: the requests of gunicorn's test suite, which says which are valid. The router must agree, or differ for a
reason that is written down here."""

import re
import socket
from pathlib import Path

from agent_kills import TEAR_DOWN
from harness.platform import TEST_APPS
from harness.waiting import SLOWNESS
from stage import Stage

DIFFERENT = "requests that are judged otherwise without a known reason"
STALE = "known reasons that no request needs"
SILENT = "requests without an answer or an end"

# Why the router takes what gunicorn refuses, and refuses what gunicorn takes: names of files.
ACCEPTED = {
    "the limits are others": r"00[678]|limit_header_default_01",
    "a field with _ is dropped, not refused": r"040",
    "a doubled Content-Type is the app's to judge": r"041",
}
REFUSED = {
    "HTTP/1.1 without Host (RFC 9112 §3.2)": r"00[4-7]|01[0-48]|02[1-3]|031(compat2?)?|100",
    "a Host that is none": r"00[23]",
    "two Transfer-Encoding fields, or another coding than chunked": r"025(_line)?|029|030|rfc9112_smuggle_(gzip|te_identity)_chunked_01",
    "an option of gunicorn's permits it": r"028|compat_.*|pp_0\d",
    "CONNECT is for forward proxies": r"rfc9112_target_authority_.*",
    "a quoted chunk extension": r"rfc9112_chunked_ext_quoted_01",
    "its body is shorter than its length": r"099",
    "user information in the target": r"rfc9112_target_absolute_userinfo_01",
}


def add_options(parser):
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="gunicorn's unpacked source, which has tests/requests")


def run(options, findings):
    findings.expects(DIFFERENT, STALE, SILENT, TEAR_DOWN)
    stage = Stage(options.evidence)
    try:
        stage.start_paasd()
        # Many requests are incomplete on purpose.
        stage.start_agent(arguments=["--router-limit=head-timeout=1s", "--router-limit=body-timeout=1s", "--router-limit=idle-timeout=1s"])
        stage.paas("deploy", "--name", "wire", "--source", TEST_APPS / "wire")
        used = set()
        for valid in (True, False):
            for path in sorted((options.corpus / "tests/requests" / ("valid" if valid else "invalid")).glob("*.http")):
                findings.count(f"{path.parent.name} requests")
                judge(stage, findings, path, valid, used)
        for reason in {*ACCEPTED, *REFUSED} - used:
            findings.violated(STALE, reason)
    finally:
        for problem in stage.tear_down():
            findings.violated(TEAR_DOWN, problem)


def judge(stage, findings, path, valid, used):
    sent = below_an_app(decoded(path.read_bytes()))
    try:
        answer = answer_to(stage.router_port, sent)
    except OSError as error:
        findings.violated(SILENT, f"{path.parent.name}/{path.name}: {type(error).__name__}: {error}")
        return
    # A page of the router's own says that it refuses; what reaches the app or no app was understood. An end without a word is the
    # answer to a connection on which no request has begun.
    refused = not answer or b"/problems/malformed-request" in answer or b" 408 " in answer
    if refused != valid:
        return
    reason = next((why for why, names in (REFUSED if refused else ACCEPTED).items() if re.fullmatch(names, path.stem)), None)
    if reason:
        used.add(reason)
        findings.count(f"{'refused' if refused else 'accepted'}: {reason}")
    else:
        findings.violated(DIFFERENT, f"{path.parent.name}/{path.name} is {'refused' if refused else 'accepted'}: {sent[:200]} -> {answer[-300:]}")


def decoded(text):
    """The notation of gunicorn's tests/treq.py: line breaks mean nothing, and escapes are written out."""
    text = text.replace(b"\n", b"").replace(b"\\r\\n", b"\r\n").replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t")
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda match: bytes([int(match[1], 16)]), text)


def below_an_app(request):
    """The one change: a path leads to an app, so that bodies are read."""
    return re.sub(rb"\A([^ \r\n]+ )/", rb"\1/apps/wire/", request, count=1)


def answer_to(port, sent):
    with socket.create_connection(("127.0.0.1", port), 20 * SLOWNESS) as wire:
        wire.sendall(sent)
        with wire.makefile("rb") as stream:
            return stream.read()

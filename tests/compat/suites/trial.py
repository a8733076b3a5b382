# SPDX-License-Identifier: MIT
"""One run of one part of a suite in one mode: what became of its cases."""

import collections
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
DRIVER = HERE / "suite.bash"
MODES = ("native", "audit", "enforce")
# Namespaces of its own: addresses, ports and processes of other runs are not in its way, and when
# the first process ends so does whatever a suite left behind.
# A login's and a service's soft limit of descriptors, and no signal ignored, whatever this script
# was started with: CPython's tests and data bases go by both.
ORDINARY = ["env", "--default-signal", "prlimit", "--nofile=1024:"]
ISOLATED = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"]

Outcome = collections.namedtuple("Outcome", "word why")
Trial = collections.namedtuple("Trial", "cases seconds closes repaired complete scratch")


def clean_environment():
    """Debian's own programs, and nothing of ours."""
    kept = {name: value for name, value in os.environ.items()
            if name in ("TERM", "USER", "LOGNAME", "SHELL")}
    return {**kept, "HOME": "/root",
            "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}


def describe(suite):
    text = subprocess.run([DRIVER, "describe", suite], env=clean_environment(), text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    fields = dict(line.split("\t", 1) for line in text.splitlines())
    return {**{name: value.split() for name, value in fields.items()},
            "limit": int(fields["limit"]), "absent": fields["absent"]}


def prepare(suite, common):
    """Status 0: it can run. What it says goes to a file in the folder."""
    common.mkdir(parents=True, exist_ok=True)
    with open(common / "prepare.out", "wb") as out:
        return subprocess.run([DRIVER, "prepare", suite], stdout=out, stderr=out,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**clean_environment(), "common": str(common)}).returncode


def read_cases(results):
    cases = {}
    with contextlib.suppress(FileNotFoundError):
        for line in results.read_text(errors="replace").splitlines():
            head, _, why = line.partition("\t")
            word, _, name = head.partition(" ")
            while name in cases:  # the same id twice in one run, as in generated classes
                name += "'"
            cases[name] = Outcome(word, why)
    return cases


def count_closes(logs):
    closes = repaired = 0
    for log in logs.iterdir():
        with open(log, "rb") as lines:
            for line in lines:
                if b'"event":"close"' in line:
                    closes += 1
                    repaired += b'"action":"pass"' not in line
    return closes, repaired


def run(suite, part, mode, library, common, folder, limit, only=()):
    """Runs a part; a run that does not end within `limit` seconds is not complete."""
    scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"{part}.{mode}.", dir=folder))
    logs, temporary = scratch / "logs", scratch / "tmp"
    for directory in (scratch, logs, temporary):  # for programs that give up root
        directory.mkdir(exist_ok=True)
        directory.chmod(0o1777)
    results = scratch / "results"
    covered = []
    if mode != "native":
        covered = ["env", f"LD_PRELOAD={library}", f"SOFTCLOSE={mode}",
                   f"SOFTCLOSE_LOG={logs}/%e.%p.jsonl"]
        if mode == "enforce":
            covered.append("SOFTCLOSE_SET=log.events=all")
    inside = ["bash", "-c", 'ip link set lo up; "$@"; exit $?', "init", *covered, str(DRIVER),
              "cases", suite, part, *only]
    environment = {**clean_environment(), "scratch": str(scratch), "results": str(results),
                   "common": str(common), "TMPDIR": str(temporary)}
    began = time.monotonic()
    with open(scratch / "said", "wb") as said, subprocess.Popen(
            ORDINARY + ISOLATED + inside, env=environment, cwd=scratch, stdin=subprocess.DEVNULL,
            stdout=said, stderr=said, start_new_session=True) as process:
        try:
            process.wait(limit)
            complete = True
        except subprocess.TimeoutExpired:
            complete = False
            process.send_signal(signal.SIGKILL)
    cases = read_cases(results)
    now = pathlib.Path(str(results) + ".now")
    if not complete and now.exists():
        cases.setdefault(now.read_text(), Outcome("fail", f"did not end within {limit} s"))
    closes, repaired = count_closes(logs)
    return Trial(cases, time.monotonic() - began, closes, repaired, complete, scratch)


def discard(trial):
    shutil.rmtree(trial.scratch, ignore_errors=True)

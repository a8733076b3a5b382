# SPDX-License-Identifier: MIT
"""Node's own tests, one program each; several at a time, for most of them wait.

usage: node.py NODE SOURCE net|http RESULTS [CASE]...
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ENOUGH = 60  # seconds for one test
AT_A_TIME = 3
NODE, SOURCE, PART, RESULTS = sys.argv[1:5]


def flags(path):
    found = re.search(r"^// Flags:(.*)", path.read_text(encoding="utf-8"), re.M)
    return found[1].split() if found else []


def run(path):
    """The line of one test. Its temporary files have a folder of their own."""
    number = next(numbers)
    with tempfile.TemporaryDirectory(dir=os.environ["scratch"]) as folder:
        environment = {**os.environ, "NODE_TEST_DIR": folder, "TEST_THREAD_ID": str(number),
                       "TEST_SERIAL_ID": str(number)}
        try:
            done = subprocess.run([NODE, *flags(path), str(path)], env=environment, cwd=folder,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=ENOUGH, check=False)
        except subprocess.TimeoutExpired:
            return f"fail {path.stem}\tdid not end within {ENOUGH} s"
    said = done.stdout.decode(errors="replace")
    if done.returncode:
        error = re.search(r"^.*Error.*$", said, re.M)
        return f"fail {path.stem}\tstatus {done.returncode}: {error[0][:200] if error else ''}"
    skipped = re.search(r"^1\.\.0 # Skipped: (.*)", said, re.M)
    return f"skip {path.stem}\t{skipped[1]}" if skipped else f"ok {path.stem}\t"


wanted = set(sys.argv[5:])
tests = sorted(path for path in pathlib.Path(SOURCE, "test", "parallel").glob(f"test-{PART}-*.js")
               if not wanted or path.stem in wanted)
numbers = iter(range(1, len(tests) + 1))
with concurrent.futures.ThreadPoolExecutor(1 if wanted else AT_A_TIME) as pool, \
        open(RESULTS, "a", encoding="utf-8") as out:
    for line in pool.map(run, tests):
        print(line, file=out, flush=True)

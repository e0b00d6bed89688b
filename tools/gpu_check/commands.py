"""What the scripts of the hardware check share: running rooftop, reading what it wrote."""

import csv
import json
import os
import subprocess
import time


def run(command, seconds=300, environment=None):
    """(exit status, stdout, stderr, wall seconds); a status of None where it took longer than that."""
    begin = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds,
                              env={**os.environ, **(environment or {})})
    except subprocess.TimeoutExpired as late:
        return None, str(late.stdout or ""), f"took longer than {seconds} s", time.monotonic() - begin
    return done.returncode, done.stdout, done.stderr, time.monotonic() - begin


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no message"


def sweep(rooftop, options, seconds=300, environment=None):
    """The cells of `rooftop sweep OPTIONS --json`, or a sentence."""
    status, out, err, _ = run([rooftop, "sweep", *options, "--json"], seconds, environment)
    if status != 0:
        return None, last_line(err)
    return json.loads(out)["cells"], last_line(err) if err.strip() else ""


def kernels_of(rooftop, recording, folder, seconds=120):
    """The rows of kernels.csv of a trace or of another profiler's recording, or a sentence."""
    status, _, err, _ = run([rooftop, "report", str(recording), "-o", str(folder)], seconds)
    if status != 0:
        return None, last_line(err)
    with open(os.path.join(folder, "kernels.csv"), newline="") as file:
        return list(csv.DictReader(file)), ""

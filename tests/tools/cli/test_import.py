"""rooftop import, and rooftop report on other profilers' recordings."""

import csv
import gzip
import json
import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[2]
CPU_TRACE = TESTS / "fixtures" / "recordings" / "pytorch_cpu.json.gz"
DEVICE = {"id": 0, "name": "NVIDIA A100-SXM4-80GB"}


def gpu_trace(rank=0, kernels=("gemm", "norm", "gemm")):
    events = [{"ph": "X", "cat": "kernel", "name": name, "pid": 0, "tid": 7, "ts": 100.5 + 10 * i, "dur": 5.25,
               "args": {"device": 0, "stream": 7, "correlation": i + 1, "grid": [i % 2 + 4, 1, 1],
                        "block": [128, 1, 1]}} for i, name in enumerate(kernels)]
    return {"deviceProperties": [DEVICE], "distributedInfo": {"rank": rank, "world_size": 2}, "traceEvents": events}


def ncu_csv(kernels=("gemm", "norm", "gemm")):
    lines = ['"ID","Kernel Name","Block Size","Grid Size","Metric Name","Metric Unit","Metric Value"']
    for i, name in enumerate(kernels):
        head = f'"{i}","{name}","(128, 1, 1)","({i % 2 + 4}, 1, 1)"'
        lines += [f'{head},"dram__bytes_read.sum","Kbyte","{i + 1}.5"', f'{head},"dram__bytes_write.sum","byte","64"',
                  f'{head},"gpu__time_duration.sum","usecond","5.1"']
    return "\n".join(lines) + "\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "timeline.json").write_text(json.dumps(gpu_trace()))
    (tmp_path / "counters.csv").write_text(ncu_csv())
    return tmp_path


def kernels_of(folder):
    with open(folder / "kernels.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_real_trace_is_imported_and_reported(rooftop, tmp_path):
    done = rooftop("import", CPU_TRACE, "-o", tmp_path / "t.rtrace", "--json")
    imported = json.loads(done.stdout)["imported"]
    assert [(i["capture"], i["kernels"]) for i in imported] == [("PyTorch profiler", 47)]
    rooftop("report", tmp_path / "t.rtrace", "-o", tmp_path / "of trace")
    rooftop("report", CPU_TRACE, "-o", tmp_path / "of file")
    assert kernels_of(tmp_path / "of trace") == kernels_of(tmp_path / "of file")
    assert len(kernels_of(tmp_path / "of file")) == 47


def test_a_trace_as_the_profiler_writes_it(rooftop, tmp_path):
    python = os.environ.get("ROOFTOP_TORCH_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import torch"], capture_output=True).returncode != 0:
        pytest.skip("PyTorch is not installed; ROOFTOP_TORCH_PYTHON may name a Python that has it")
    whole = tmp_path / "whole.json.gz"
    subprocess.run([python, TESTS / "fixtures" / "make_pytorch_trace.py", whole, "--whole"], check=True,
                   capture_output=True)
    text = gzip.decompress(whole.read_bytes()).decode()
    paths = ["module.py(", json.loads(text)["traceName"]]
    assert all(path in text for path in paths), "the profiler writes paths; else the last assertion is empty"
    done = rooftop("import", whole, "-o", tmp_path / "t.rtrace", "--json")
    trace = json.loads(text)
    operators = [e for e in trace["traceEvents"] if e.get("cat") == "cpu_op"]
    outermost = sum(not any(o is not e and o["tid"] == e["tid"] and o["ts"] <= e["ts"]
                            and e["ts"] + e["dur"] <= o["ts"] + o["dur"] for o in operators) for e in operators)
    assert json.loads(done.stdout)["imported"][0]["kernels"] == outermost
    rooftop("report", whole, "-o", tmp_path / "out")
    for file in [tmp_path / "t.rtrace", *(tmp_path / "out").iterdir()]:
        assert not any(path.encode() in file.read_bytes() for path in paths), file


def test_ranks_of_a_folder(rooftop, tmp_path):
    ranks = tmp_path / "ranks"
    ranks.mkdir()
    for rank in range(2):
        (ranks / f"rank{rank}.json").write_text(json.dumps(gpu_trace(rank)))
    (ranks / "README.txt").write_text("not a recording")
    done = rooftop("import", ranks, "-o", tmp_path / "traces", "--json")
    assert len(json.loads(done.stdout)["imported"]) == 2
    assert sorted(p.name for p in (tmp_path / "traces").iterdir()) == ["rank0.rtrace", "rank1.rtrace"]
    for folder in (tmp_path / "traces", ranks):
        rooftop("report", folder, "-o", tmp_path / "out")
        assert sorted({row["rank"] for row in kernels_of(tmp_path / "out")}) == ["0", "1"]


def test_counters_join_their_timeline(rooftop, files):
    rooftop("import", files / "timeline.json", files / "counters.csv", "-o", files / "t.rtrace")
    rooftop("report", files / "t.rtrace", "-o", files / "out")
    rows = kernels_of(files / "out")
    assert [row["bytes_source"] for row in rows] == ["JOINED"] * 3
    assert [float(row["dram_read_bytes"]) for row in rows] == [1500, 2500, 3500]
    assert [int(row["duration_ns"]) for row in rows] == [5250] * 3, "times are the timeline's"


def test_counters_that_do_not_fit_are_not_forced(rooftop, files):
    (files / "counters.csv").write_text(ncu_csv(("gemm", "norm", "softmax")))
    done = rooftop("import", files / "timeline.json", files / "counters.csv", "-o", files / "t.rtrace", "--json")
    notes = " ".join(json.loads(done.stdout)["imported"][0]["notes"])
    assert "gemm (grid 4x1x1, block 128x1x1) ran 2 times" in notes, notes
    rooftop("report", files / "t.rtrace", "-o", files / "out")
    joined = [row["name"] for row in kernels_of(files / "out") if row["bytes_source"] == "JOINED"]
    assert joined == ["norm"], "the only kernel that ran as often in both"


def test_counters_alone(rooftop, files):
    done = rooftop("report", files / "counters.csv", "-o", files / "out")
    assert "one at a time" in " ".join(done.stdout.split())
    assert [row["bytes_source"] for row in kernels_of(files / "out")] == ["MEASURED"] * 3


def refused(rooftop, *arguments):
    done = rooftop(*arguments, status=2)
    assert done.stderr.startswith("rooftop: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", ["import", "report"])
@pytest.mark.parametrize("name, content, says", [
    ("a.json", b"", "is empty"),
    ("a.json", b"{\"traceEvents\": [", "without trace events"),
    ("a.json", b"{\"a\": 1}", "without trace events"),
    ("a.json.gz", gzip.compress(b"{}")[:12], ""),
    ("a.nsys-rep", b"\x01\x02\x03\x04", "nsys export --type sqlite"),
    ("a.ncu-rep", b"\x01\x02\x03\x04", "--csv --page raw"),
    ("a.csv", b"\"ID\",\"Kernel Name\",\"Metric Name\"\n", "has no metrics"),
    ("a.sqlite", b"SQLite format 3\0" + b"x" * 200, "cannot be read as an SQLite database"),
    ("a.bin", b"\x7fELF", ""),
])
def test_what_cannot_be_imported_is_one_sentence(rooftop, tmp_path, command, name, content, says):
    (tmp_path / name).write_bytes(content)
    assert says in refused(rooftop, command, tmp_path / name, "-o", tmp_path / "t.rtrace")
    assert not (tmp_path / "t.rtrace").exists() or command == "report"


def test_an_unrelated_database(rooftop, tmp_path):
    database = sqlite3.connect(tmp_path / "a.sqlite")
    database.execute("CREATE TABLE notes (text TEXT)")
    database.commit()
    database.close()
    assert "no export of Nsight Systems" in refused(rooftop, "import", tmp_path / "a.sqlite", "-o", tmp_path / "t")


def test_usage_errors(rooftop, files):
    timeline, counters = files / "timeline.json", files / "counters.csv"
    (files / "other.json").write_text(json.dumps(gpu_trace(1)))
    assert "both timelines" in refused(rooftop, "import", timeline, files / "other.json", "-o", files / "t.rtrace")
    assert "no timeline" in refused(rooftop, "import", counters, counters, "-o", files / "t.rtrace")
    assert "holds no recording" in refused(rooftop, "import", TESTS / "fuzz", "-o", files / "out")
    assert "cannot be opened" in refused(rooftop, "import", files / "missing.json", "-o", files / "t.rtrace")
    (files / "t.rtrace").write_text(json.dumps(gpu_trace()))
    assert "is an input" in refused(rooftop, "import", files / "t.rtrace", "-o", files / "t.rtrace")

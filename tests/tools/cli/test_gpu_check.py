"""What the hardware check makes of results: its table and its comparisons, on results written here."""

import importlib
import json
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[3] / "tools" / "gpu_check"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def kernel(name, grid="1,1,1", **figures):
    row = {"name": name, "grid": grid, "block": "128,1,1", "dram_read_bytes": "", "dram_write_bytes": "",
           "tensor_flops": ""}
    return row | {key: str(value) for key, value in figures.items()}


def test_counters_are_compared_by_kernel_and_by_the_median(script):
    ncu_check = script("ncu_check")
    ours = [kernel("a", dram_read_bytes=v, tensor_flops=64) for v in (99e6, 100e6, 500e6)]
    ours += [kernel("small", dram_read_bytes=1000), kernel("only ours", dram_read_bytes=1)]
    theirs = [kernel("a", dram_read_bytes=101e6, tensor_flops=64), kernel("small", dram_read_bytes=2000)]
    theirs += [kernel("a", grid="2,1,1", dram_read_bytes=1)]
    rows, only_ours, only_theirs = ncu_check.compare(ours, theirs)
    assert [row["name"] for row in rows] == ["a", "small"]
    assert rows[0]["bytes_ok"] and rows[0]["ops_ok"]
    assert rows[0]["bytes_ratio"] == pytest.approx(100 / 101)
    assert "bytes_ok" not in rows[1], "small kernels are not judged"
    assert (only_ours, only_theirs) == (1, 1)


def test_names_are_compared_whatever_their_spelling(script):
    plain = script("ncu_check").plain_name
    assert plain("void (anonymous namespace)::gemv<(int)8, (bool)1>(const float*, int)") == "gemv<8,1>"
    assert plain("void <unnamed>::gemv<8, true>(const float *, int)") == "gemv<8,1>"
    assert plain("gemv<(unsigned int)8, false>") == "gemv<8,0>"
    assert plain("plain_kernel(float*)") == "plain_kernel"
    assert plain("void f<g<(int)1>(int)>::h(int)") == "f<g<1>>::h"
    assert plain("gemv<4, true>(int)") != plain("gemv<8, true>(int)")


def test_a_difference_is_not_ok(script):
    ncu_check = script("ncu_check")
    rows, _, _ = ncu_check.compare([kernel("a", dram_read_bytes=103e6, tensor_flops=64)],
                                   [kernel("a", dram_read_bytes=100e6, tensor_flops=65)])
    assert rows[0]["bytes_ok"] is False and rows[0]["ops_ok"] is False


def test_recording_is_compared_with_unrecorded_runs_around_it(script, monkeypatch, tmp_path):
    overhead = script("capture_overhead")
    seconds = {"--no-scopes": iter([1.0, 1.2, 1.1, 1.1, 2.0, 2.0, 2.0]), "scopes": 1.1, "timeline": 1.21, "sampling": 1.1,
               "counters": 6.0}

    def fake_sweep(rooftop, options, *_):
        if "--no-scopes" in options:
            return [{"step_s": next(seconds["--no-scopes"])}], ""
        way = options[options.index("--capture") + 1]
        return ([{"step_s": seconds[way]}], "") if way != "sampling" else (None, "no permission")

    monkeypatch.setattr(overhead.commands, "sweep", fake_sweep)
    saved = []
    rows = overhead.measure("rooftop", [], tmp_path, saved.append)
    assert rows[0]["cost"] == pytest.approx(1.1 / 1.1 - 1)
    assert rows[0]["drift"] == pytest.approx(0.2)
    assert rows[1]["cost"] == pytest.approx(1.21 / 1.15 - 1)
    assert "cost" not in rows[2] and rows[2]["says"] == "no permission"
    assert rows[4]["cost"] == pytest.approx(2.0)


def table(folder):
    done = subprocess.run([sys.executable, str(FOLDER / "table.py"), str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_names_what_is_missing(tmp_path):
    text = table(tmp_path)
    for what in ("measured roofs", "cost of recording", "counters against Nsight Compute",
                 "cost of profilers to PyTorch"):
        assert any(line.startswith(what) and line.endswith("MISSING") for line in text.splitlines()), text


def test_the_table_judges(tmp_path):
    (tmp_path / "truth.status").write_text("1\n")
    (tmp_path / "overhead.json").write_text(json.dumps({"rows": [
        {"way": "timeline", "graphs": "on", "goal": 0.01, "says": "", "step_s": 1.02, "plain_s": 1.0, "drift": 0.001,
         "cost": 0.02},
        {"way": "sampling", "graphs": "on", "goal": 0.02, "says": "no permission"}]}))
    (tmp_path / "ncu.json").write_text(json.dumps({
        "kernels": [{"bytes_ok": True, "ops_ok": True}, {"bytes_ok": False}], "rooftop_s": 2, "ncu_s": 110}))
    (tmp_path / "torch_overhead.json").write_text(json.dumps({"rows": [
        {"tool": "proton", "mode": "eager", "cost": 0.1, "plain_s": 0.02},
        {"tool": "torch.profiler", "mode": "eager", "error": "no CUPTI"}]}))
    lines = table(tmp_path).splitlines()
    found = {line.split("  ")[0]: line for line in lines}
    assert found["part truth"].endswith("FAILED")
    assert found["cost of timeline, graphs"].endswith("ABOVE") and "+2.00%" in found["cost of timeline, graphs"]
    assert found["cost of sampling, graphs"].endswith("FAILED")
    assert "1 of 2 kernels" in found["DRAM bytes within 2 % of ncu's"]
    assert found["DRAM bytes within 2 % of ncu's"].endswith("WRONG")
    assert found["tensor operations equal ncu's"].endswith("ok")
    assert "55.0 times faster" in found["counting beside ncu"]
    assert "+10.00%" in found["PyTorch eager under proton"]
    assert "no CUPTI" in found["PyTorch eager under torch.profiler"]

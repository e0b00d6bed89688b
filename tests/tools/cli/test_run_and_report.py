"""run, sweep and report from end to end, on the tiny models whose tokens Transformers gave."""

import csv
import json
import math
import os
import pathlib
import signal
import subprocess
import time
import xml.etree.ElementTree as xml

import numpy
import pytest

from conftest import BINARY

NAMES = ["mha", "gqa", "tied", "llama3-rope", "head-dim", "sharded", "bf16", "gqa-gguf"]
FILES = {"report.html", "roofline.svg", "roofline.png", "points.csv", "kernels.csv", "report.json"}
POINT_COLUMNS = (
    "run,model,device,rank,dtype,attention,variant,layers,series,operator,phase,batch,query_tokens,length,calls,repeats,"
    "flops,hardware_flops,dram_bytes,model_bytes,l2_bytes,time_s,time_spread_s,share,intensity,flops_per_s,roof,"
    "roof_fraction,bound,flops_source,bytes_source,time_source").split(",")
KERNEL_COLUMNS = (
    "step,rank,stream,graph_node,name,grid,block,operator,phase,layer,rule,start_ns,duration_ns,tensor_flops,fp32_flops,"
    "fp16_flops,fp64_flops,dram_read_bytes,dram_write_bytes,l2_bytes,flops_source,bytes_source,time_source").split(",")
SERIES = ["qkv mlp init", "qkv mlp ar", "up/gate/down init", "up/gate/down ar", "qk/pv init", "qk/pv ar"]


def model_path(fixtures, name):
    folder = fixtures / name
    gguf = folder / "model.gguf"
    return gguf if gguf.exists() else folder


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("attention", ["flash", "unfused"])
def test_tokens_and_logits_are_those_of_transformers(rooftop, fixtures, tmp_path, name, attention):
    expected = json.loads((fixtures / name / "expected.json").read_text())
    prompt = ",".join(map(str, expected["prompt"]))
    done = rooftop(
        "run", "--model", model_path(fixtures, name), "--prompt-tokens", prompt, "--max-tokens", len(expected["tokens"]),
        "--dtype", "f32", "--ignore-eos", "--print-tokens", "--no-roofs", "--attention", attention,
        "--logits", tmp_path / "l.npy", "-o", tmp_path / "t.rtrace")
    lines = [line for line in done.stdout.splitlines() if line.startswith("tokens: ")]
    assert lines == ["tokens: " + ",".join(map(str, expected["tokens"]))]
    logits = numpy.load(tmp_path / "l.npy")
    reference = numpy.load(fixtures / name / "expected_logits.npy")
    assert logits.dtype == numpy.float32 and logits.shape == reference.shape
    assert numpy.abs(logits - reference).max() <= 1e-4 * numpy.abs(reference).max()


@pytest.mark.parametrize("candidates", [1, 4])
def test_candidates_change_nothing(rooftop, fixtures, candidates):
    expected = json.loads((fixtures / "gqa" / "expected.json").read_text())
    done = rooftop(
        "run", "--model", fixtures / "gqa", "--prompt-tokens", ",".join(map(str, expected["prompt"])), "--dtype", "f32",
        "--max-tokens", len(expected["tokens"]), "--ignore-eos", "--no-roofs", "--candidates", candidates, "--json")
    assert json.loads(done.stdout)["sequences"][0]["tokens"] == expected["tokens"]


def test_a_batch_gives_each_sequence_its_own_tokens(rooftop, fixtures):
    prompts = ["1,2,3,4,5,6,7", "9,8", "30,31,32,33"]
    together = rooftop("run", "--model", fixtures / "mha", *sum((["--prompt-tokens", p] for p in prompts), []),
                       "--max-tokens", 8, "--dtype", "f32", "--ignore-eos", "--no-roofs", "--json")
    for prompt, sequence in zip(prompts, json.loads(together.stdout)["sequences"], strict=True):
        alone = rooftop("run", "--model", fixtures / "mha", "--prompt-tokens", prompt, "--max-tokens", 8, "--dtype", "f32",
                        "--ignore-eos", "--no-roofs", "--json")
        assert json.loads(alone.stdout)["sequences"][0]["tokens"] == sequence["tokens"]


@pytest.fixture(scope="module")
def swept(rooftop, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    trace = folder / "s.rtrace"
    rooftop("sweep", "--model", "smollm-135m", "--layers", 2, "--batches", "1,2", "--lengths", "16,48",
            "--dtype", "f32", "--repeats", 2, "-o", trace)
    table = rooftop("report", trace, "-o", folder / "out").stdout
    return folder / "out", table


def test_a_report_folder_has_all_its_files(swept):
    folder, table = swept
    assert {p.name for p in folder.iterdir()} == FILES
    assert (folder / "roofline.png").read_bytes().startswith(b"\x89PNG")
    text = "".join(xml.parse(folder / "roofline.svg").getroot().itertext())
    for name in SERIES:
        assert name in table
        assert name in text
    assert "100" in table.splitlines()[-1] or any("100" in line and "otal" in line for line in table.splitlines())


def test_points_lie_where_the_closed_forms_say(swept):
    points = rows(swept[0] / "points.csv")
    assert list(points[0]) == POINT_COLUMNS
    h, n, g, d, ffn, layers, e = 576, 9, 3, 64, 1536, 2, 4
    found = set()
    for point in points:
        if not point["series"]:
            continue
        found.add((point["series"], point["batch"], point["length"]))
        b, q, length = int(point["batch"]), int(point["query_tokens"]), int(point["length"])
        init = point["phase"] == "init"
        assert q == (length if init else 1)
        rows_ = b * q
        pairs = b * (length * (length + 1) / 2 if init else length)  # what the causal mask leaves
        flops, moved = {
            "qkv": (2 * rows_ * h * (n + 2 * g) * d, h * (n + 2 * g) * d + rows_ * h + rows_ * (n + 2 * g) * d),
            # gate and up as one product, activation apart: it writes and down reads
            "up_gate_down": (6 * rows_ * h * ffn, 3 * h * ffn + rows_ * (2 * h + 3 * ffn)),
            "qk_pv": (4 * n * d * pairs, b * (2 * n * d * q + 2 * g * d * length)),
        }[point["operator"]]
        assert float(point["flops"]) == pytest.approx(layers * flops, rel=1e-9)
        assert float(point["model_bytes"]) == pytest.approx(layers * e * moved, rel=1e-9)
        assert float(point["intensity"]) == pytest.approx(flops / (e * moved), rel=1e-9)
        assert float(point["flops_per_s"]) == pytest.approx(float(point["flops"]) / float(point["time_s"]), rel=1e-9)
        assert (point["flops_source"], point["bytes_source"], point["time_source"]) == ("MODELLED", "MODELLED", "MEASURED")
        assert point["hardware_flops"] == "" and point["l2_bytes"] == ""
        assert int(point["repeats"]) == 2
    assert found == {(s, b, length) for s in SERIES for b in "12" for length in ("16", "48")}


def test_the_costliest_launches_are_those_of_kernels_csv(rooftop, swept):
    done = rooftop("report", swept[0].parent / "s.rtrace", "--top", 5)
    lines = done.stdout[done.stdout.index("Costliest launches"):].splitlines()[2:]
    longest = sorted((int(k["duration_ns"]) for k in rows(swept[0] / "kernels.csv")), reverse=True)[:5]
    assert [float(line.split()[0]) for line in lines] == [round(ns / 1e3, 1) for ns in longest]


@pytest.mark.parametrize("text", ["[INST] a, b [/INST]", "[]", "- x", "a,b"])
def test_prompts_are_taken_verbatim(rooftop, fixtures, text):
    ids = json.loads(rooftop("tokenize", "--model", fixtures / "gqa", "--json", text=text).stdout)["tokens"]
    done = rooftop("run", "--model", fixtures / "gqa", f"--prompt={text}", "--max-tokens", 1, "--no-roofs", "--json")
    assert [s["prompt_tokens"] for s in json.loads(done.stdout)["sequences"]] == [ids]


def test_shares_account_for_everything(swept):
    report = json.loads((swept[0] / "report.json").read_text())
    assert "unclassified" in report["shares"] and "idle" in report["shares"]
    assert math.fsum(report["shares"].values()) == pytest.approx(1, abs=1e-9)


def test_kernels_csv_has_a_row_a_launch(swept):
    kernels = rows(swept[0] / "kernels.csv")
    assert list(kernels[0]) == KERNEL_COLUMNS
    # 8 cells x 2 repeats x (2 layers x 12 operators + embed, final norm, head, sampling)
    assert len(kernels) == 8 * 2 * (2 * 12 + 4)
    assert {k["operator"] for k in kernels} >= {"qkv", "gate_up", "down", "qk_pv", "o_proj", "lm_head", "norm", "sampling"}
    assert all(int(k["duration_ns"]) > 0 for k in kernels)


def test_cells_that_do_not_fit_are_skipped_with_their_reason(rooftop, tmp_path):
    rooftop("sweep", "--model", "smollm-135m", "--layers", 1, "--batches", "1,4194304", "--lengths", "8", "--repeats", 1,
            "--no-roofs", "-o", tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    skipped = report["runs"][0]["skipped"]
    assert {(s["phase"], s["batch"]) for s in skipped} == {("init", 4194304), ("ar", 4194304)}
    assert all("GB" in s["reason"] for s in skipped)


def test_run_writes_a_folder_in_one_command(rooftop, fixtures, tmp_path):
    out = tmp_path / "out"
    done = rooftop("run", "--model", fixtures / "gqa", "--prompt", "hello there", "--max-tokens", 4, "--no-roofs", "-o", out)
    assert {p.name for p in out.iterdir()} == FILES | {"trace.rtrace"}
    assert str(out / "report.html") in done.stdout


def test_a_named_shape_runs_with_random_weights(rooftop, tmp_path):
    rooftop("run", "--model", "llama-7b", "--layers", 1, "--prompt-tokens", "1,2,3", "--max-tokens", 2, "--ignore-eos",
            "--no-roofs", "-o", tmp_path / "t.rtrace", timeout=600)
    report = json.loads(rooftop("report", tmp_path / "t.rtrace", "--json").stdout)
    assert report["runs"][0]["weights"] == "random" and report["runs"][0]["layers_run"] == 1
    assert "Llama 7B" in report["title"]


def test_json_is_the_only_thing_on_stdout(rooftop, fixtures, tmp_path):
    for arguments in (["run", "--model", fixtures / "mha", "--prompt-tokens", "1,2", "--max-tokens", "2", "--json"],
                      ["sweep", "--model", fixtures / "mha", "--batches", "1", "--lengths", "4", "--json"],
                      ["roofs", "--seconds", "0.5", "--json"]):
        json.loads(rooftop(*arguments).stdout)


def test_a_killed_run_leaves_a_file_that_reports(rooftop, tmp_path):
    trace = tmp_path / "k.rtrace"
    process = subprocess.Popen(
        [BINARY, "run", "--model", "smollm-135m", "--prompt-tokens", "1,2,3", "--max-tokens", "2000", "--ignore-eos",
         "--no-roofs", "-o", str(trace)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    steps = 0
    while steps == 0:  # warm-up steps do not count
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
        if trace.exists() and trace.stat().st_size > 0:
            steps = int(json.loads(rooftop("report", trace, "--json").stdout)["runs"][0].get("steps", 0))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = rooftop("report", trace, "-o", tmp_path / "out")
    assert "truncated" in done.stdout.lower()
    assert rows(tmp_path / "out" / "points.csv")


def test_a_trace_with_nothing_in_it_says_so(rooftop, fixtures, tmp_path):
    trace = tmp_path / "whole.rtrace"
    rooftop("run", "--model", fixtures / "mha", "--prompt-tokens", "1,2", "--max-tokens", "2", "--no-roofs", "-o", trace)
    whole = trace.read_bytes()
    for size in (len(whole) // 8, len(whole) // 3):
        cut = tmp_path / "cut.rtrace"
        cut.write_bytes(whole[:size])
        assert "truncated" in rooftop("report", cut).stdout.lower()


def test_example_engine_is_profiled(rooftop, tmp_path):
    example = os.environ.get("ROOFTOP_EXAMPLE", "")
    if not example:
        pytest.skip("ROOFTOP_EXAMPLE does not name the example")
    trace = tmp_path / "own.rtrace"
    subprocess.run([example, str(trace)], check=True, timeout=120)
    rooftop("report", trace, "-o", tmp_path / "out")
    points = rows(tmp_path / "out" / "points.csv")
    assert {p["series"] for p in points if p["series"]} == set(SERIES)
    init = next(p for p in points if p["series"] == "qkv mlp init")
    assert float(init["flops"]) == 2 * 2 * 48 * 256 * 768  # layers, MACs, prompt tokens, in, out
    decode = [p for p in points if p["series"] == "qkv mlp ar"]
    assert sum(int(p["repeats"]) for p in decode) == 16


def test_sweep_prints_each_cells_step_time(rooftop, fixtures):
    done = rooftop("sweep", "--model", fixtures / "mha", "--batches", "1,2", "--lengths", "4", "--repeats", 2, "--no-scopes",
                   "--json")
    cells = json.loads(done.stdout)["cells"]
    assert [(c["phase"], c["batch"], c["query_tokens"], c["length"]) for c in cells] == [
        ("init", 1, 4, 4), ("ar", 1, 1, 4), ("init", 2, 4, 4), ("ar", 2, 1, 4)]
    assert all(0 < c["step_s"] < 10 for c in cells)


def test_without_scopes_the_tokens_are_the_same(rooftop, fixtures):
    arguments = ["run", "--model", fixtures / "mha", "--prompt-tokens", "1,2,3", "--max-tokens", 5, "--ignore-eos",
                 "--print-tokens", "--no-roofs"]
    heard = rooftop(*arguments)
    silent = rooftop(*arguments, "--no-scopes")
    assert "Series" in heard.stdout and "Series" not in silent.stdout
    tokens = [line for line in heard.stdout.splitlines() if line.startswith("tokens: ")]
    assert tokens and tokens == [line for line in silent.stdout.splitlines() if line.startswith("tokens: ")]

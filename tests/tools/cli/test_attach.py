"""rooftop attach and rooftop doctor, around a program that knows nothing of Rooftop."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

BINARY = os.environ.get("ROOFTOP_BINARY", "")
HOST = pathlib.Path(BINARY).parent.parent / "tests" / "plugin" / "plugin_host"
# The tests' own ROOFTOP_ variables are none that the plugin knows.
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("ROOFTOP_")} | {"NO_COLOR": "1"}


@pytest.fixture(autouse=True)
def needs_host():
    if not HOST.exists():
        pytest.skip(f"{HOST} is not built")


def attach(*arguments, text=None, environment=None):
    return subprocess.run([BINARY, "attach", *map(str, arguments)], input=text, capture_output=True,
                          text=True, timeout=120, env={**CLEAN, **(environment or {})})


def test_the_program_is_as_without_us(tmp_path):
    alone = subprocess.run([HOST, "forms"], capture_output=True, text=True, env=CLEAN, timeout=60)
    done = attach("-o", tmp_path / "out", "--", HOST, "forms")
    assert (done.stdout, done.returncode) == (alone.stdout, alone.returncode) == ("forms done\n", 7)
    traces = list((tmp_path / "out").glob("*.rtrace"))
    assert len(traces) == 1 and f"Trace: {traces[0]}" in done.stderr
    assert "no CUDA kernel was recorded" in done.stderr or "Series" in done.stderr


def test_cpu_mode_reports_an_instrumented_engine(tmp_path):
    done = attach("--mode", "cpu", "-o", tmp_path / "out", "--", HOST, "forms")
    assert done.stdout == "forms done\n"
    assert "qkv mlp ar" in done.stderr
    assert (tmp_path / "out" / "points.csv").exists()


def test_without_output_nothing_is_left(tmp_path):
    done = attach("--mode", "cpu", "--", HOST, "forms", environment={"TMPDIR": str(tmp_path)})
    assert "qkv mlp ar" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_named_trace(tmp_path):
    done = attach("--mode", "scopes", "-o", tmp_path / "t.rtrace", "--", HOST, "forms")
    assert [p.name for p in tmp_path.iterdir()] == ["t.rtrace"]
    assert f"Trace: {tmp_path}/t.rtrace" in done.stderr
    done = attach("--mode", "scopes", "-o", tmp_path / "t.rtrace", "--", HOST, "exec")
    assert len(list(tmp_path.glob("t*.rtrace"))) == 2, "a program that replaces itself has two"


def test_processes_of_a_script_each_have_a_trace(tmp_path):
    done = attach("--mode", "scopes", "-o", tmp_path, "--", "sh", "-c",
                  f"'{HOST}' forms; '{HOST}' short_threads 3; exit 9")
    assert done.returncode == 9
    assert len(list(tmp_path.glob("*.rtrace"))) == 2


def test_stdin_and_arguments_reach_the_program():
    done = attach("--mode", "scopes", "--", "sh", "-c", 'cat; echo "$1"', "x", "--json -o", text="in\n")
    assert done.stdout == "in\n--json -o\n"


def test_exit_statuses():
    assert attach("--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL
    assert attach("--", "no-such-program").returncode == 127
    assert attach("--", "/etc/passwd").returncode == 126
    assert attach("--").returncode == 2


@pytest.mark.parametrize("arguments, reason", [
    (("--mode", "all"), "ROOFTOP_MODE=all is not"),
    (("--overhead", "x"), "ROOFTOP_OVERHEAD=x is not"),
    (("--max-size", "x"), "ROOFTOP_MAX_SIZE=x is not"),
])
def test_wrong_options_are_one_sentence(arguments, reason):
    done = attach(*arguments, "--", HOST, "forms")
    assert done.returncode == 2 and done.stdout == ""
    assert reason in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("variable", ["CUDA_INJECTION64_PATH", "NVTX_INJECTION64_PATH"])
def test_other_tools_are_kept_apart(variable):
    done = attach("--", HOST, "forms", environment={variable: "/opt/other.so"})
    assert done.returncode == 2 and done.stdout == ""
    assert f"{variable} names another tool (/opt/other.so)" in done.stderr


def test_signals_are_passed_on(tmp_path):
    process = subprocess.Popen([BINARY, "attach", "--mode", "scopes", "-o", tmp_path, "--", HOST, "steady"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN)
    assert process.stdout.readline() == "1\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert len(list(tmp_path.glob("*.rtrace"))) == 1, errors


def test_a_program_that_records_itself_is_told_so():
    done = attach("--mode", "scopes", "--", BINARY, "run", "--model", "smollm-135m", "--layers", "1", "--device", "cpu",
                  "--no-roofs", "--prompt-tokens", "1,2", "--max-tokens", "2", "--ignore-eos")
    assert done.returncode == 2
    assert "a program that records itself is run without it" in done.stderr
    assert "another NVTX tool" not in done.stderr


def test_doctor_names_every_rung():
    done = subprocess.run([BINARY, "doctor", "--json"], capture_output=True, text=True, env=CLEAN, timeout=60)
    said = json.loads(done.stdout)
    rungs = {r["name"]: r for r in said["rungs"]}
    assert list(rungs) == ["scopes", "timeline", "sampling", "counters"]
    assert rungs["scopes"]["works"]
    for rung in rungs.values():
        assert rung["works"] or (rung["why"] and rung["remedy"])
    works = any(r["works"] for name, r in rungs.items() if name != "scopes")
    assert done.returncode == (0 if works else 1)


def test_doctor_for_people():
    done = subprocess.run([BINARY, "doctor"], capture_output=True, text=True, env=CLEAN, timeout=60)
    assert "What can be recorded" in done.stdout and done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 140
    assert "\033" not in done.stdout

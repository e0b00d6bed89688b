"""rooftop predict and gpus, as a user types them."""

import csv
import json


def points(folder):
    with open(folder / "points.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_trace_without_a_run(rooftop, tmp_path):
    trace = tmp_path / "p.rtrace"
    rooftop("predict", "--model", "llama-13b", "--gpu", "a6000-paper", "--grid", "paper", "-o", trace)
    report = json.loads(rooftop("report", trace, "--json").stdout)
    series = [p for p in report["points"] if p.get("series")]
    assert len(series) == 6 * 49
    assert {p["time_source"] for p in report["points"]} == {"PREDICTED"}
    assert {p["calibration"] for p in series} == {"transferred from a40"}
    assert report["runs"][0]["prediction"] == "transferred from a40"
    assert any(p.get("does_not_fit") for p in series)


def test_ideal_points_lie_on_the_roof(rooftop, tmp_path):
    rooftop("predict", "--model", "llama-7b", "--gpu", "a100-80gb-pcie", "--grid", "paper", "--ideal",
            "--attention", "unfused", "--linear", "separate", "-o", tmp_path)
    rows = [r for r in points(tmp_path) if r["series"]]
    assert len(rows) == 6 * 49
    for row in rows:
        roof = min(312e12, 1935e9 * float(row["intensity"]))
        assert abs(float(row["flops_per_s"]) / roof - 1) < 1e-3
        assert row["time_source"] == row["flops_source"] == row["bytes_source"] == "PREDICTED"
    for extension in ("svg", "png"):
        assert (tmp_path / f"llama-7b_a100-80gb-pcie.{extension}").exists()
    assert "Llama 7B, A100 80GB PCIe" in (tmp_path / "llama-7b_a100-80gb-pcie.svg").read_text()


def test_error_bars_where_there_is_data(rooftop, tmp_path):
    rooftop("predict", "--model", "llama-7b", "--gpu", "a40", "--batches", "1,64", "--lengths", "512",
            "-o", tmp_path / "a40")
    rooftop("predict", "--model", "llama-7b", "--gpu", "l4", "--batches", "1,64", "--lengths", "512",
            "-o", tmp_path / "l4")
    assert all(float(r["time_spread_s"]) > 0 for r in points(tmp_path / "a40") if r["series"])
    assert all(float(r["time_spread_s"]) == 0 for r in points(tmp_path / "l4"))
    assert {r["run"] for r in points(tmp_path / "l4")} == {"predicted, uncalibrated"}


def test_a_folder_with_only_a_config_is_a_model(rooftop, fixtures, tmp_path):
    (tmp_path / "config.json").write_bytes((fixtures / "gqa" / "config.json").read_bytes())
    done = rooftop("predict", "--model", tmp_path, "--gpu", "h100-sxm", "--batches", "1", "--lengths", "64",
                   "--candidates", "1,16", "--json", "-o", tmp_path / "p.rtrace")
    assert json.loads(done.stdout)["cells"] == 3


def test_calibration_on_a_trace_of_this_machine(rooftop, fixtures, tmp_path):
    trace = tmp_path / "s.rtrace"
    rooftop("sweep", "--model", fixtures / "gqa", "--device", "cpu", "--batches", "1,2", "--lengths", "8,32",
            "-o", trace)
    saved = tmp_path / "c.json"
    rooftop("predict", "--calibrate", trace, "--save-coefficients", saved)
    assert json.loads(saved.read_text())["gpus"][0]["gemm"]["launch_s"] > 0
    rooftop("predict", "--model", "llama-7b", "--gpu", "a6000", "--batches", "1", "--lengths", "64",
            "--calibrate", saved, "-o", tmp_path / "p.rtrace")
    again = rooftop("predict", "--calibrate", tmp_path / "p.rtrace", "--save-coefficients", saved, status=2)
    assert "prediction" in again.stderr


def test_gpus_lists_sources(rooftop, tmp_path):
    devices = json.loads(rooftop("gpus", "--json").stdout)["devices"]
    assert len(devices) >= 25
    assert all(peak["source"] for device in devices for peak in device["peaks"])
    assert "989" in rooftop("gpus", "h100-sxm").stdout
    mine = tmp_path / "mine.textproto"
    mine.write_text('device { id: "my-gpu" display_name: "Mine" bandwidth_bytes_per_s: 1e12 bandwidth_source: "me" '
                    'peaks { dtype: "bf16" flops_per_s: 1e14 source: "me" } }')
    assert "my-gpu" in rooftop("gpus", "--devices", mine).stdout
    rooftop("predict", "--model", "llama-7b", "--gpu", "my-gpu", "--devices", mine, "--batches", "1",
            "--lengths", "64", "-o", tmp_path / "p.rtrace")
    mine.write_text("device {\n id: 3\n}\n")
    assert "mine.textproto:2" in rooftop("gpus", "--devices", mine, status=2).stderr

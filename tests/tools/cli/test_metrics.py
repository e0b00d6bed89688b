"""`rooftop metrics`: the plan as other programs read it, and refusals in words. Needs CUPTI, no GPU."""

import json

import pytest

NINE = ["fadd", "fmul", "ffma", "hadd", "hmul", "hfma", "dadd", "dmul", "dfma"]


@pytest.fixture(autouse=True)
def cupti(rooftop):
    """Skips where this build or machine has no CUPTI."""
    try:
        rooftop("metrics", "--chip", "GH100", "--json")
    except AssertionError as e:
        if "without CUPTI" in str(e) or "CUPTI was not found" in str(e):
            pytest.skip("this build or machine has no CUPTI")
        if "RTLD_DEEPBIND" in str(e):
            pytest.skip("AddressSanitizer does not let CUPTI load its host library")
        raise


@pytest.mark.parametrize("chip", ["GA100", "GA102", "GH100", "AD102", "GB100", "GB202"])
def test_plan_of_a_chip(rooftop, chip):
    document = json.loads(rooftop("metrics", "--chip", chip, "--json").stdout)
    assert list(document) == ["chip", "configurations"]
    assert document["chip"] == chip
    for configuration in document["configurations"]:
        assert list(configuration) == ["kind", "passes", "metrics"]
        assert configuration["kind"] in ("range", "sass", "pm")
        assert configuration["passes"] == 1
    first = document["configurations"][0]
    assert first["kind"] == "range"
    assert any(m.startswith("dram__bytes") and "read" in m for m in first["metrics"])
    assert any(m.startswith("dram__bytes") and "write" in m for m in first["metrics"])
    assert any("ops_path_tensor" in m for m in first["metrics"])
    sass = [m for c in document["configurations"] if c["kind"] == "sass" for m in c["metrics"]]
    for operation in NINE:
        assert any(f"_op_{operation}_pred_on" in m for m in sass)


def test_types_in_use_come_first(rooftop):
    document = json.loads(rooftop("metrics", "--chip", "AD102", "--types", "fp8", "--json").stdout)
    assert any("src_fp8" in m for m in document["configurations"][0]["metrics"])
    document = json.loads(rooftop("metrics", "--chip", "AD102", "--types", "bf16,f16", "--json").stdout)
    first = document["configurations"][0]["metrics"]
    assert any("src_bf16" in m for m in first) and any("src_fp16" in m for m in first)


def test_devices_and_case_are_understood(rooftop):
    by_chip = rooftop("metrics", "--chip", "GH100", "--json").stdout
    assert rooftop("metrics", "--chip", "gh100", "--json").stdout == by_chip
    assert rooftop("metrics", "--chip", "h100-sxm", "--json").stdout == by_chip


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--chip", "GH999"], ["GH999", "GH100"]),
        (["--chip", "GB10B"], ["no counters of DRAM"]),
        (["--chip", "GH100", "--types", "bf17"], ["bf17", "bf16"]),
    ],
)
def test_refusals(rooftop, arguments, words):
    done = rooftop("metrics", *arguments, status=2)
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_the_list_of_chips_says_why_not(rooftop):
    document = json.loads(rooftop("metrics", "--json").stdout)
    if "gpus" in document:
        assert all(gpu["configurations"] for gpu in document["gpus"])
        return
    assert document["reason"]
    chips = {entry["chip"]: entry for entry in document["chips"]}
    assert chips["GH100"]["plannable"] is True
    assert chips["GB10B"]["plannable"] is False and chips["GB10B"]["reason"]


def test_the_table_names_every_metric(rooftop):
    plan = json.loads(rooftop("metrics", "--chip", "GB100", "--json").stdout)
    table = rooftop("metrics", "--chip", "GB100").stdout
    for configuration in plan["configurations"]:
        for metric in configuration["metrics"]:
            line = next(row for row in table.splitlines() if metric in row)
            assert line.split(metric)[1].strip(), f"{metric} is not explained"

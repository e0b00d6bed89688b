"""rooftop explain, and what report makes of a recording without scopes."""

import json

import pytest

GEMM = "ampere_fp16_s16816gemm_fp16_64x64_sliced1x2_ldg8_f2f_stages_64x5_tn"
LAYER = [
    "void vllm::fused_add_rms_norm_kernel<c10::Half, 8>",
    GEMM,
    "void vllm::rotary_embedding_kernel<c10::Half, true>",
    "void house::attention_of_our_own<128>(float*)",
    GEMM,
    "void vllm::fused_add_rms_norm_kernel<c10::Half, 8>",
    GEMM,
    "void vllm::act_and_mul_kernel<c10::Half>",
    GEMM,
]


def events():
    """Three steps of four layers, as PyTorch's profiler writes their kernels."""
    now = 1000.0
    for step in range(3):
        for name in ["indexSelectSmallIndex<c10::Half>"] + 4 * LAYER + [LAYER[0], GEMM, "argmax_kernel"]:
            yield {"ph": "X", "cat": "kernel", "name": name, "pid": 0, "tid": 7, "ts": now, "dur": 10.0,
                   "args": {"device": 0, "stream": 7, "correlation": 0, "grid": [1, 1, 1], "block": [32, 1, 1]}}
            now += 11
        now += 500


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "recording.json"
    path.write_text(json.dumps({
        "schemaVersion": 1,
        "deviceProperties": [{"id": 0, "name": "NVIDIA A100-SXM4-80GB", "totalGlobalMem": 85899345920}],
        "traceEvents": list(events())}))
    return path


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("rules") / "mine.txt"
    path.write_text("# ours\n*house::attention* -> qk_pv phase=ar\n")
    return path


def test_an_unknown_kernel_is_named_with_the_rule_to_add(rooftop, recording):
    text = rooftop("explain", recording, "--unclassified").stdout
    assert "attention_of_our_own" in text
    assert "*attention_of_our_own* -> OPERATOR" in text
    assert "usually after rope" in text


def test_one_rule_decides_the_products_around_it(rooftop, recording, rules):
    before = json.loads(rooftop("report", recording, "--json").stdout)["shares"]
    after = json.loads(rooftop("report", recording, "--rules", rules, "--json").stdout)["shares"]
    assert before["unclassified"] > 0.2
    assert after["unclassified"] == 0
    assert after["qkv mlp ar"] == pytest.approx(after["o_proj ar"])
    assert after["up/gate/down ar"] == pytest.approx(2 * after["qkv mlp ar"])


def test_every_name_has_what_decided(rooftop, recording, rules):
    groups = json.loads(rooftop("explain", recording, "--rules", rules, "--json").stdout)
    found = {(group["operator"], group["rule"].split(" ")[0]) for group in groups}
    assert ("qkv", "order:") in found
    assert ("norm", "name") in found
    assert sum(group["calls"] for group in groups) == 3 * (1 + 4 * 9 + 3)


def test_one_launch_with_all_that_is_known_of_it(rooftop, recording, rules):
    launch = json.loads(rooftop("explain", recording, "--kernel", 3, "--rules", rules, "--json").stdout)[0]
    assert launch["operator"] == "qkv"
    assert launch["layer"] == 0
    assert launch["step"] == 1
    assert launch["after"][0] == "rope"
    assert launch["name_rule"]
    text = rooftop("explain", recording, "--kernel", 3, "--rules", rules).stdout
    assert "because    order:" in text


@pytest.mark.parametrize("arguments, needle", [
    (["--kernel", "99999"], "no kernel 99999"),
    (["--kernel", "0"], "--kernel"),
    (["--kernel", "3", "--unclassified"], "excludes"),
    (["--rules", "/no/such/rules"], "/no/such/rules"),
    (["--model", "lama-7b"], "llama-7b"),
])
def test_what_cannot_be_is_said_in_one_sentence(rooftop, recording, arguments, needle):
    done = rooftop("explain", recording, *arguments, status=2)
    assert needle in done.stderr
    assert done.stdout == ""


def test_any_decoders_config_gives_its_shape(rooftop, recording, rules, tmp_path):
    folder = tmp_path / "Some-Model"
    folder.mkdir()
    config = folder / "config.json"
    config.write_text(json.dumps({
        "model_type": "qwen2", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
        "intermediate_size": 96, "vocab_size": 1000}))
    for model in (folder, config):
        report = json.loads(rooftop("report", recording, "--model", model, "--rules", rules, "--json").stdout)
        assert report["runs"][0]["model"] == "Some-Model"
        assert report["runs"][0]["shape"]["head_dim"] == 16
    for text, needle in [("{}", "hidden_size"), ("[", "not JSON"), ('{"hidden_size": -1}', "hidden_size"),
                         ('{"hidden_size": 8, "num_hidden_layers": 1e9}', "num_hidden_layers")]:
        config.write_text(text)
        assert needle in rooftop("report", recording, "--model", folder, status=2).stderr


def test_a_wrong_rule_is_named_with_its_line(rooftop, recording, tmp_path):
    rules = tmp_path / "rules.txt"
    rules.write_text("\n*a* -> attention\n")
    assert "line 2" in rooftop("report", recording, "--rules", rules, status=2).stderr


def test_a_real_recording_made_on_a_cpu(rooftop, fixtures):
    """PyTorch's own file: two layers, hidden 64, 16 tokens; the closed forms by hand."""
    recording = fixtures.parent / "recordings" / "pytorch_cpu.json.gz"
    report = json.loads(rooftop("report", recording, "--json").stdout)
    rows = {row["name"]: row for row in report["rows"]}
    assert rows["qkv mlp init"]["flops"] == 2 * 3 * 2 * 16 * 64 * 64
    assert rows["o_proj init"]["flops"] == 2 * 2 * 16 * 64 * 64
    assert rows["up/gate/down init"]["flops"] == 2 * 3 * 2 * 16 * 64 * 172
    assert report["shares"]["unclassified"] < 0.02

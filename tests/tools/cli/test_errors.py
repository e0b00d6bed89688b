"""Input and usage errors: one sentence on stderr, nothing on stdout, exit status 2, no crash."""

import json
import pathlib
import random
import shutil

import pytest

BAD_USAGE = [
    [],
    ["no-such-command"],
    ["run"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--dtype", "int3"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1,,2"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1,x"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "32000"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "-1"],
    ["run", "--model", "llama-7b", "--prompt-tokens", ""],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--max-tokens", "0"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--max-tokens", "5000"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--layers", "33"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--device", "tpu"],
    ["run", "--model", "llama-7b", "--prompt-tokens", "1", "--device", "cuda:x"],
    ["run", "--model", "smollm-135m", "--prompt-tokens", "1", "--device", "cuda:99"],
    ["run", "--model", "smollm-135m", "--prompt-tokens", "1", "--graphs", "maybe"],
    ["run", "--model", "smollm-135m", "--prompt-tokens", "1", "--no-scopes", "-o", "/tmp/never.rtrace"],
    ["roofs", "--device", "cuda:99"],
    ["run", "--model", "llama-7b", "--prompt", "text without a tokenizer"],
    ["run", "--model", "llama-7b"],
    ["run", "--model", "smollm-135m", "--prompt-tokens", "1", "--batch", "3", "--logits", "/tmp/x.npy"],
    ["sweep", "--model", "smollm-135m"],
    ["sweep", "--model", "smollm-135m", "--batches", "0", "--lengths", "8"],
    ["sweep", "--model", "smollm-135m", "--batches", "1", "--lengths", "-8"],
    ["sweep", "--model", "smollm-135m", "--batches", "1", "--lengths", "99999999999999"],
    ["sweep", "--model", "smollm-135m", "--grid", "paper", "--batches", "1"],
    ["sweep", "--model", "smollm-135m", "--batches", "1", "--lengths", "8", "--candidates", "16"],
    ["sweep", "--model", "smollm-135m", "--batches", "16777216", "--lengths", "16777216"],
    ["predict", "--model", "llama-7b", "--grid", "paper"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000"],
    ["predict", "--model", "llama-7b", "--gpu", "a6001", "--grid", "paper"],
    ["predict", "--model", "lama-7b", "--gpu", "a6000", "--grid", "paper"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "--dtype", "int3"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000-paper", "--grid", "paper", "--dtype", "f32"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "--layers", "33"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--batches", "0", "--lengths", "8"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "--calibrate", "/no/such"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "--calibrate", "/dev/null"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "-o", "/proc/nowhere/x"],
    ["predict", "--model", "llama-7b", "--gpu", "a6000", "--grid", "paper", "-o", "/proc/nowhere.rtrace"],
    ["predict", "--cross-validate"],
    ["gpus", "a6001"],
    ["gpus", "--devices", "/no/such"],
    ["report", "/no/such/file.rtrace"],
    ["report", "/dev/null"],
    ["report"],
    ["roofs", "--device", "gpu"],
    ["roofs", "--seconds", "-3"],
    ["tokenize", "--model", "/no/such/model"],
]


@pytest.mark.parametrize("arguments", BAD_USAGE, ids=lambda a: " ".join(a)[:70] or "(nothing)")
def test_one_sentence_and_exit_2(rooftop, arguments):
    done = rooftop(*arguments, status=2, text="")
    assert done.stdout == ""
    assert done.stderr.startswith("rooftop: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_unknown_models_are_offered_the_nearest(rooftop):
    done = rooftop("run", "--model", "lama-7b", "--prompt-tokens", "1", status=2)
    assert "llama-7b" in done.stderr


@pytest.mark.parametrize("change", [
    {"num_attention_heads": 0}, {"hidden_size": 0}, {"hidden_size": -4}, {"hidden_size": 2**40},
    {"num_key_value_heads": 3}, {"num_hidden_layers": 0}, {"intermediate_size": "wide"}])
def test_impossible_shapes_are_not_predicted(rooftop, fixtures, tmp_path, change):
    config = json.loads((fixtures / "gqa" / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    done = rooftop("predict", "--model", tmp_path, "--gpu", "a6000", "--grid", "paper",
                   "-o", tmp_path / "p.rtrace", status=2)
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "p.rtrace").exists()


@pytest.mark.parametrize("kind", ["gguf", "safetensors", "config", "tokenizer"])
def test_damaged_models_never_crash(rooftop, fixtures, tmp_path, kind):
    source, name = {
        "gguf": (fixtures / "gqa-gguf" / "model.gguf", "model.gguf"),
        "safetensors": (fixtures / "mha" / "model.safetensors", "model.safetensors"),
        "config": (fixtures / "mha" / "config.json", "config.json"),
        "tokenizer": (fixtures / "gqa" / "tokenizer.json", "tokenizer.json"),
    }[kind]
    whole = source.read_bytes()
    generator = random.Random(kind)
    for trial in range(12):
        folder = tmp_path / str(trial)
        shutil.copytree(source.parent, folder)
        damaged = bytearray(whole)
        if trial % 2 == 0:
            damaged = damaged[: generator.randrange(len(damaged))]
        else:
            for _ in range(8):
                damaged[generator.randrange(min(len(damaged), 2000))] = generator.randrange(256)
        (folder / name).write_bytes(damaged)
        model = folder / name if kind == "gguf" else folder
        prompt = ["--prompt", "hello"] if kind == "tokenizer" else ["--prompt-tokens", "1,2"]
        import subprocess

        from conftest import BINARY

        done = subprocess.run([BINARY, "run", "--model", str(model), *prompt, "--max-tokens", "2", "--no-roofs"],
                              capture_output=True, timeout=60)
        assert done.returncode in (0, 2), done.stderr
        if done.returncode == 2:
            assert len(done.stderr.decode(errors="replace").strip().splitlines()) == 1


def test_damaged_traces_are_errors_and_can_be_salvaged(rooftop, fixtures, tmp_path):
    trace = tmp_path / "t.rtrace"
    rooftop("run", "--model", fixtures / "mha", "--prompt-tokens", "1,2", "--max-tokens", "8", "--ignore-eos",
            "--no-roofs", "-o", trace)
    whole = bytearray(trace.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    trace.write_bytes(whole)
    done = rooftop("report", trace, status=2)
    assert "byte" in done.stderr and "--salvage" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    rooftop("report", trace, "--salvage")


def test_outputs_that_cannot_be_written(rooftop, fixtures, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = ["run", "--model", fixtures / "mha", "--prompt-tokens", "1,2", "--max-tokens", "2", "--no-roofs"]
    for output in (tmp_path / "file", tmp_path / "missing" / "t.rtrace"):
        done = rooftop(*run, "-o", output, status=2)
        assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "in the way"
    done = rooftop(*run, "--logits", tmp_path / "missing" / "l.npy", status=2)
    assert "missing" in done.stderr

"""Bad input to rooftop predict and gpus: one sentence, exit 2, and nothing written half."""

import json

import pytest

LLAMA = ["--model", "llama-13b", "--gpu", "a40"]
LINEAR = "gpu,model,hidden,heads,kv_heads,ffn,tp,tokens,qkv_us,o_proj_us,gate_up_us,down_us"
NUMBERS = ",".join(map(str, range(1, 1002)))
SHAPE = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 4096,
         "num_attention_heads": 32, "intermediate_size": 11008, "vocab_size": 32000}


@pytest.fixture
def refused(rooftop, tmp_path):
    def run(*arguments, says):
        for output in (tmp_path / "out.rtrace", tmp_path / "out"):
            done = rooftop("predict", *arguments, "-o", output, status=2)
            assert len(done.stderr.strip().splitlines()) == 1 and done.stdout == ""
            assert says in done.stderr
            assert not output.exists()

    return run


@pytest.mark.parametrize("model, gpu, says", [
    ("llama-13", "a40", "did you mean 'llama-13b'"),
    ("llama-13b", "a60", "did you mean a6000"),
    ("llama-13b", "no such gpu", "unknown device"),
])
def test_the_nearest_names_are_offered(refused, model, gpu, says):
    refused("--model", model, "--gpu", gpu, says=says)


@pytest.mark.parametrize("arguments, says", [
    (["--batches", NUMBERS, "--lengths", NUMBERS], "at most 1000000"),
    (["--batches", "0", "--lengths", "128"], "batch"),
    (["--batches", "1", "--lengths", "-5"], "length"),
])
def test_impossible_grids(refused, arguments, says):
    refused(*LLAMA, *arguments, says=says)


@pytest.mark.parametrize("change", [
    {"num_attention_heads": 3}, {"num_attention_heads": 0}, {"num_key_value_heads": 5}, {"hidden_size": -1},
    {"hidden_size": 32 << 40}, {"num_hidden_layers": 0}, {"intermediate_size": 0},
])
def test_impossible_shapes(refused, tmp_path, change):
    (tmp_path / "config.json").write_text(json.dumps({**SHAPE, **change}))
    refused("--model", tmp_path, "--gpu", "a40", "--batches", "1", "--lengths", "8", says="config.json")


@pytest.mark.parametrize("text, says", [
    (f"{LINEAR}\na100,x,4096,32,32,11008,0,1,5,1,1,1\n", "t.csv:2: tp"),
    (f"{LINEAR}\na100,x,4096,32,32,11008,1,1,nan,1,1,1\n", "t.csv:2: qkv_us"),
    (f"{LINEAR}\nno-gpu,x,4096,32,32,11008,1,1,5,1,1,1\n", "unknown device"),
    ("gpu,model,tp,phase,batch,chunk,kv_cache,time_us\na100,x,1,decode,1,0,128,12\n", "linear layers"),
    ("gpu,model,other\na100,x,1\n", "neither the columns"),
    ("some,other,table\n", "no table of operator times"),
])
def test_tables_to_calibrate_on(refused, tmp_path, text, says):
    (tmp_path / "t.csv").write_text(text)
    refused(*LLAMA, "--calibrate", tmp_path / "t.csv", says=says)


def test_traces_to_calibrate_on(rooftop, refused, tmp_path):
    trace = tmp_path / "p.rtrace"
    rooftop("predict", *LLAMA, "--batches", "1", "--lengths", "64", "-o", trace)
    refused(*LLAMA, "--calibrate", trace, says="is a prediction")
    data = bytearray(trace.read_bytes())
    data[len(data) // 2] ^= 0xFF
    trace.write_bytes(data)
    refused(*LLAMA, "--calibrate", trace, says="p.rtrace")
    refused(*LLAMA, "--calibrate", tmp_path / "missing.rtrace", says="missing.rtrace")

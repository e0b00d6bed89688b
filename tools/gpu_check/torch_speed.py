"""Step times of PyTorch with Hugging Face's Llama, eager and compiled, for the shapes that `rooftop sweep` times.

The same shape and random bf16 weights: decode on a static KV cache of the given length, prefill of whole prompts (logits
of the last token only, as rooftop computes). Writes one JSON object: {"cells": [{mode, phase, batch, length, step_s}]}.

  torch_speed.py --layers 32 --decode 1x1024,16x1024 --prefill 1x512,1x2048 -o torch.json
"""

import argparse
import json
import pathlib
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, StaticCache

SHAPES = {  # hidden, ffn, heads, kv heads, vocabulary
    "llama-7b": (4096, 11008, 32, 32, 32000),
    "llama-13b": (5120, 13824, 40, 40, 32000),
    "llama-3-8b": (4096, 14336, 32, 8, 128256),
}


def make_model(name, layers):
    hidden, ffn, heads, kv_heads, vocab = SHAPES[name]
    config = LlamaConfig(
        hidden_size=hidden, intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, vocab_size=vocab, max_position_embeddings=8192, attn_implementation="sdpa")
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config).eval()
    torch.set_default_dtype(torch.float32)
    return model


def seconds_of(step, repeats):
    """Mean over the repeats, by the clock of CUDA events, after three warm-ups."""
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(repeats):
        step()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) * 1e-3 / repeats


def decode_step(forward, model, batch, length):
    cache = StaticCache(config=model.config, max_cache_len=length)
    tokens = torch.randint(0, model.config.vocab_size, (batch, 1), device="cuda")
    position = torch.tensor([length - 1], device="cuda")
    # Allocates the cache's layers; its values do not matter for time.
    model(tokens, past_key_values=cache, cache_position=position, use_cache=True)
    return lambda: forward(tokens, past_key_values=cache, cache_position=position, use_cache=True, logits_to_keep=1)


def prefill_step(forward, model, batch, length):
    tokens = torch.randint(0, model.config.vocab_size, (batch, length), device="cuda")
    return lambda: forward(tokens, use_cache=False, logits_to_keep=1)


def cells(text):
    return [tuple(map(int, cell.split("x"))) for cell in text.split(",") if cell]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llama-7b", choices=SHAPES)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--decode", default="1x1024,16x1024", help="batch x length")
    parser.add_argument("--prefill", default="1x512,1x2048")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--modes", default="eager,compiled")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    model = make_model(options.model, options.layers)
    rows = []

    def save():
        options.output.write_text(json.dumps(
            {"model": options.model, "layers": options.layers, "torch": torch.__version__, "cells": rows}, indent=1))

    for mode in options.modes.split(","):
        for phase, make in (("ar", decode_step), ("init", prefill_step)):
            # Graphs for decode, as vLLM and gpt-fast run it; a long prefill gains nothing by them.
            forward = model if mode == "eager" else torch.compile(
                model, mode="reduce-overhead" if phase == "ar" else "default", dynamic=False)
            for batch, length in cells(options.decode if phase == "ar" else options.prefill):
                row = {"mode": mode, "phase": phase, "batch": batch, "length": length}
                try:
                    row["step_s"] = seconds_of(make(forward, model, batch, length), options.repeats)
                except Exception as error:  # one shape that fails must not cost the others
                    row["error"] = str(error).splitlines()[0]
                rows.append(row)
                print(row, flush=True)
                save()
    return 0


if __name__ == "__main__":
    sys.exit(main())

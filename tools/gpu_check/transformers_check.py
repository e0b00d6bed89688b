"""Logits and greedy tokens of `rooftop run` against Hugging Face Transformers on the same weights.

Makes small random Llamas (every head size and group size that the kernels claim), lets both generate from the same
prompts in the same type, and takes Transformers in fp32 on the CPU as the truth: rooftop's error must not exceed what
Transformers' own 16-bit run has, by more than a factor. Writes one JSON object.

  transformers_check.py --rooftop build/ci/tools/rooftop --device cuda -o transformers.json
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

HEADS = [  # heads, kv heads, head size
    (8, 8, 8), (6, 6, 48), (4, 4, 64), (4, 4, 128),
    (4, 2, 64), (6, 2, 64), (8, 2, 128), (8, 1, 64), (8, 1, 128), (8, 4, 8), (6, 2, 48),
]
PROMPT_LENGTHS = [1, 7, 70, 300]
NEW_TOKENS = 12
# 16-bit runs differ from fp32 by rounding only; two correct ones differ in the order of their sums.
FACTOR = 3.0
FLOOR = 2e-3  # of the largest logit: below this no error counts


def make_model(heads, kv_heads, head_dim, seed):
    torch.manual_seed(seed)
    config = LlamaConfig(
        hidden_size=192, intermediate_size=512, num_hidden_layers=3, num_attention_heads=heads,
        num_key_value_heads=kv_heads, head_dim=head_dim, vocab_size=1000, max_position_embeddings=1024,
        initializer_range=0.08, tie_word_embeddings=False, attn_implementation="eager")
    return LlamaForCausalLM(config).eval()


@torch.no_grad()
def logits_along(model, prompt, tokens):
    """Logits that each of `tokens` was drawn from, teacher-forced: [len(tokens), vocabulary]."""
    ids = torch.tensor([prompt + tokens[:-1]], device=model.device)
    return model(ids).logits[0, len(prompt) - 1:].float().cpu().numpy()


def run_rooftop(options, folder, prompt):
    out = folder / "logits.npy"
    command = [options.rooftop, "run", "--model", str(folder), "--device", options.device, "--dtype", options.dtype,
               "--attention", options.attention, "--prompt-tokens", ",".join(map(str, prompt)), "--max-tokens",
               str(NEW_TOKENS), "--ignore-eos", "--print-tokens", "--no-roofs", "--no-scopes", "--logits", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip())
    line = next(line for line in result.stdout.splitlines() if line.startswith("tokens: "))
    return [int(t) for t in line[len("tokens: "):].split(",")], np.load(out)


def greedy_is_right(tokens, truth, margin):
    """Each token is the truth's best, or within `margin` of it."""
    best = truth.max(axis=1)
    chosen = truth[np.arange(len(tokens)), tokens]
    return bool(np.all(best - chosen <= margin))


def check(options, heads, kv_heads, head_dim, seed):
    exact = make_model(heads, kv_heads, head_dim, seed)
    dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[options.dtype]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rounded = exact.to(dtype)
        rounded.save_pretrained(folder, safe_serialization=True)
        exact = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        rounded = rounded.to("cuda" if options.device.startswith("cuda") else "cpu")
        for length in PROMPT_LENGTHS:
            prompt = np.random.default_rng(length).integers(0, 1000, length).tolist()
            tokens, logits = run_rooftop(options, folder, prompt)
            truth = logits_along(exact, prompt, tokens)
            theirs = logits_along(rounded, prompt, tokens)
            size = float(np.abs(truth).max())
            error = float(np.abs(logits - truth).max()) / size
            error_theirs = float(np.abs(theirs - truth).max()) / size
            allowed = max(FACTOR * error_theirs, FLOOR)
            rows.append({
                "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, "prompt": length,
                "attention": options.attention, "dtype": options.dtype,
                "error": error, "transformers_error": error_theirs,
                "ok": error <= allowed and greedy_is_right(tokens, truth, 2 * allowed * size)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooftop", default="build/ci/tools/rooftop")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtypes", default="bf16,f16")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    rows = []
    for options.dtype in options.dtypes.split(","):
        for options.attention in ("flash", "unfused"):
            for seed, (heads, kv_heads, head_dim) in enumerate(HEADS):
                rows += check(options, heads, kv_heads, head_dim, seed)
                bad = sum(not row["ok"] for row in rows)
                print(f"{options.dtype} {options.attention} {heads}/{kv_heads} heads of {head_dim}: "
                      f"{len(rows)} runs, {bad} wrong", flush=True)
    options.output.write_text(json.dumps({"runs": rows}, indent=1))
    return 1 if any(not row["ok"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

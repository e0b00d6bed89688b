"""The short table at the end of tools/gpu_check.sh, from what its parts left in one folder.

Each goal is a fraction of the same card's measured roof. A part that left nothing is a line that says so.

  table.py FOLDER
"""

import json
import pathlib
import sys

# Closed forms of a Llama's step: docs/cost-model.md.
SHAPES = {"llama-7b": {"h": 4096, "layers": 32, "n": 32, "g": 32, "d": 128, "i": 11008, "V": 32000}}
BYTES = 2


def decode_bytes(shape, layers, batch, length):
    per_layer = shape["h"] * (2 * shape["n"] + 2 * shape["g"]) * shape["d"] + 3 * shape["h"] * shape["i"]
    cache = 2 * batch * shape["g"] * shape["d"] * length
    return BYTES * (layers * (per_layer + cache) + shape["V"] * shape["h"])


def prefill_flops(shape, layers, batch, length):
    rows = batch * length
    linear = 2 * rows * (shape["h"] * (2 * shape["n"] + 2 * shape["g"]) * shape["d"] + 3 * shape["h"] * shape["i"])
    attention = 2 * batch * shape["n"] * shape["d"] * length * (length + 1)  # causal
    return layers * (linear + attention) + 2 * batch * shape["h"] * shape["V"]


def load(folder, name):
    try:
        return json.loads((folder / name).read_text())
    except (OSError, ValueError):
        return None


class Table:
    def __init__(self):
        self.lines = []

    def add(self, what, value, goal="", verdict=""):
        self.lines.append((what, value, goal, verdict))

    def missing(self, what):
        self.add(what, "no result", "", "MISSING")

    def print(self):
        widths = [max(len(line[i]) for line in self.lines) for i in range(4)]
        for line in self.lines:
            print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def verdict(value, goal):
    return "ok" if value >= goal else "BELOW"


def roofs_of(folder):
    roofs = load(folder, "roofs.json") or {"roofs": []}
    return {(roof["kind"], roof.get("dtype", "")): roof["value"] for roof in roofs["roofs"]}


def add_roofs(table, roofs):
    read, bf16 = roofs.get(("dram_read", "")), roofs.get(("compute", "bf16"))
    if not read or not bf16:
        return table.missing("measured roofs")
    table.add("measured DRAM read", f"{read / 1e9:.0f} GB/s")
    table.add("measured bf16 products", f"{bf16 / 1e12:.0f} TFLOP/s")


def add_transformers(table, folder):
    result = load(folder, "transformers.json")
    if result is None:
        return table.missing("logits against Transformers")
    runs = result["runs"]
    right = sum(run["ok"] for run in runs)
    table.add("logits against Transformers", f"{right} of {len(runs)} runs", "all",
              "ok" if right == len(runs) else "WRONG")


def add_speed(table, folder, roofs):
    sweep, torch = load(folder, "sweep.json"), load(folder, "torch.json") or {"cells": []}
    if sweep is None:
        return table.missing("speed of steps")
    shape = SHAPES["llama-7b"]
    read, bf16 = roofs.get(("dram_read", "")), roofs.get(("compute", "bf16"))
    for cell in sweep["cells"]:
        batch, length, seconds = cell["batch"], cell["length"], cell["step_s"]
        decode = cell["phase"] == "ar"
        name = f"{'decode' if decode else 'prefill'} b{batch} L{length}"
        if decode:
            rate = decode_bytes(shape, shape["layers"], batch, length) / seconds
            text = f"{seconds * 1e3:.2f} ms, {rate / 1e9:.0f} GB/s"
            fraction, goal = (rate / read if read else 0), 0.9
        else:
            rate = prefill_flops(shape, shape["layers"], batch, length) / seconds
            text = f"{seconds * 1e3:.2f} ms, {rate / 1e12:.0f} TFLOP/s"
            fraction, goal = (rate / bf16 if bf16 else 0), 0.7
        table.add(name, f"{text}, {fraction:.0%} of the roof", f"{goal:.0%}", verdict(fraction, goal))
        for other in torch["cells"]:
            if (other["phase"], other["batch"], other["length"]) != (cell["phase"], batch, length):
                continue
            if "step_s" in other:
                ratio = other["step_s"] / seconds
                table.add(f"  PyTorch {other['mode']}", f"{other['step_s'] * 1e3:.2f} ms, {ratio:.2f} times ours",
                          "1", verdict(ratio, 1))
            else:
                table.add(f"  PyTorch {other['mode']}", f"failed: {other['error'][:60]}")


def add_kernels(table, folder, roofs):
    result = load(folder, "kernels.json")
    if result is None:
        return table.missing("speed of kernels")
    read, bf16 = roofs.get(("dram_read", "")), roofs.get(("compute", "bf16"))
    for kernel in result["kernels"]:
        if "flops_per_s" in kernel:
            fraction, goal = (kernel["flops_per_s"] / bf16 if bf16 else 0), kernel.get("goal", 0.38)
            text = f"{kernel['flops_per_s'] / 1e12:.0f} TFLOP/s"
        else:
            fraction, goal = (kernel["bytes_per_s"] / read if read else 0), kernel.get("goal", 0.9)
            text = f"{kernel['bytes_per_s'] / 1e9:.0f} GB/s"
        table.add(kernel["name"], f"{text}, {fraction:.0%} of the roof", f"{goal:.0%}", verdict(fraction, goal))


def add_overhead(table, folder):
    result = load(folder, "overhead.json")
    if result is None:
        return table.missing("cost of recording")
    for row in result["rows"]:
        what = f"cost of {row['way']}, {'graphs' if row['graphs'] == 'on' else 'eager'}"
        if "cost" not in row:
            table.add(what, f"failed: {row['says'][:80]}", "", "FAILED")
            continue
        goal = row["goal"]
        table.add(what, f"{row['cost']:+.2%} of {row['plain_s'] * 1e3:.2f} ms (drift {row['drift']:+.2%})",
                  f"{goal:.0%}" if goal else "", ("ok" if row["cost"] <= goal else "ABOVE") if goal else "")


def add_truth(table, folder):
    result = load(folder, "ncu.json")
    if result is None:
        return table.missing("counters against Nsight Compute")
    for figure, name in (("bytes_ok", "DRAM bytes within 2 % of ncu's"), ("ops_ok", "tensor operations equal ncu's")):
        judged = [row for row in result["kernels"] if figure in row]
        right = sum(row[figure] for row in judged)
        table.add(name, f"{right} of {len(judged)} kernels", "all",
                  "ok" if judged and right == len(judged) else "WRONG")
    table.add("counting beside ncu", f"{result['ncu_s'] / result['rooftop_s']:.1f} times faster, whole processes")


def add_torch_overhead(table, folder):
    result = load(folder, "torch_overhead.json")
    if result is None:
        return table.missing("cost of profilers to PyTorch")
    for row in result["rows"]:
        what = f"PyTorch {row['mode']} under {row['tool']}"
        if "cost" in row:
            table.add(what, f"{row['cost']:+.2%} of {row['plain_s'] * 1e3:.2f} ms")
        else:
            table.add(what, f"failed: {row['error'][:80]}")


def main():
    folder = pathlib.Path(sys.argv[1])
    table = Table()
    for status in sorted(folder.glob("*.status")):
        code = status.read_text().strip()
        table.add(f"part {status.stem}", "done" if code == "0" else f"exit {code}, see {status.stem}.log", "",
                  "ok" if code == "0" else "FAILED")
    roofs = roofs_of(folder)
    add_roofs(table, roofs)
    add_transformers(table, folder)
    add_speed(table, folder, roofs)
    add_kernels(table, folder, roofs)
    add_overhead(table, folder)
    add_truth(table, folder)
    add_torch_overhead(table, folder)
    table.print()
    return 0


if __name__ == "__main__":
    sys.exit(main())

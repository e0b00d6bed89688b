"""What profilers cost an engine that is not ours: decode steps of Hugging Face's Llama, plain and under each.

PyTorch's profiler and Triton's Proton are switched on within one process, plain steps before and after each; rooftop
is attached to the same script in a process of its own (`--plain`), next to one without. Writes {"rows": [{tool,
step_s, plain_s, cost}]}.

  torch_overhead.py --rooftop build/ci/tools/rooftop -o torch_overhead.json
"""

import argparse
import json
import pathlib
import sys
import tempfile

import commands


def plain_seconds(layers, mode, repeats):
    import torch
    import torch_speed
    with torch.no_grad():
        model = torch_speed.make_model("llama-7b", layers)
        forward = model if mode == "eager" else torch.compile(model, mode="reduce-overhead", dynamic=False)
        step = torch_speed.decode_step(forward, model, 1, 1024)
        return step, lambda: torch_speed.seconds_of(step, repeats)


def within(tool, measure, folder):
    """Seconds of a step while `tool` is on."""
    if tool == "torch.profiler":
        from torch.profiler import ProfilerActivity, profile
        with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]):
            return measure()
    import triton.profiler as proton
    session = proton.start(str(folder / "proton"))
    try:
        return measure()
    finally:
        proton.finalize(session)


def compare_here(layers, mode, repeats, folder):
    _, measure = plain_seconds(layers, mode, repeats)
    rows = []
    before = measure()
    for tool in ("torch.profiler", "proton"):
        row = {"tool": tool, "mode": mode}
        try:
            row["step_s"] = within(tool, measure, folder)
            after = measure()
            row |= {"plain_s": (before + after) / 2, "cost": row["step_s"] / ((before + after) / 2) - 1,
                    "after_s": after, "before_s": before}
            before = after
        except Exception as error:  # a tool that is missing or fails must not cost the others
            row["error"] = commands.last_line(str(error))
        rows.append(row)
        print(row, flush=True)
    return rows


def compare_attached(rooftop, layers, mode, repeats, folder):
    script = [sys.executable, __file__, "--plain", "--layers", str(layers), "--modes", mode, "--repeats",
              str(repeats), "-o"]
    times = {}
    for name, before in (("plain", []), ("attached", [rooftop, "attach", "-o", str(folder / "torch.rtrace"), "--"]),
                         ("again", [])):
        out = folder / f"{name}.json"
        status, _, err, _ = commands.run([*before, *script, str(out)])
        if status != 0:
            return {"tool": "rooftop attach", "mode": mode, "error": f"{name}: {commands.last_line(err)}"}
        times[name] = json.loads(out.read_text())["step_s"]
    plain = (times["plain"] + times["again"]) / 2
    return {"tool": "rooftop attach", "mode": mode, "step_s": times["attached"], "plain_s": plain,
            "cost": times["attached"] / plain - 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooftop")
    parser.add_argument("--plain", action="store_true", help="only time plain steps: what is attached to")
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--modes", default="eager,compiled")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    o = parser.parse_args()
    if o.plain:
        _, measure = plain_seconds(o.layers, o.modes, o.repeats)
        o.output.write_text(json.dumps({"step_s": measure()}))
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for mode in o.modes.split(","):
            rows += compare_here(o.layers, mode, o.repeats, pathlib.Path(name))
            if o.rooftop:
                rows.append(compare_attached(o.rooftop, o.layers, mode, o.repeats, pathlib.Path(name)))
                print(rows[-1], flush=True)
            o.output.write_text(json.dumps({"rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

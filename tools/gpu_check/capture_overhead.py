"""What recording costs: decode steps of one shape, unrecorded and in every way of recording, in turns.

Each way is a process of its own, with unrecorded ones of the same kind before and after it: the ratio is to the mean of
those two, so that a drift of the clocks cancels. Writes {"rows": [{way, graphs, step_s, plain_s, cost, says}]}.

  capture_overhead.py --rooftop build/ci/tools/rooftop -o overhead.json
"""

import argparse
import json
import pathlib
import sys
import tempfile

import commands

# Ways of recording, whether decode steps are CUDA graphs, and the most that the way may cost.
WAYS = [("scopes", "on", 0.01), ("timeline", "on", 0.01), ("sampling", "on", 0.02), ("timeline", "off", None),
        ("counters", "off", 2.0)]


def step_seconds(rooftop, options, extra):
    cells, says = commands.sweep(rooftop, [*options, *extra])
    return (cells[0]["step_s"] if cells else None), says


def measure(rooftop, options, folder, save):
    rows = []
    plain = {}  # by graphs: of the last unrecorded run
    for way, graphs, goal in WAYS:
        bare = ["--graphs", graphs, "--no-scopes"]
        before = plain.get(graphs) or step_seconds(rooftop, options, bare)[0]
        trace = str(folder / f"{way}-{graphs}.rtrace")
        step, says = step_seconds(rooftop, options, ["--graphs", graphs, "--capture", way, "--no-roofs", "-o", trace])
        after, _ = step_seconds(rooftop, options, bare)
        plain[graphs] = after
        row = {"way": way, "graphs": graphs, "goal": goal, "says": says}
        if step and before and after:
            base = (before + after) / 2
            row |= {"step_s": step, "plain_s": base, "drift": after / before - 1, "cost": step / base - 1}
        rows.append(row)
        save(rows)
        print(row, flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooftop", required=True)
    parser.add_argument("--model", default="llama-7b")
    parser.add_argument("--layers", default="32")
    parser.add_argument("--repeats", default="50")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    o = parser.parse_args()
    options = ["--device", "cuda", "--model", o.model, "--layers", o.layers, "--dtype", "bf16", "--batches", "1",
               "--lengths", "1024", "--phases", "ar", "--repeats", o.repeats]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(o.rooftop, options, pathlib.Path(folder),
                       lambda rows: o.output.write_text(json.dumps({"rows": rows}, indent=1)))
    return 0 if all("cost" in row for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

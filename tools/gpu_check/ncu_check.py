"""Truth: DRAM bytes and tensor operations of the same kernels by rooftop's counters and by Nsight Compute.

Both run the same decode cells, eager, with the same warm-up; ncu neither flushes caches nor locks clocks, and reads the
metrics of rooftop's own first configuration, which fit one pass. Kernels are compared by name, grid and block, median
against median. Writes {"kernels": [...], "rooftop_s": ..., "ncu_s": ...}: seconds are whole processes.

  ncu_check.py --rooftop build/ci/tools/rooftop -o ncu.json
"""

import argparse
import json
import pathlib
import re
import shutil
import statistics
import sys
import tempfile

import commands

FIGURES = ("dram_read_bytes", "dram_write_bytes", "tensor_flops")
BIG = 10e6  # bytes above which they must agree within 2 %


def plain_name(name):
    """A kernel's name without what tools spell differently: anonymous namespaces, casts of template arguments, parameters.

    >>> plain_name("void (anonymous namespace)::gemv<(int)8, (bool)1>(float*)")
    'gemv<8,1>'
    >>> plain_name("void <unnamed>::gemv<8, true>(float *)")
    'gemv<8,1>'
    """
    name = re.sub(r"(\(anonymous namespace\)|<unnamed>)::", "", name)
    name = re.sub(r"\((unsigned |signed )?(int|bool|long|char|short|long long)\)", "", name)
    name = re.sub(r"\btrue\b", "1", re.sub(r"\bfalse\b", "0", name))
    depth = 0
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            name = name[:i]
            break
    return re.sub(r"^void ", "", name).replace(" ", "")


def signature(row):
    return plain_name(row["name"]), row["grid"], row["block"]


def medians(rows):
    """{signature: {figure: median}} of rows of kernels.csv; a figure that no row has is left out."""
    groups = {}
    for row in rows:
        figures = groups.setdefault(signature(row), {figure: [] for figure in FIGURES})
        for figure in FIGURES:
            if row.get(figure):
                figures[figure].append(float(row[figure]))
    return {key: {figure: statistics.median(values) for figure, values in figures.items() if values}
            for key, figures in groups.items()}


def compare(ours, theirs):
    """Rows of kernels that both saw, with ratios, and how many only one saw."""
    a, b = medians(ours), medians(theirs)
    rows = []
    for key in sorted(a.keys() & b.keys()):
        row = {"name": key[0], "grid": key[1], "block": key[2]}
        read = [side[key].get("dram_read_bytes") for side in (a, b)]
        if None not in read:
            row |= {"rooftop_read": read[0], "ncu_read": read[1]}
            if read[1] > BIG:
                row |= {"bytes_ratio": read[0] / read[1], "bytes_ok": abs(read[0] / read[1] - 1) <= 0.02}
        operations = [side[key].get("tensor_flops") for side in (a, b)]
        if None not in operations:
            row |= {"rooftop_ops": operations[0], "ncu_ops": operations[1], "ops_ok": operations[0] == operations[1]}
        rows.append(row)
    return rows, len(a.keys() - b.keys()), len(b.keys() - a.keys())


def first_metrics(rooftop):
    status, out, err, _ = commands.run([rooftop, "metrics", "--types", "bf16", "--json"])
    if status != 0:
        raise SystemExit(f"rooftop metrics: {commands.last_line(err)}")
    plan = json.loads(out)
    plan = plan[0] if isinstance(plan, list) else plan
    return next(c["metrics"] for c in plan["configurations"] if c["kind"] == "range")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooftop", required=True)
    parser.add_argument("--ncu", default=shutil.which("ncu") or "/usr/local/cuda/bin/ncu")
    parser.add_argument("--layers", default="2")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    o = parser.parse_args()
    work = ["--device", "cuda", "--model", "llama-7b", "--layers", o.layers, "--dtype", "bf16", "--batches", "1,16",
            "--lengths", "1024", "--phases", "ar", "--repeats", "3", "--graphs", "off", "--no-roofs"]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        trace = folder / "counters.rtrace"
        status, _, err, ours_s = commands.run([o.rooftop, "sweep", *work, "--capture", "counters", "-o", str(trace)])
        if status != 0:
            raise SystemExit(f"rooftop sweep --capture counters: {commands.last_line(err)}")
        status, out, err, ncu_s = commands.run(
            [o.ncu, "--csv", "--page", "raw", "--cache-control", "none", "--clock-control", "none", "--metrics",
             ",".join(first_metrics(o.rooftop)), o.rooftop, "sweep", *work, "--capture", "scopes", "-o",
             str(folder / "scopes.rtrace")])
        if status != 0:
            raise SystemExit(f"ncu: {commands.last_line(err or out)}")
        (folder / "ncu.csv").write_text(out)
        ours, why = commands.kernels_of(o.rooftop, trace, folder / "ours")
        theirs, why_not = commands.kernels_of(o.rooftop, folder / "ncu.csv", folder / "theirs")
        if ours is None or theirs is None:
            raise SystemExit(f"kernels.csv: {why or why_not}")
        rows, only_ours, only_ncu = compare(ours, theirs)
    result = {"kernels": rows, "only_rooftop": only_ours, "only_ncu": only_ncu, "rooftop_s": ours_s, "ncu_s": ncu_s}
    o.output.write_text(json.dumps(result, indent=1))
    wrong = [row for row in rows if not row.get("bytes_ok", True) or not row.get("ops_ok", True)]
    for row in rows:
        print(row)
    print(f"{len(rows)} kernels compared, {len(wrong)} differ; only rooftop {only_ours}, only ncu {only_ncu}")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    sys.exit(main())

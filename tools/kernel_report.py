#!/usr/bin/env python3
"""Registers, spills and static shared memory of every CUDA kernel, as the compiler reports them.

Compiles the kernels for each architecture and prints one line per kernel. With --budget, fails where a kernel needs
more than the committed file allows; --write-budget writes that file from what the kernels need now. Exits with 77
(skipped) where there is no nvcc."""

import argparse
import concurrent.futures
import csv
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = 77
REGISTER_GRANULE = 8  # registers are allocated to a thread in eights
BUDGET_FIELDS = ["kernel", "architecture", "registers", "spill_bytes"]


@dataclasses.dataclass(frozen=True, order=True)
class Usage:
    source: str
    kernel: str
    architecture: int
    registers: int
    spill_bytes: int  # stores and loads
    shared_bytes: int  # static


class ReportError(Exception):
    pass


ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)\w*'")
SPILLS = re.compile(r"(\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


def parse_log(log, source):
    """The kernels in ptxas's report, with mangled names."""
    usages = []
    entry = None
    spill_bytes = 0
    for line in log.splitlines():
        if match := ENTRY.search(line):
            entry = match
            spill_bytes = 0
        elif match := SPILLS.search(line):
            spill_bytes = int(match[1]) + int(match[2])
        elif entry and (match := USED.search(line)):
            usages.append(Usage(source, entry[1], int(entry[2]), int(match[1]), spill_bytes, int(match[2] or 0)))
            entry = None
    return usages


def without_arguments(name):
    """Drops a demangled function's parameter list: from the first parenthesis outside of <>."""
    depth = 0
    for i, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            return name[:i]
    return name


def short_name(demangled):
    """rms_norm_kernel<bf16, 8> from what the demangler makes of it."""
    name = demangled.replace("(anonymous namespace)::", "").removeprefix("void ")
    name = re.sub(r"\((?:int|bool|unsigned int)\)", "", name)
    name = without_arguments(name)
    name = re.sub(r"\b(?:\w+::)+", "", name)
    return name.replace("__nv_bfloat16", "bf16").replace("__half", "f16").replace("> >", ">>")


def demangle(names):
    run = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    return dict(zip(names, run.stdout.splitlines()))


def compile_kernel(command, source, architecture):
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            command
            + ["-std=c++20", f"-I{ROOT}", f"-I{ROOT}/profiler/include", f"-arch=sm_{architecture}", "-Xptxas=-v"]
            + ["-cubin", "-c", str(source), "-o", f"{folder}/kernel.cubin"],
            cwd=ROOT,  # one place for ccache, wherever this runs
            capture_output=True,
            text=True,
        )
    if run.returncode != 0:
        raise ReportError(f"{source} does not compile for sm_{architecture}:\n{run.stderr}")
    return parse_log(run.stderr, pathlib.Path(source).name)


def collect(command, sources, architectures):
    jobs = [(source, architecture) for source in sources for architecture in architectures]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda job: compile_kernel(command, *job), jobs)
        usages = [usage for part in found for usage in part]
    names = demangle(sorted({usage.kernel for usage in usages}))
    return sorted(dataclasses.replace(usage, kernel=short_name(names[usage.kernel])) for usage in usages)


def print_table(usages):
    architectures = sorted({usage.architecture for usage in usages})
    kernels = {}
    for usage in usages:
        kernels.setdefault((usage.source, usage.kernel), {})[usage.architecture] = usage
    width = max(len(kernel) for _, kernel in kernels)
    print("Registers per thread (+ bytes spilled), and bytes of static shared memory")
    print("".ljust(width) + "".join(f"{'sm_' + str(a):>11}" for a in architectures) + "     shared")
    last_source = None
    for (source, kernel), by_architecture in kernels.items():
        if source != last_source:
            print(source)
            last_source = source
        cells = []
        for architecture in architectures:
            usage = by_architecture.get(architecture)
            spilled = f"+{usage.spill_bytes}" if usage and usage.spill_bytes else ""
            cells.append(f"{str(usage.registers) + spilled if usage else '-':>11}")
        shared = max(usage.shared_bytes for usage in by_architecture.values())
        print(kernel.ljust(width) + "".join(cells) + f"{shared:>11}")


def rounded_up(registers):
    return -(-registers // REGISTER_GRANULE) * REGISTER_GRANULE


def write_budget(path, usages):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(BUDGET_FIELDS)
        for usage in sorted(usages, key=lambda u: (u.kernel, u.architecture)):
            writer.writerow([usage.kernel, usage.architecture, rounded_up(usage.registers), usage.spill_bytes])


def read_budget(path):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {(r["kernel"], int(r["architecture"])): (int(r["registers"]), int(r["spill_bytes"])) for r in rows}


def violations(usages, budget):
    """One sentence for each kernel that needs too much, and for each line of the budget without a kernel."""
    architectures = {usage.architecture for usage in usages}
    seen = set()
    for usage in usages:
        key = (usage.kernel, usage.architecture)
        seen.add(key)
        where = f"{usage.kernel} on sm_{usage.architecture}"
        if key not in budget:
            yield f"{where} is not in the budget"
            continue
        registers, spill_bytes = budget[key]
        if usage.registers > registers:
            yield f"{where} needs {usage.registers} registers, the budget is {registers}"
        if usage.spill_bytes > spill_bytes:
            yield f"{where} spills {usage.spill_bytes} bytes, the budget is {spill_bytes}"
    for kernel, architecture in sorted(budget.keys() - seen):
        if architecture in architectures:
            yield f"{kernel} on sm_{architecture} is in the budget, but there is no such kernel"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nvcc", default="/usr/local/cuda/bin/nvcc", help="the compiler; empty: skip")
    parser.add_argument("--launcher", default="", help="what to put before nvcc, such as ccache")
    parser.add_argument("--architectures", default="80,86,89,90", help="compute capabilities, by commas")
    parser.add_argument("--budget", help="CSV file that the kernels must keep to")
    parser.add_argument("--write-budget", action="store_true", help="write that file instead")
    parser.add_argument("sources", nargs="*", help="kernels; without any: inference/cuda/*.cu")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if not arguments.nvcc:
        print("Skipped: this build has no CUDA module.")
        return SKIPPED
    if not os.access(arguments.nvcc, os.X_OK):
        print(f"Skipped: there is no compiler {arguments.nvcc} (--nvcc).")
        return SKIPPED
    sources = [pathlib.Path(s).resolve() for s in arguments.sources] or sorted((ROOT / "inference/cuda").glob("*.cu"))
    architectures = [int(a) for a in arguments.architectures.split(",")]
    try:
        usages = collect(arguments.launcher.split() + [arguments.nvcc], sources, architectures)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    print_table(usages)
    if not arguments.budget:
        return 0
    if arguments.write_budget:
        write_budget(arguments.budget, usages)
        return 0
    found = list(violations(usages, read_budget(arguments.budget)))
    for sentence in found:
        print(f"Over budget: {sentence}.", file=sys.stderr)
    if found:
        print(f"Mend the kernel, or where that is meant, write {arguments.budget} anew: --write-budget.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

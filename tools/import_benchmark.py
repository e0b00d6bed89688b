#!/usr/bin/env python3
"""Times of reading one PyTorch profiler trace: `rooftop import`, Python's json.load, and HolisticTraceAnalysis's
loader where it is installed (PyPI: HolisticTraceAnalysis). The trace is synthetic, and every reader runs in a process of
its own, one after the other. Usage: import_benchmark.py ROOFTOP [--megabytes 500] [--packed] [--repeats 3]
"""

import argparse
import gzip
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

KERNELS_PER_STEP = 800
NAMES = [
    "void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_16x16_128x2_tn_align8>(Params)",
    "void at::native::vectorized_elementwise_kernel<4, at::native::bfloat16_copy_kernel_cuda(at::TensorIteratorBase&)"
    "::{lambda(float)#1}, std::array<char*, 2ul> >(int, lambda, std::array<char*, 2ul>)",
    "void flash_fwd_splitkv_kernel<Flash_fwd_kernel_traits<128, 64, 256, 4, false, false, cutlass::bfloat16_t>>(Params)",
    "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::MeanOps<float, float, float> > >()",
]
OPERATORS = ["aten::linear", "aten::copy_", "aten::scaled_dot_product_attention", "aten::mean"]


def step_events(step):
    """Text of the events of one step: annotation, and per kernel operator, launch, flow and the kernel itself."""
    begin = 1_000_000 + step * 20_000
    out = [json.dumps({"ph": "X", "cat": "user_annotation", "name": f"ProfilerStep#{step}", "pid": 9, "tid": 9,
                       "ts": begin, "dur": 19_000.5, "args": {"External id": step}})]
    for i in range(KERNELS_PER_STEP):
        number = step * KERNELS_PER_STEP + i + 1
        kind = i % len(NAMES)
        at = begin + 1 + i * 20
        operator = {"ph": "X", "cat": "cpu_op", "name": OPERATORS[kind], "pid": 9, "tid": 9, "ts": at + 0.125,
                    "dur": 15.25, "args": {"External id": number, "Ev Idx": number,
                                           "Input type": ["c10::BFloat16", "c10::BFloat16", ""],
                                           "Input Strides": [[4096, 1], [4096, 1], []],
                                           "Input Dims": [[16, 1, 4096], [4096, 4096], []]}}
        launch = {"ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 9, "tid": 9, "ts": at + 3.5,
                  "dur": 5.75, "args": {"External id": number, "cbid": 211, "correlation": number}}
        kernel = {"ph": "X", "cat": "kernel", "name": NAMES[kind], "pid": 0, "tid": 7, "ts": at + 30.375, "dur": 18.5,
                  "args": {"External id": number, "queued": 0, "device": 0, "context": 1, "stream": 7,
                           "correlation": number, "registers per thread": 96, "shared memory": 49152,
                           "blocks per SM": 1.23, "warps per SM": 4.93, "grid": [i % 97 + 1, 1, 1],
                           "block": [128, 1, 1], "est. achieved occupancy %": 12}}
        flow = {"ph": "s", "id": number, "pid": 9, "tid": 9, "ts": at + 3.5, "cat": "ac2g", "name": "ac2g"}
        out += [json.dumps(event) for event in (operator, launch, kernel, flow)]
    return ",\n".join(out)


def write_trace(path, megabytes, packed):
    """The trace, and how many kernels it has."""
    steps = written = 0
    head = json.dumps({"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "NVIDIA A100-SXM4-80GB"}]})
    with (gzip.open(path, "wt", compresslevel=6) if packed else open(path, "w")) as file:
        file.write(head[:-1] + ', "traceEvents": [')
        while written < megabytes * 1e6:
            text = (",\n" if steps else "") + step_events(steps)
            file.write(text)
            written += len(text)
            steps += 1
        file.write("]}\n")
    return steps * KERNELS_PER_STEP, written


def timed(command):
    """Seconds, processor seconds and peak memory in MiB of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status != 0:
        raise SystemExit(f"{command[0]} failed: {output[-500:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output


def readers(options, trace):
    output = trace.with_suffix(".rtrace")
    opener = "gzip.open" if options.packed else "open"
    yield "rooftop import", [options.rooftop, "import", trace, "-o", output]
    yield "Python json.load", [sys.executable, "-c",
                               f"import gzip, json, sys\nprint(len(json.load({opener}(sys.argv[1]))['traceEvents']))",
                               trace]
    if importlib.util.find_spec("hta") is None:
        print("HolisticTraceAnalysis is not installed: its loader is left out.", file=sys.stderr)
        return
    yield "HTA loader", [sys.executable, "-c",
                         "import sys\nfrom hta.common.trace_parser import parse_trace_dataframe\n"
                         "from hta.configs.parser_config import ParserConfig\n"
                         "print(len(parse_trace_dataframe(sys.argv[1], ParserConfig.get_default_cfg())[1]))", trace]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rooftop", help="the command")
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--packed", action="store_true", help="read a .json.gz")
    parser.add_argument("--only", default="", help="readers whose names contain this")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / ("trace.json.gz" if options.packed else "trace.json")
        kernels, size = write_trace(trace, options.megabytes, options.packed)
        print(f"{size / 1e6:.0f} MB of JSON{' in a .gz' if options.packed else ''}, {kernels} kernels; best of "
              f"{options.repeats}\n\n| reader | seconds | CPU seconds | MB/s | peak MiB |\n|---|---|---|---|---|")
        for name, command in readers(options, trace):
            if options.only not in name:
                continue
            runs = [timed(command) for _ in range(options.repeats)]
            seconds, cpu, memory = min(r[0] for r in runs), min(r[1] for r in runs), max(r[2] for r in runs)
            if name == "rooftop import" and f"{kernels} kernels" not in runs[0][3]:
                raise SystemExit(f"not all kernels were imported: {runs[0][3]}")
            print(f"| {name} | {seconds:.2f} | {cpu:.2f} | {size / 1e6 / seconds:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Puts each bug of bugs.py into a copy of its source, compiles that for the host executor, and runs
the kernels' tests. Prints what found each bug; fails where one was not found, where its text is not
in the source exactly once, or where the tests fail without a bug."""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

from bugs import BUGS, CUDA

EXECUTOR = "tests/host_executor/"
TESTS = "tests/inference/cuda/"
CORE = [EXECUTOR + f + ".cpp"
        for f in ("block", "diagnostics", "fiber", "launch", "shared_memory", "warp_collectives")]
WATCHED = [EXECUTOR + "copy_async.cpp"]  # compiled with the sanitizers

ATTENTION = ([CUDA + k for k in ("attention_combine.cu", "attention_decode.cu", "attention_tiled.cu", "softmax.cu",
                                 "attention_plan.cpp")]
             + [TESTS + t + ".cpp" for t in ("attention_kernels_test", "softmax_kernel_test", "attention_case")])
LINEAR = ([CUDA + k for k in ("gemv.cu", "kv_cache.cu", "rows.cu", "gemv_plan.cpp")]
          + [TESTS + t + ".cpp" for t in ("gemv_kernel_test", "rows_kernel_test", "kv_cache_kernel_test")])

# In core the sanitizers watch nothing, but it tells them of fibers.
SANITIZERS = {
    "plain": ([], []),
    "asan": (["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
             ["-DROOFTOP_HOST_EXECUTOR_ASAN"]),
    "tsan": (["-fsanitize=thread"], ["-DROOFTOP_HOST_EXECUTOR_TSAN"]),
}
EXECUTOR_ERROR = 97  # host_executor.h: kErrorExitCode
SECONDS = 120  # for one run of tests


class Builder:
    def __init__(self, arguments):
        self.root = arguments.root.resolve()
        self.work = arguments.work.resolve()
        self.compiler = [*shlex.split(arguments.launcher), arguments.compiler]
        self.linker = arguments.compiler
        self.common = ["-std=c++20", "-O1", "-g1", "-fno-strict-aliasing", "-w", "-DROOFTOP_HOST_EXECUTOR",
                       f"-DROOFTOP_TEST_DATA=\"{self.root / 'tests'}\"", "-isystem", arguments.cuda_headers]

    def compile(self, source, build, output, overlay=None):
        """`source` is relative to the root; what is in `overlay` comes before what is there."""
        sanitizer, core = SANITIZERS[build]
        flags = core if source in CORE else sanitizer
        before = [f"-I{overlay}"] if overlay else []
        copy = overlay / source if overlay else None
        path = copy if copy and copy.exists() else self.root / source
        output.parent.mkdir(parents=True, exist_ok=True)
        run_or_fail([*self.compiler, "-x", "c++", *self.common, *flags, *before, f"-I{self.root}", "-c", path, "-o",
                     output])
        return output

    def object_of(self, source, build):
        return self.work / build / (source.replace("/", "_") + ".o")

    def build_without_bugs(self, build, sources, pool):
        return [pool.submit(self.compile, s, build, self.object_of(s, build)) for s in sources]

    def link(self, build, objects, output):
        run_or_fail([self.linker, *SANITIZERS[build][0], *objects, "-o", output, "-lboost_context", "-lgtest",
                     "-lgtest_main", "-lgmock", "-lpthread"])
        return output


def run_or_fail(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command[-4:]))}:\n{done.stderr[-2000:]}")


def group_of(bug):
    return ATTENTION if CUDA + bug.kernel in ATTENTION else LINEAR


def run_tests(program, tests):
    """What stopped the tests, or None where they passed."""
    environment = dict(os.environ, TSAN_OPTIONS="halt_on_error=1:atexit_sleep_ms=0", UBSAN_OPTIONS="halt_on_error=1",
                       ASAN_OPTIONS="detect_leaks=0")
    try:
        done = subprocess.run([program, f"--gtest_filter={tests}"], capture_output=True, text=True, errors="replace",
                              timeout=SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return "no end"
    if "Running 0 tests" in done.stdout:
        raise RuntimeError(f"no test is called {tests}")
    if done.returncode == 0:
        return None
    for mark, finder in (("ThreadSanitizer: data race", "TSan: race"), ("ERROR: AddressSanitizer", "ASan"),
                         ("runtime error:", "UBSan")):
        if mark in done.stderr:
            return finder
    if done.returncode == EXECUTOR_ERROR:
        said = re.search(r":\d+: (.*?)(:| \(seed|$)", done.stderr.strip().splitlines()[-1])
        return "executor: " + (said[1] if said else "deadlock")
    if "[  FAILED  ]" in done.stdout:
        return "results"
    return f"exit status {done.returncode}"


def patch(bug, root, overlay):
    """Writes the one file that the bug is in."""
    files = [CUDA + bug.kernel, *(CUDA + header.name for header in sorted((root / CUDA).glob("*.h")))]
    texts = {file: (root / file).read_text() for file in files}
    found = [file for file in files for _ in range(texts[file].count(bug.find))]
    if len(found) != 1:
        raise RuntimeError(f"{bug.name}: its text is in the sources {len(found)} times, and not once: {bug.find!r}")
    target = overlay / found[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(texts[found[0]].replace(bug.find, bug.replace))


def find_bug(number, bug, builder):
    """What found the bug, or None."""
    overlay = builder.work / f"bug_{number}"
    shutil.rmtree(overlay, ignore_errors=True)
    patch(bug, builder.root, overlay)
    kernel = CUDA + bug.kernel
    changed = builder.compile(kernel, bug.build, overlay / "kernel.o", overlay)
    others = [builder.object_of(s, bug.build) for s in [*group_of(bug), *CORE, *WATCHED] if s != kernel]
    # First: of inline functions in two files, the linker takes the first.
    program = builder.link(bug.build, [changed, *others], overlay / "tests")
    found = run_tests(program, bug.tests)
    program.unlink()
    return found


def check_without_bugs(builder, build, pool):
    """The same tests pass on the sources as they are: else nothing would be shown."""
    runs = {}
    for group, name in ((ATTENTION, "attention"), (LINEAR, "linear")):
        bugs = [bug for bug in BUGS if bug.build == build and group_of(bug) is group]
        if not bugs:
            continue
        objects = [builder.object_of(s, build) for s in [*group, *CORE, *WATCHED]]
        program = builder.link(build, objects, builder.work / build / name)
        tests = ":".join(sorted({bug.tests for bug in bugs}))
        runs[f"{name}, {build}"] = pool.submit(run_tests, program, tests)
    return {name: run.result() for name, run in runs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, required=True, help="the project's sources")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder for what is built")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--launcher", default="", help="what the compiler is started with: ccache")
    parser.add_argument("--cuda-headers", default="/usr/local/cuda/include")
    parser.add_argument("--only", default="", help="bugs whose name or kernel contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    builder = Builder(arguments)
    wanted = [(i, bug) for i, bug in enumerate(BUGS) if arguments.only in bug.name or arguments.only in bug.kernel]
    builds = sorted({bug.build for _, bug in wanted})
    bad = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        sources = [*ATTENTION, *LINEAR, *CORE, *WATCHED]
        waiting = [done for build in builds for done in builder.build_without_bugs(build, sources, pool)]
        for done in waiting:
            done.result()
        for build in builds:
            for name, failure in check_without_bugs(builder, build, pool).items():
                print(f"without a bug ({name}): {failure or 'tests pass'}", flush=True)
                bad += [name] if failure else []
        results = [(bug, pool.submit(find_bug, i, bug, builder)) for i, bug in wanted]
        print(f"{'bug':<52} {'kernel':<22} {'build':<6} found by")
        for bug, result in results:
            try:
                found = result.result()
            except RuntimeError as error:
                print(error)
                found = None
            print(f"{bug.name:<52} {bug.kernel:<22} {bug.build:<6} {found or 'NOT FOUND'}", flush=True)
            bad += [] if found else [bug.name]
    print(f"{len(wanted)} bugs, {len(bad)} failures" + "".join(f"\n  {name}" for name in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

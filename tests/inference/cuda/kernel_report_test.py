#!/usr/bin/env python3
"""Tests of tools/kernel_report.py on invented compiler reports."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))
import kernel_report  # noqa: E402

LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4loneIfEvPT_' for 'sm_80'
ptxas info    : Function properties for _Z4loneIfEvPT_
    24 bytes stack frame, 20 bytes spill stores, 28 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 24 bytes cumulative stack size, 1024 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 12.345 ms
ptxas info    : Compiling entry function '_Z5plainv' for 'sm_90a'
ptxas info    : Function properties for _Z5plainv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 17 registers, used 0 barriers
"""


def usage(kernel="k", architecture=80, registers=30, spill_bytes=0):
    return kernel_report.Usage("k.cu", kernel, architecture, registers, spill_bytes, 0)


class KernelReport(unittest.TestCase):
    def test_reads_the_compilers_report(self):
        self.assertEqual(
            kernel_report.parse_log(LOG, "a.cu"),
            [
                kernel_report.Usage("a.cu", "_Z4loneIfEvPT_", 80, 64, 48, 1024),
                kernel_report.Usage("a.cu", "_Z5plainv", 90, 17, 0, 0),
            ],
        )

    def test_shortens_names(self):
        cases = {
            "void rooftop::inference::cuda::(anonymous namespace)::rms_norm<__nv_bfloat16, (int)8>"
            "(T1 const*, float, int)": "rms_norm<bf16, 8>",
            "void a::gemv::(anonymous namespace)::gemv<__half, a::gemv::Dot<__half, 1>, a::X<8, __half> >"
            "(a::gemv::Problem<__half>)": "gemv<f16, Dot<f16, 1>, X<8, f16>>",
            "plain()": "plain",
        }
        for demangled, short in cases.items():
            self.assertEqual(kernel_report.short_name(demangled), short)

    def test_a_written_budget_holds_what_it_was_written_from(self):
        usages = [usage(), usage("other", 90, 33, 8)]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "budget.csv")
            kernel_report.write_budget(path, usages)
            budget = kernel_report.read_budget(path)
        self.assertEqual(budget, {("k", 80): (32, 0), ("other", 90): (40, 8)})
        self.assertEqual(list(kernel_report.violations(usages, budget)), [])

    def test_finds_what_is_over_budget(self):
        budget = {("k", 80): (32, 0), ("gone", 80): (8, 0), ("elsewhere", 90): (8, 0)}
        found = "\n".join(kernel_report.violations([usage(registers=33), usage("new")], budget))
        self.assertIn("k on sm_80 needs 33 registers, the budget is 32", found)
        self.assertIn("new on sm_80 is not in the budget", found)
        self.assertIn("gone on sm_80 is in the budget", found)
        self.assertNotIn("elsewhere", found)
        self.assertIn("spills 4 bytes", "\n".join(kernel_report.violations([usage(spill_bytes=4)], budget)))


if __name__ == "__main__":
    unittest.main()

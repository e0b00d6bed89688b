#!/usr/bin/env python3
"""Compulsory bytes beside DRAM bytes that others counted, as the tables of docs/reality.md.

  ROOFTOP_FIELD_DATA=FOLDER tools/reality_table.py

reads FOLDER/facts/measured_bytes.csv. Bytes of matrix products are computed here from their shapes, as
docs/cost-model.md has them; of other operators the table gives the compulsory bytes beside the shape.
"""

import csv
import os
import re
import statistics
import sys

ELEMENT = {"fp32": 4, "bf16": 2, "fp16": 2}
# Last-level cache, MB (datasheets): what is written and fits need not have reached DRAM when the kernel ends.
L2_MB = {"A100": 40, "H100-80GB": 50, "RTX5090": 96, "B200": 126}
TOLERANCE = 0.1


def product_shape(row):
    match = re.match(r"M(\d+) N(\d+) K(\d+)\b", row["shape"])
    return tuple(int(x) for x in match.groups()) if match else None


class Kernel:
    def __init__(self, row):
        self.gpu, self.operator, self.shape = row["gpu"], row["operator"], row["shape"]
        self.basis = row["basis"]
        self.product = product_shape(row)
        self.element = ELEMENT.get(row["dtype"], 0)
        self.modelled = float(row["compulsory"])
        self.measured = float(row["ratio"]) * self.modelled
        self.written_model = 0.0
        if self.product and self.element and self.basis == "total":
            m, n, k = self.product
            self.written_model = self.element * m * n
            self.modelled = self.element * (m * k + n * k + m * n)
            self.measured = float(row["ratio"]) * float(row["compulsory"])
        self.ratio = self.measured / self.modelled

    def off(self):
        return abs(self.ratio - 1) > TOLERANCE

    def why(self):
        if not self.off():
            return ""
        l2 = L2_MB.get(self.gpu, 0) * 1e6
        if self.modelled < 2e5:
            return "under 0.2 MB: kernel parameters and whole sectors count"
        if self.ratio < 1:
            if self.basis.startswith("total") and self.written_model:
                reads = self.modelled - self.written_model
                if self.measured >= 0.97 * reads:
                    kept = 100 * (1 - (self.measured - reads) / self.written_model)
                    return f"{min(kept, 100):.0f} % of the output was still in L2 when the kernel ended"
            return "the output was still in L2 when the kernel ended"
        if "causal" in self.operator:
            return "blocks of queries read the keys below their diagonal again: 268 MB of K and V exceed L2"
        if self.product:
            m, n, k = self.product
            operands = self.element * (m * k + n * k)
            if operands > 0.5 * l2:
                return f"tiles read operands again ({operands / 1e6:.0f} MB of them, 40 MB of L2)"
            return "operands fit in L2: probably partial sums of a split product, written and read back"
        return "read again"


def megabytes(value):
    return f"{value / 1e6:.3g}"


def print_kernels(kernels):
    print("| GPU | operator | shape | compared | modelled MB | measured MB | ratio | gap over 10 % |")
    print("|---|---|---|---|---|---|---|---|")
    for k in kernels:
        basis = {"read": "reads", "total": "reads + writes"}.get(k.basis, "total, with reads modelled")
        shape = re.sub(r" (grid|block)\(.*", "", k.shape)
        print(f"| {k.gpu} | {k.operator.replace('|', '/')} | {shape} | {basis} | {megabytes(k.modelled)} | {megabytes(k.measured)} "
              f"| {k.ratio:.3f} | {k.why()} |")


def print_products(kernels):
    groups = {
        "M <= 16": lambda k: k.product[0] <= 16,
        "N, K >= 1024, M > 16": lambda k: k.product[0] > 16 and min(k.product[1:]) >= 1024,
        "smaller N or K": lambda k: k.product[0] > 16 and min(k.product[1:]) < 1024,
    }
    print("| products of fp32, A100 | kernels | median ratio | lowest | highest | within 10 % | below: output in L2 "
          "| above: read again |")
    print("|---|---|---|---|---|---|---|---|")
    for name, belongs in groups.items():
        group = [k for k in kernels if belongs(k)]
        ratios = [k.ratio for k in group]
        below = [k for k in group if k.off() and k.ratio < 1]
        above = [k for k in group if k.off() and k.ratio > 1]
        print(f"| {name} | {len(group)} | {statistics.median(ratios):.3f} | {min(ratios):.3f} | {max(ratios):.3f} "
              f"| {len(group) - len(below) - len(above)} | {len(below)} | {len(above)} |")
    print()
    explained = [k for k in kernels if k.off() and k.ratio < 1
                 and k.measured >= 0.97 * (k.modelled - k.written_model)]
    low = [k for k in kernels if k.off() and k.ratio < 1]
    print(f"Of {len(low)} products below 0.9, {len(explained)} lie between compulsory reads and reads + writes: what is "
          "missing is at most their output.")
    print("\nThose above 1.1:\n")
    print_kernels(sorted((k for k in kernels if k.off() and k.ratio > 1), key=lambda k: -k.ratio))


def main():
    folder = os.environ.get("ROOFTOP_FIELD_DATA")
    path = os.path.join(folder or "", "facts", "measured_bytes.csv")
    if not folder or not os.path.exists(path):
        sys.exit("Set ROOFTOP_FIELD_DATA to the folder of the field data: it holds facts/measured_bytes.csv.")
    with open(path, newline="") as table:
        kernels = [Kernel(row) for row in csv.DictReader(table) if row["ratio"] and row["compulsory"]]
    products = [k for k in kernels if k.operator == "linear (GEMM)" and k.product]
    print_kernels([k for k in kernels if k not in products])
    print()
    print_products(products)


if __name__ == "__main__":
    main()

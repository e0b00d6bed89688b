// Reports made by closed forms, for the tests of what people look at: no figure in them was
// measured.
#pragma once

#include <cstdint>

#include "rooftop/report.pb.h"

namespace rooftop::testing {

enum class Bytes { kModelled, kCounted };

// Llama 7B on an A6000 over the paper's grid: batch 1 to 64 times length 128 to 8192, both phases;
// cells whose cache does not fit are skipped. With kCounted some bytes are MEASURED, some JOINED.
Report sample_gpu_sweep(Bytes bytes = Bytes::kModelled);

// The counted sweep as it is before it is joined with a timeline: no times.
Report sample_counters_only();

// SmolLM2-135M on two CPU cores: one prompt, a continuation in four bins, measured roofs, all the
// named rows.
Report sample_cpu_run();

// A trace that was cut before its first step ended.
Report sample_empty();

// `n` points of the six series, spread over the chart by a fixed seed.
Report sample_many_points(int n);

// The CPU run with every name and sentence replaced by text that attacks page, chart or terminal.
Report sample_hostile();

}  // namespace rooftop::testing

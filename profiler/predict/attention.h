// How long flash attention takes on a GPU, prefill and decode. docs/predict.md derives the terms.
#pragma once

#include "profiler/predict/gpu_figures.h"

namespace rooftop::predict {

// A step whose sequences are alike.
struct AttentionShape {
  double batch = 0;
  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;
  double query_tokens = 0;  // a sequence
  double length = 0;        // keys, the query tokens included
  double kv_bytes = 2;      // per element
  bool causal_skip = false;
};

struct AttentionCoefficients {
  double launch_s = 4e-6;
  double wave_s = 3e-6;           // start and end of a wave of blocks
  double bandwidth_share = 0.93;  // of the datasheet's bandwidth
  double read_share = 1;          // of it over the multiprocessors: what one of them can read
  double peak_share = 0.6;        // of the datasheet's peak, on keys that were there before
  double new_key_cost = 1.8;      // a pair among the step's own tokens over one with an older key
  double quantisation = 0.8;      // as of a matrix product
  double split_s = 3e-6;          // a split along the keys: combining the parts
};

double flash_attention_seconds(const AttentionShape& shape, const GpuFigures& gpu,
                               const AttentionCoefficients& c);

}  // namespace rooftop::predict

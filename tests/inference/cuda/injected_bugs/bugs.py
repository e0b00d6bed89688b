"""Bugs that are put into the CUDA kernels one at a time; run.py shows that the kernels' tests find each.

A bug is a text, found exactly once in the kernel's source and the headers of inference/cuda, and what stands there
instead. `build` is the build that is meant to find it: plain, asan (with UBSan) or tsan; `tests` the tests that run.
"""

from dataclasses import dataclass

CUDA = "inference/cuda/"


@dataclass(frozen=True)
class Bug:
    name: str
    kernel: str  # the .cu that is compiled again
    find: str
    replace: str
    tests: str  # as --gtest_filter takes them
    build: str = "plain"


TILED = "*EveryHeadSize.Tiled*/BF16_64:AttentionKernels.LengthsAroundTheTiles:AttentionKernels.LargeScores"
TILED_ONE = "*EveryHeadSize.Tiled/BF16_64:*EveryHeadSize.Tiled/BF16_128"
DECODE = "*EveryHeadSize.Decode*/BF16_64:AttentionKernels.LargeScores"
SOFTMAX = "*SoftmaxKernel.RaggedBatches/*:*SoftmaxKernel.ShortRows*"
GEMV_SLICES = "*GemvRows.SeveralPasses/0:*GemvRows.SlicesOfK/2"
GEMV_EDGES = "*GemvRows.EveryRemainderOfOutputs/4:*GemvRows.EveryRemainderOfOutputs/0"
ROWS = "RowKernels/*.RmsNorm*"

BUGS = (
    # Barriers and asynchronous copies.
    Bug("no barrier between a tile's arrival and its use", "attention_tiled.cu",
        "gpu::copy_async_wait<Shape::kBuffers - 2>();\n    __syncthreads();\n    load_step(",
        "gpu::copy_async_wait<Shape::kBuffers - 2>();\n    load_step(", TILED_ONE, "tsan"),
    Bug("no barrier after the block's work is found", "attention_tiled.cu",
        "work = work_of_block<Shape>(call);\n  __syncthreads();", "work = work_of_block<Shape>(call);",
        TILED_ONE, "tsan"),
    Bug("a tile is loaded into the buffer that is in use", "attention_tiled.cu",
        "load_step(step + Shape::kBuffers - 1);", "load_step(step + Shape::kBuffers);", TILED_ONE),
    Bug("one group of copies too few is waited for", "attention_tiled.cu",
        "gpu::copy_async_wait<Shape::kBuffers - 2>();\n    __syncthreads();\n    load_step(",
        "gpu::copy_async_wait<Shape::kBuffers - 1>();\n    __syncthreads();\n    load_step(", TILED_ONE),
    Bug("no warp barrier before staged results are read", "attention_tiled.cu",
        "  __syncwarp();\n  for (int i = lane;", "  for (int i = lane;", TILED_ONE, "tsan"),
    Bug("no barrier before warps are joined", "attention_decode.cu",
        "  __syncthreads();\n  join_warps", "  join_warps", DECODE, "tsan"),
    Bug("barrier in a divergent branch", "attention_decode.cu",
        "  __syncthreads();\n  join_warps", "  if (lane < kLanes) __syncthreads();\n  join_warps", DECODE),
    Bug("no barrier in the sum over a block", "softmax.cu",
        "of_warps[threadIdx.x / kWarp] = x;\n  __syncthreads();", "of_warps[threadIdx.x / kWarp] = x;",
        SOFTMAX, "tsan"),
    Bug("shared memory reused without a barrier between", "softmax.cu",
        "sum, warp_sums,", "sum, warp_maxima,", SOFTMAX, "tsan"),
    Bug("one set of slice sums instead of two in turn", "gemv.cu",
        "slice_sums[pass % 2]", "slice_sums[0]", GEMV_SLICES, "tsan"),
    Bug("no barrier before staged x is read", "gemv.cu",
        "      });\n    }\n    __syncthreads();\n  }\n", "      });\n    }\n  }\n", GEMV_EDGES, "tsan"),
    Bug("no barrier in the sum of squares", "rows.cu",
        "sums[threadIdx.x / kWarp] = sum;\n  __syncthreads();", "sums[threadIdx.x / kWarp] = sum;", ROWS,
        "tsan"),
    # Fragments, lanes and masks.
    Bug("swapped fragments of the keys", "attention_tiled.cu",
        "a[tile], b[0], b[1]", "a[tile], b[1], b[0]", TILED_ONE),
    Bug("values are not transposed", "attention_tiled.cu",
        "gpu::load_matrix_x4_transposed(b,", "gpu::load_matrix_x4(b,", TILED_ONE),
    Bug("misaligned rows of a matrix", "attention_tiled.cu",
        "return Shape::offset(lane % 16, lane / 16);", "return Shape::offset(lane % 16, lane / 16) + 4;",
        TILED_ONE),
    Bug("maximum over the wrong lanes", "attention_tiled.cu",
        "kAllLanes, maximum, 2)", "kAllLanes, maximum, 4)", TILED),
    Bug("lanes leave a loop with shuffles early", "attention_decode.cu",
        "* kKeysInFlight; round < keys.end;", "* kKeysInFlight; round + lane / kLanes < keys.end;", DECODE),
    Bug("swapped halves of W's rows", "gemv.cu",
        "{first.x, second.x, first.y, second.y}", "{first.x, first.y, second.x, second.y}", GEMV_SLICES),
    # Masks, tiles and bounds.
    Bug("causal mask off by one", "attention_tiled.cu",
        "if (key > last_key)", "if (key >= last_key)", TILED_ONE),
    Bug("last tile on the diagonal is skipped", "attention_tiled.cu",
        "first_key <= last_keys[", "first_key < last_keys[", TILED),
    Bug("one key too many is loaded", "attention_tiled.cu",
        "row + i < valid_rows", "row + i <= valid_rows", TILED_ONE),
    Bug("one query row too many is loaded", "attention_tiled.cu",
        "const bool valid = row < work.rows", "const bool valid = row <= work.rows", TILED_ONE, "asan"),
    Bug("one row too many is written", "attention_tiled.cu",
        "if (row >= work.rows || chunk", "if (row > work.rows || chunk", TILED_ONE),
    Bug("one key too many is read", "attention_decode.cu",
        "if (key < end) lines[i]", "if (key <= end) lines[i]", DECODE),
    Bug("one output too many is stored", "gemv.cu",
        "if (output < problem.n) visit(0,", "if (output <= problem.n) visit(0,", GEMV_EDGES),
    Bug("a piece of W beyond the row is read", "gemv.cu",
        "      if (e < end) {\n        first[c]", "      if (e <= end) {\n        first[c]", GEMV_EDGES, "asan"),
    # Shared memory and alignment.
    Bug("too little shared memory", "attention_tiled.cu",
        " + gpu::shared_bytes<std::int32_t>(kRows)", "", TILED_ONE),
    Bug("a shared array is one lane short", "attention_decode.cu",
        "[kWarps * kRows * kLanes * 8]);", "[kWarps * kRows * kLanes * 8 - 8]);", DECODE, "asan"),
    Bug("misaligned 16-byte access", "softmax.cu",
        "return {start - lead, lead,", "return {start, 0,", SOFTMAX, "asan"),
    # Arithmetic.
    Bug("results are not rescaled to a new maximum", "attention_tiled.cu",
        "state.out[tile][n][2 * half] *= rescale;", "", TILED),
    Bug("sums are not rescaled to a new maximum", "attention_tiled.cu",
        "state.sum[tile][half] * rescale;", "state.sum[tile][half];", TILED),
    Bug("results of a split without keys are read", "attention_combine.cu",
        "if (weights[i] > 0.0f) values[i]", "values[i]", "*EveryHeadSize.DecodeSplits/BF16_64"),
    Bug("of equal logits the last", "rows.cu",
        "static_cast<unsigned>(other_index) < static_cast<unsigned>(index)",
        "static_cast<unsigned>(other_index) > static_cast<unsigned>(index)", "Argmax.*"),
    Bug("positions off by one", "kv_cache.cu",
        "sequence.length - sequence.rows +", "sequence.length - sequence.rows + 1 +", "RopeKvKernel/*"),
)

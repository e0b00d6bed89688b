#!/usr/bin/env bash
# Checks this build on a machine with a GPU and without a network: tests, results against Transformers, speed against the
# card's own measured roofs and against PyTorch. Changes no setting of the card. Each part runs although another fails;
# the table comes last, everything else lies in the output folder.
# Usage: tools/gpu_check.sh [-o FOLDER] [-b BUILD] [--sanitizer]    (default: gpu-check, build/ci)
#   PYTHON   the interpreter with PyTorch and Transformers (default: python3); without it those parts fail, and say so
#   --sanitizer   also runs the small GPU tests under compute-sanitizer (minutes)
set -uo pipefail
cd "$(dirname "$0")/.."

out=gpu-check
build=build/ci
sanitizer=no
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2; shift 2 ;;
    -b) build=$2; shift 2 ;;
    --sanitizer) sanitizer=yes; shift ;;
    *) echo "gpu_check.sh: unknown option '$1' (known: -o FOLDER, -b BUILD, --sanitizer)" >&2; exit 2 ;;
  esac
done
python=${PYTHON:-python3}
rooftop=$build/tools/rooftop
[ -x "$rooftop" ] || { echo "gpu_check.sh: $rooftop was not found: build with -DROOFTOP_CUDA=ON, or name the build with -b" >&2; exit 2; }
# A build that was carried here (tools/gpu_check/pack.sh) brings its libraries along.
[ ! -d "$build/lib" ] || export LD_LIBRARY_PATH=$PWD/$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
mkdir -p "$out"
rm -f "$out"/*.status

# cuBLASLt may live in PyTorch's packages only.
if ! ldconfig -p 2>/dev/null | grep -q libcublasLt.so.13 && [ -z "${ROOFTOP_CUBLASLT:-}" ]; then
  found=$("$python" -c 'import glob, site
for folder in site.getsitepackages():
    for path in glob.glob(folder + "/nvidia/**/libcublasLt.so.13", recursive=True):
        print(path)' 2>/dev/null | head -1)
  [ -n "$found" ] && export ROOFTOP_CUBLASLT=$found
fi

part() {  # NAME COMMAND...: its output goes to NAME.log, its exit status to NAME.status
  local name=$1 begin=$SECONDS
  shift
  echo "[$name]" >&2
  "$@" >"$out/$name.log" 2>&1
  local status=$?
  echo $status >"$out/$name.status"
  echo "[$name] exit $status after $((SECONDS - begin)) s" >&2
}

machine() {
  uname -r
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm,power.limit,temperature.gpu \
    --format=csv
  "$rooftop" --version
  date --utc +%F
}
tests() {
  local status=0 test text
  for test in roofs/cuda_module_test inference/cuda/cuda_gpu_test; do
    text=$("$build/tests/$test" 2>&1) || status=1
    echo "$text"
    # Here a test that is skipped is a test that failed.
    case $text in *SKIPPED*) status=1 ;; esac
  done
  return $status
}
roofs() { "$rooftop" roofs --device cuda --seconds 8 --json | tee "$out/roofs.json"; }
steps() {
  # One process for prefill and decode; random weights of the real shape.
  "$rooftop" sweep --device cuda --model llama-7b --dtype bf16 --batches 1 --lengths 512,1024,2048 --repeats 20 --json \
    >"$out/sweep-1.json" || return
  "$rooftop" sweep --device cuda --model llama-7b --dtype bf16 --batches 16 --lengths 1024 --phases ar --repeats 20 \
    --json >"$out/sweep-16.json" || return
  "$python" -c 'import json, sys
cells = [cell for name in sys.argv[2:] for cell in json.load(open(name))["cells"]]
json.dump({"cells": cells}, open(sys.argv[1], "w"), indent=1)' "$out/sweep.json" "$out/sweep-1.json" "$out/sweep-16.json"
}
kernels() { "$build/tests/inference/cuda/cuda_kernel_benchmark" >"$out/kernels.json"; }
transformers() {
  "$python" tools/gpu_check/transformers_check.py --rooftop "$rooftop" --device cuda -o "$out/transformers.json"
}
torch_speed() { "$python" tools/gpu_check/torch_speed.py -o "$out/torch.json"; }
sanitized() {
  compute-sanitizer --tool memcheck --error-exitcode 9 "$build/tests/inference/cuda/cuda_gpu_test" \
    --gtest_filter='*Prefill*:*Ragged*' &&
    compute-sanitizer --tool racecheck --error-exitcode 9 "$build/tests/inference/cuda/cuda_gpu_test" \
      --gtest_filter='*Prefill*'
}

# The most important first.
for name in machine tests roofs steps kernels transformers torch_speed; do part $name $name; done
[ $sanitizer = no ] || part sanitized sanitized
"$python" tools/gpu_check/table.py "$out" | tee "$out/table.txt"

#!/usr/bin/env bash
# Checks this build on a machine with a GPU and without a network: tests, results against Transformers, speed against the
# card's own measured roofs and against PyTorch, what recording costs, counters against Nsight Compute's, raw recordings
# for tests. Changes no setting of the card. Each part runs although another fails; the table comes last, everything else
# lies in the output folder.
# Usage: tools/gpu_check.sh [-o FOLDER] [-b BUILD] [--sanitizer] [--long] [PART...]    (default: gpu-check, build/ci)
#   PYTHON   the interpreter with PyTorch and Transformers (default: python3); without it those parts fail, and say so
#   --sanitizer   also runs the small GPU tests under compute-sanitizer (minutes)
#   --long   also sweeps the paper's grid for 7B, 13B and 33B, and starts and stops recording a thousand times
#   PART...  only these
set -uo pipefail
cd "$(dirname "$0")/.."

out=gpu-check
build=build/ci
sanitizer=no
long=no
parts=()
run_part=
declare -A seconds=([steps]=180 [truth]=180 [recordings]=120 [overhead]=240 [torch_speed]=240 [torch_overhead]=240
  [transformers]=180 [sanitized]=600 [sweeps]=3000 [soak]=3000)  # the most that a part may take; 120 where nothing is said
while [ $# -gt 0 ]; do
  case $1 in
    -o) out=$2; shift 2 ;;
    -b) build=$2; shift 2 ;;
    --sanitizer) sanitizer=yes; shift ;;
    --long) long=yes; shift ;;
    --run-part) run_part=$2; shift 2 ;;  # of itself: within a time limit
    -*) echo "gpu_check.sh: unknown option '$1' (known: -o FOLDER, -b BUILD, --sanitizer, --long)" >&2; exit 2 ;;
    *) parts+=("$1"); shift ;;
  esac
done
python=${PYTHON:-python3}
rooftop=$build/tools/rooftop
[ -x "$rooftop" ] || { echo "gpu_check.sh: $rooftop was not found: build with -DROOFTOP_CUDA=ON, or name the build with -b" >&2; exit 2; }
# A build that was carried here (tools/gpu_check/pack.sh) brings its libraries along; those that every machine has, but
# perhaps too old, only where nothing runs without them: they would be Python's, too.
if [ -d "$build/lib" ]; then
  export LD_LIBRARY_PATH=$PWD/$build/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  "$rooftop" --version >/dev/null 2>&1 || export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$PWD/$build/lib/runtime
fi
mkdir -p "$out"
[ ${#parts[@]} -gt 0 ] || [ -n "$run_part" ] || rm -f "$out"/*.status

# cuBLASLt and CUPTI may live in PyTorch's packages only.
in_packages() {  # FILE
  "$python" -c 'import glob, site, sys
for folder in site.getsitepackages():
    for path in glob.glob(folder + "/nvidia/**/" + sys.argv[1], recursive=True):
        print(path)' "$1" 2>/dev/null | head -1
}
if ! ldconfig -p 2>/dev/null | grep -q libcublasLt.so.13 && [ -z "${ROOFTOP_CUBLASLT:-}" ]; then
  found=$(in_packages libcublasLt.so.13)
  [ -z "$found" ] || export ROOFTOP_CUBLASLT=$found
fi
if [ -z "${ROOFTOP_CUPTI:-}" ] && ! ldconfig -p 2>/dev/null | grep -q libcupti.so.13 &&
  ! ls /usr/local/cuda/lib64/libcupti.so /usr/local/cuda/extras/CUPTI/lib64/libcupti.so >/dev/null 2>&1; then
  found=$(in_packages libcupti.so.13)
  [ -z "$found" ] || export ROOFTOP_CUPTI=$found
fi

part() {  # NAME: its output goes to NAME.log, its exit status to NAME.status. A hang costs its own time only
  local name=$1 begin=$SECONDS
  echo "[$name]" >&2
  timeout -k 5 "${seconds[$name]:-120}" bash "$0" -o "$out" -b "$build" --run-part "$name" >"$out/$name.log" 2>&1
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
# Each test in a process of its own: CUPTI's sessions of different kinds may spoil each other within one.
capture_tests() {
  local status=0 test text names
  names=$("$build/tests/capture/cupti/capture_gpu_test" --gtest_list_tests) || return
  for test in $(sed -n 's/^  //p' <<<"$names"); do
    text=$("$build/tests/capture/cupti/capture_gpu_test" --gtest_filter="*.$test" 2>&1) || status=1
    echo "$text"
    case $text in *SKIPPED*) status=1 ;; esac
  done
  return $status
}
# The plugin in a program that knows nothing of it: the same exit status, and kernels in the trace.
plugin() {
  local plain attached
  "$build/tests/capture/cupti/capture_questions" --work
  plain=$?
  "$rooftop" attach -o "$out/attached.rtrace" -- "$build/tests/capture/cupti/capture_questions" --work
  attached=$?
  "$rooftop" report "$out/attached.rtrace" -o "$out/attached" || return
  echo "exit status $plain, attached $attached; launches: $(wc -l <"$out/attached/kernels.csv")"
  [ $plain -eq $attached ] && grep -q work_tensor "$out/attached/kernels.csv"
}
roofs() { "$rooftop" roofs --device cuda --seconds 8 --json | tee "$out/roofs.json"; }
steps() {
  # One process for prefill and decode; random weights of the real shape.
  "$rooftop" sweep --device cuda --model llama-7b --dtype bf16 --batches 1 --lengths 512,1024,2048 --repeats 20 --no-scopes --json \
    >"$out/sweep-1.json" || return
  "$rooftop" sweep --device cuda --model llama-7b --dtype bf16 --batches 16 --lengths 1024 --phases ar --repeats 20 \
    --no-scopes --json >"$out/sweep-16.json" || return
  "$python" -c 'import json, sys
cells = [cell for name in sys.argv[2:] for cell in json.load(open(name))["cells"]]
json.dump({"cells": cells}, open(sys.argv[1], "w"), indent=1)' "$out/sweep.json" "$out/sweep-1.json" "$out/sweep-16.json"
}
kernels() { "$build/tests/inference/cuda/cuda_kernel_benchmark" >"$out/kernels.json"; }
transformers() {
  "$python" tools/gpu_check/transformers_check.py --rooftop "$rooftop" --device cuda -o "$out/transformers.json"
}
torch_speed() { "$python" tools/gpu_check/torch_speed.py -o "$out/torch.json"; }
doctor() { "$rooftop" doctor --json >"$out/doctor.json"; cat "$out/doctor.json"; "$rooftop" metrics --json; }
# Each in a process of its own: one that hangs or crashes costs its own answer only.
questions() {
  local status=0 name names program=$build/tests/capture/cupti/capture_questions
  names=$("$program" --list) || return
  for name in $names; do
    timeout -k 5 60 "$program" "$name" >"$out/question-$name.json" || { echo "$name: exit $?"; status=1; }
    cat "$out/question-$name.json"
  done
  return $status
}
overhead() { "$python" tools/gpu_check/capture_overhead.py --rooftop "$rooftop" -o "$out/overhead.json"; }
truth() { "$python" tools/gpu_check/ncu_check.py --rooftop "$rooftop" -o "$out/ncu.json"; }
torch_overhead() {
  "$python" tools/gpu_check/torch_overhead.py --rooftop "$rooftop" -o "$out/torch_overhead.json"
}
# Two layers of 7B in every way of recording, with the raw buffers and images beside the traces: what tests replay.
recordings() {
  local to=$out/recordings status=0 way
  rm -rf "$to"
  mkdir -p "$to/activity" "$to/counters"
  "$rooftop" metrics --json >"$to/metrics.json" || status=1
  for way in timeline counters sampling auto; do
    ROOFTOP_SAVE_ACTIVITY=$to/activity ROOFTOP_SAVE_COUNTERS=$to/counters "$rooftop" run --device cuda --model llama-7b \
      --layers 2 --dtype bf16 --prompt-tokens 1,2,3,4,5,6,7,8 --max-tokens 5 --ignore-eos --capture $way \
      -o "$to/$way.rtrace" || status=1
  done
  tar -C "$out" -cf "$out/recordings.tar" recordings
  ls -l "$to" "$to"/*/ "$out/recordings.tar"
  return $status
}
# The paper's charts as measured traces; cells that would take long are left out, and say so.
sweeps() {
  local model layers status=0
  for model in llama-7b llama-13b llama-33b; do
    for attention in unfused flash; do
      "$rooftop" sweep --device cuda --model $model --layers 2 --dtype bf16 --attention $attention --grid paper --repeats 5 \
        --max-cell-seconds 2 -o "$out/$model-$attention.rtrace" || status=1
    done
  done
  "$rooftop" sweep --device cuda --model llama-7b --dtype bf16 --grid paper --repeats 3 --max-cell-seconds 2 \
    -o "$out/llama-7b-all-layers.rtrace" || status=1
  return $status
}
soak() { "$build/tests/capture/cupti/capture_gpu_test" --gtest_filter='*StartsAndStops*' --gtest_repeat=1000 --gtest_brief=1; }
sanitized() {
  compute-sanitizer --tool memcheck --error-exitcode 9 "$build/tests/inference/cuda/cuda_gpu_test" \
    --gtest_filter='*Prefill*:*Ragged*' &&
    compute-sanitizer --tool racecheck --error-exitcode 9 "$build/tests/inference/cuda/cuda_gpu_test" \
      --gtest_filter='*Prefill*'
}

if [ -n "$run_part" ]; then
  "$run_part"
  exit
fi

# The most important first.
if [ ${#parts[@]} -eq 0 ]; then
  parts=(machine tests capture_tests doctor questions plugin roofs recordings truth steps overhead kernels transformers
    torch_speed torch_overhead)
  [ $sanitizer = no ] || parts+=(sanitized)
  [ $long = no ] || parts+=(sweeps soak)
fi
for name in "${parts[@]}"; do
  declare -F "$name" >/dev/null || { echo "gpu_check.sh: there is no part '$name'" >&2; exit 2; }
  part "$name"
done
"$python" tools/gpu_check/table.py "$out" | tee "$out/table.txt"

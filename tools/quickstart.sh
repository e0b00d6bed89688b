#!/usr/bin/env bash
# From a fresh clone on a fresh Debian 12 machine to a roofline chart of a real Llama: installs what the main job needs,
# builds, lets SmolLM2-135M write, prints the table, and says where the page is. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

tools/install_deps.sh
tools/fetch.sh nvtx echarts

model=${XDG_CACHE_HOME:-$HOME/.cache}/rooftop/SmolLM2-135M-Instruct.Q4_1.gguf
prompt=(--prompt "Once upon a time")
if ! tools/fetch.sh checkpoint; then
  echo "The checkpoint cannot be had here: going on with a random-weight smollm-135m (its text means nothing)." >&2
  model=smollm-135m
  prompt=(--prompt-tokens "1,2,3,4,5,6,7,8")
fi

# The CUDA module only where there is a driver to use it.
cuda=OFF
if [ -e /proc/driver/nvidia/version ] || command -v nvidia-smi >/dev/null; then cuda=AUTO; fi
[ $cuda = OFF ] || tools/fetch.sh cublas
preset=cpu

echo "Building (preset $preset, CUDA module $cuda)" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset $preset -DROOFTOP_CUDA=$cuda -DROOFTOP_BUILD_TESTS=OFF -DROOFTOP_BUILD_EXAMPLES=OFF -DROOFTOP_WERROR=OFF >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
cmake --build --preset $preset --target rooftop

out=${1:-build/quickstart}
rooftop=build/$preset/tools/rooftop
"$rooftop" run --model "$model" "${prompt[@]}" --max-tokens 64 --temperature 0 -o "$out"

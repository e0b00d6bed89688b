#!/usr/bin/env bash
# Copies what tools/gpu_check.sh runs out of a build, stripped and with the shared libraries that another machine may lack,
# into a folder of the build's own layout: carry it there and name it with -b.
# Usage: tools/gpu_check/pack.sh BUILD FOLDER
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: tools/gpu_check/pack.sh BUILD FOLDER" >&2; exit 2; }
build=$1
to=$2

files=(tools/rooftop tools/rooftop_cuda.so tools/rooftop_cuda_engine.so tools/librooftop.so
  tests/roofs/cuda_module_test tests/inference/cuda/cuda_gpu_test tests/inference/cuda/cuda_kernel_benchmark
  tests/capture/cupti/capture_gpu_test tests/capture/cupti/capture_questions)
rm -rf "$to"
mkdir -p "$to/lib/runtime"
for file in "${files[@]}"; do
  mkdir -p "$to/$(dirname "$file")"
  cp "$build/$file" "$to/$file"
  strip "$to/$file"
  # All but what every glibc machine has; an older libstdc++ would not do.
  ldd "$build/$file" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' |
    { grep -v -E '/(libc|libm|libdl|libpthread|librt|ld-linux[^/]*)\.so' || true; } | xargs -r -I{} cp -nL {} "$to/lib/"
done
strip "$to"/lib/*.so* 2>/dev/null || true
mv "$to"/lib/lib{stdc++,gcc_s,z}.so* "$to/lib/runtime/" 2>/dev/null || true
du -sh "$to"

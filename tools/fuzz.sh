#!/usr/bin/env bash
# Builds one libFuzzer target with clang, ASan and UBSan, and runs it. Usage: tools/fuzz.sh TARGET SECONDS
# The corpus grows under build/fuzz/corpus/TARGET; a finding stays in build/fuzz as crash-*.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 2 ] || { echo "usage: tools/fuzz.sh TARGET SECONDS" >&2; exit 2; }
command -v clang++-14 >/dev/null || { echo "fuzz.sh: install clang-14 and libclang-rt-14-dev" >&2; exit 2; }
# clang uses GCC's OpenMP, as oneDNN does: two of them in one process would compete for the cores.
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DOpenMP_CXX_FLAGS=-fopenmp=libgomp -DOpenMP_CXX_LIB_NAMES=gomp \
  -DOpenMP_gomp_LIBRARY="$(g++ -print-file-name=libgomp.so)" \
  -DROOFTOP_CUDA=OFF -DROOFTOP_BUILD_FUZZERS=ON -DROOFTOP_SANITIZE=address,undefined >/dev/null
cmake --build build/fuzz --target "$1"
mkdir -p "build/fuzz/corpus/$1"
cd build/fuzz
"$(find . -type f -name "$1" -perm -u+x -print -quit)" "corpus/$1" \
  -max_total_time="$2" -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1

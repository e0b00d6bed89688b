#!/usr/bin/env bash
# Installs what the tests need, builds and tests everything under AddressSanitizer and UndefinedBehaviorSanitizer, the CUDA
# kernels under ThreadSanitizer (on the CPU), then everything plain, with the CUDA modules wherever a toolkit is.
# Usage: tools/test.sh [--no-sanitizers]
set -euo pipefail
cd "$(dirname "$0")/.."

sanitizers=yes
[ "${1:-}" = --no-sanitizers ] && sanitizers=no

tools/install_deps.sh --tests
tools/fetch.sh nvtx cublas echarts
tools/fetch.sh checkpoint || echo "Tests of the real checkpoint will be skipped." >&2

# Python side of the tests (browser, scripts): pinned, in an environment of its own, kept between runs.
venv=${XDG_CACHE_HOME:-$HOME/.cache}/rooftop/test-venv
if ! cmp -s tests/requirements.txt "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt "$venv/requirements.txt"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
configure() {
  cmake --preset "$1" -DPython3_EXECUTABLE="$venv/bin/python" >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
  }
  grep -E '^-- (CUDA|Rooftop)' "$log" || true
}

if [ $sanitizers = yes ]; then
  configure asan
  cmake --build --preset asan
  ctest --preset asan -LE slow -j "$(nproc)"
  # Races between the threads of a CUDA kernel, which the host executor runs.
  configure tsan
  cmake --build --preset tsan --target host_executor_tests
  ctest --preset tsan -L host_executor -j "$(nproc)"
fi
configure ci
cmake --build --preset ci
ctest --preset ci -j "$(nproc)"

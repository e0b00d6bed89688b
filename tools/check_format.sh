#!/usr/bin/env bash
# Fails where a C++ file is not formatted as .clang-format says. `--fix` formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
git ls-files -z '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 clang-format-14 "${mode[@]}"

#!/usr/bin/env bash
# clang-tidy over the C++ sources that differ from REVISION (default: all). Needs a configured build/cpu.
# Usage: tools/tidy.sh [REVISION]
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e build/cpu/compile_commands.json ] || cmake --preset cpu >/dev/null
if [ $# -gt 0 ]; then
  files=$(git diff --name-only --diff-filter=d "$1" -- '*.cpp')
else
  files=$(git ls-files '*.cpp')
fi
# Only what the build compiles: clang-tidy knows nothing of a file without a compile command.
known=$(python3 - <<'P'
import json, os
root = os.getcwd() + "/"
print("\n".join(e["file"].removeprefix(root) for e in json.load(open("build/cpu/compile_commands.json"))))
P
)
comm -12 <(sort <<<"$files") <(sort <<<"$known") |
  xargs -r -P "$(nproc)" -n 4 clang-tidy-14 -p build/cpu --quiet

#!/usr/bin/env bash
# Installs a build into an empty folder and uses the copy as a stranger would: find_package, pkg-config, each public header
# alone. Usage: check_install.sh SOURCE_DIR BUILD_DIR [SANITIZERS]
set -euo pipefail
source=$1 build=$2 sanitize=${3:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
"$work/prefix/bin/rooftop" --version

flags=()
[ -z "$sanitize" ] || flags=(-fsanitize="$sanitize")
cmake -S "$source/tests/install/consumer" -B "$work/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$work/prefix" \
  -DEXAMPLE="$source/examples/own_engine.cpp" -DCMAKE_CXX_FLAGS="${flags[*]:-}" >"$work/configure.log"
cmake --build "$work/consumer"
"$work/consumer/scopes_only"
"$work/consumer/own_engine" "$work/own.rtrace"
"$work/prefix/bin/rooftop" report "$work/own.rtrace" >"$work/table"
grep -q "qkv mlp ar" "$work/table"

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name rooftop.pc)")
# shellcheck disable=SC2046  # pkg-config prints several words
g++ -std=c++20 "${flags[@]}" "$source/examples/own_engine.cpp" $(pkg-config --cflags --libs rooftop) -o "$work/by_pkg_config"
"$work/by_pkg_config" "$work/other.rtrace"

for header in "$work"/prefix/include/rooftop/*.h; do
  echo "#include \"rooftop/$(basename "$header")\"" |
    g++ -std=c++17 -Wall -Wextra -fsyntax-only $(pkg-config --cflags rooftop-nvtx) -x c++ -
done
echo "installed copy works"

#!/usr/bin/env bash
# Installs Debian 12 packages: what building and the main job need, or with `--tests` also what the tests need.
# Asks apt only for what is missing, so that a second run costs a moment. Needs root (or sudo).
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config git ca-certificates
  libprotobuf-dev protobuf-compiler libprotozero-dev libzstd-dev libxxhash-dev
  libcli11-dev libfmt-dev nlohmann-json3-dev libdnnl-dev libpcre2-dev rapidjson-dev libsqlite3-dev zlib1g-dev
  gnuplot-nox fonts-dejavu-core python3 unzip
)
tests=(
  libgtest-dev libgmock-dev libbenchmark-dev libboost-context-dev chromium chromium-driver python3-venv clang-format-14 clang-tidy-14
)

command -v npm >/dev/null || packages+=(npm)
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)
if [ "${1:-}" = --tests ]; then packages+=("${tests[@]}"); fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "install_deps.sh: run as root, or install these packages yourself: ${missing[*]}" >&2
    exit 2
  }
  sudo=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q >/dev/null
"${sudo[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" >/dev/null

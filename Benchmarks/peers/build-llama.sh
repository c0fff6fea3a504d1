#!/usr/bin/env bash
# Builds llama.cpp's command line tools for this machine's CPU, out of the PyPI source package `llama-cpp-python`, which carries
# llama.cpp whole. Everything lands in the cache folder; nothing is installed. About 4 minutes on two free cores, 1 GB of disk.
# The last line of standard output is the folder that holds the tools.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../Scripts/common.sh"

version=0.3.36
sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
tools=(llama-bench llama-perplexity llama-quantize llama-completion llama-tokenize)

root=$(soranji_cache)/peers/llama.cpp-$version
if [[ -f $root/complete ]]; then
    printf '%s\n' "$root/build/bin"
    exit 0
fi
hold_lock "$root.lock"
if [[ -f $root/complete ]]; then
    printf '%s\n' "$root/build/bin"
    exit 0
fi

install_packages cmake ninja-build g++ python3-pip
source_archive=$root/llama_cpp_python-$version.tar.gz
if [[ ! -f $source_archive ]] || [[ $(sha256_of "$source_archive") != "$sha256" ]]; then
    say "fetching the source package llama-cpp-python $version (77 MB) into $root"
    mkdir -p "$root"
    python3 -m pip --disable-pip-version-check download --quiet --no-input --no-deps --no-binary llama-cpp-python \
        --dest "$root" --require-hashes --requirement <(printf 'llama-cpp-python==%s --hash=sha256:%s\n' "$version" "$sha256")
fi

say "building ${tools[*]} (low priority)"
rm -rf "$root/source" "$root/build"
mkdir -p "$root/source"
tar --extract --gzip --file "$source_archive" --directory "$root/source" --strip-components 3 \
    "llama_cpp_python-$version/vendor/llama.cpp"
log=$root/build.log
{
    nice -n 5 cmake -S "$root/source" -B "$root/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
        -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF \
        -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
        -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++ &&
        nice -n 5 cmake --build "$root/build" --target "${tools[@]}"
} >"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    fail "llama.cpp did not build" "the whole log is $log"
}
touch "$root/complete"
printf '%s\n' "$root/build/bin"

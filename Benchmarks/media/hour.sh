#!/usr/bin/env bash
# Reads an hour of 1080p video with its sound as a question about it does, a frame per second and the whole sound, and
# prints how long that takes and how much memory it needs at most.
# usage: hour.sh [CLIP]; without one, a clip is made with ffmpeg (once, about 120 MB of cache) and used.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../Scripts/common.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

clip=${1:-}
if [[ -z $clip ]]; then
    clip=$(soranji_cache)/benchmarks/hour-1080p.mp4
    if [[ ! -f $clip ]]; then
        command -v ffmpeg >/dev/null || fail "ffmpeg is needed to make the clip" "apt-get install ffmpeg, or name a clip"
        mkdir -p "$(dirname "$clip")"
        say "making $clip (some minutes)"
        # A minute of moving pictures, sixty times: the decoder's work is that of an hour.
        minute=$(mktemp --suffix .mp4)
        trap 'rm -f "$minute"' EXIT
        ffmpeg -v error -y -f lavfi -i "testsrc=s=1920x1080:r=24:d=60" \
            -f lavfi -i "sine=frequency=440:beep_factor=4:sample_rate=48000:duration=60" \
            -c:v libx264 -preset ultrafast -crf 34 -g 240 -pix_fmt yuv420p -c:a aac -b:a 64k -shortest "$minute"
        ffmpeg -v error -y -stream_loop 59 -i "$minute" -c copy -t 3600 -movflags +faststart -f mp4 "$clip.partial"
        mv "$clip.partial" "$clip"
    fi
fi

soranji=.build/release/soranji
[[ -x ${SORANJI:=$soranji} ]] || fail "$SORANJI is not there" "make build, or set SORANJI to the program"
[[ -x /usr/bin/time ]] || fail "/usr/bin/time is needed" "apt-get install time"
"$SORANJI" media "$clip"
/usr/bin/time -f 'wall %e s, processor %U + %S s, peak memory %M KiB' "$SORANJI" media "$clip" --read --fps "${FPS:-1}"

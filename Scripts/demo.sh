#!/usr/bin/env bash
# Shows the three jobs on the default model: an answer from a document, a clip filmed from a prompt, answers about that clip.
# Usage: Scripts/demo.sh TOOL OUTPUT_FOLDER
set -euo pipefail
tool=$1
output=$2
document=Benchmarks/facts/fennick-light.md
mkdir -p "$output"

show() {
    echo
    echo "\$ soranji ${*@Q}"
    "$tool" "$@"
}

echo "1. An answer from a document"
show ask --doc "$document" --temperature 0 "How many steps does the staircase of the tower have?"
echo
echo "2. A clip with sound, filmed from a prompt"
show generate "a ball is going to the right on the grass" -o "$output/ball.mp4" --contact-sheet "$output/ball.png"
echo
echo "3. Answers about that clip"
show ask --video "$output/ball.mp4" --temperature 0 "What do you see?"
show ask --video "$output/ball.mp4" --temperature 0 "Describe the video."
echo
echo "To look at: $output/ball.mp4 and $output/ball.png"

#!/usr/bin/env bash
# Shows the three jobs on the default model: an answer from a document, answers about a clip and its sound, films from a prompt and from a story.
# Usage: Scripts/demo.sh TOOL OUTPUT_FOLDER
set -euo pipefail
tool=$1
output=$2
document=Benchmarks/facts/fennick-light.md
story=Scripts/demo-story.txt
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
echo "3. Answers about that clip and its sound"
show ask --video "$output/ball.mp4" --temperature 0 "What do you see?"
show ask --video "$output/ball.mp4" --temperature 0 "What do you hear?"
echo
echo "4. A film of several shots, from a story"
show generate --prompt-file "$story" -o "$output/story.mp4" --contact-sheet "$output/story.png"
echo
echo "To look at: $output/ball.mp4, $output/story.mp4 and their frames, $output/ball.png and $output/story.png"

#!/usr/bin/env bash
# install.sh PREFIX: installs the built tool, its manual pages and its shell completions under PREFIX.
# install.sh --remove PREFIX: removes them again.
# The list of installed files is kept beside them, so that removing takes away exactly what was put there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

remove=false
if [[ ${1:-} == --remove ]]; then
    remove=true
    shift
fi
[[ $# -eq 1 && -n $1 ]] || fail "usage: install.sh [--remove] PREFIX"
prefix=$1
list=$prefix/share/soranji/installed-files

if $remove; then
    [[ -f $list ]] || fail "nothing was installed under $prefix" "name the same PREFIX as at \`make install\`"
    while IFS= read -r path; do rm -f "$prefix/$path"; done <"$list"
    rm -f "$list"
    for folder in Experts Tokenizers; do
        if [[ -d $prefix/share/soranji/$folder ]]; then find "$prefix/share/soranji/$folder" -depth -type d -empty -delete; fi
    done
    rmdir "$prefix/share/soranji" 2>/dev/null || true
    exit 0
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=.build/release/soranji
[[ -x $program ]] || fail "$program is not built" "run \`make build\` first"
mkdir -p "$prefix" 2>/dev/null && [[ -w $prefix ]] ||
    fail "you may not write to $prefix" "choose another folder, e.g. \`make install PREFIX=\$HOME/.local\`, or run it as root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/share/bash-completion/completions" "$work/share/zsh/site-functions" \
    "$work/share/fish/vendor_completions.d" "$work/share/man/man1" "$work/share/soranji"
cp "$program" "$work/bin/soranji"
# What was grown for the default model; the tool finds it in share/soranji.
if [[ -f Experts/model.json ]]; then cp -R Experts Tokenizers "$work/share/soranji/"; fi
# Files that targets carry as resources are looked for beside the program.
for resources in .build/release/*.resources; do
    if [[ -d $resources && $resources != *Tests.resources ]]; then cp -R "$resources" "$work/bin/"; fi
done
"$program" --generate-completion-script bash >"$work/share/bash-completion/completions/soranji"
"$program" --generate-completion-script zsh >"$work/share/zsh/site-functions/_soranji"
"$program" --generate-completion-script fish >"$work/share/fish/vendor_completions.d/soranji.fish"
"${SWIFT:-swift}" package --allow-writing-to-package-directory generate-manual --multi-page \
    --configuration release >"$work/manual.log" 2>&1 || {
    tail -n 20 "$work/manual.log" >&2
    fail "the manual pages could not be made" "the lines above are SwiftPM's"
}
rm -f "$work/manual.log"
# soranji.ask.1 becomes soranji-ask.1, as other tools with subcommands name their pages.
while IFS= read -r page; do
    name=$(basename "$page" .1)
    LC_ALL=C awk -f Scripts/manual.awk "$page" >"$work/share/man/man1/${name//./-}.1"
done < <(find .build/plugins/GenerateManual/outputs -name '*.1')

(cd "$work" && find . -type f -printf '%P\n' | sort) >"$work/share/soranji/installed-files"
# Each file is replaced by a rename: a tool that is running goes on with its old copy.
while IFS= read -r path; do
    mkdir -p "$(dirname "$prefix/$path")"
    cp "$work/$path" "$prefix/$path.new"
    mv "$prefix/$path.new" "$prefix/$path"
done <"$work/share/soranji/installed-files"
cp "$work/share/soranji/installed-files" "$list"
say "installed $prefix/bin/soranji"

# manual.awk: tidies a manual page that swift-argument-parser generated, so that mandoc finds nothing wrong with it.
# Examples become literal displays, sentences and lines are broken where mdoc wants them, page names get hyphens.

# Ends what is open before text, or before a macro that makes a paragraph of its own.
function begin(isText) {
    if (isLiteral) { print ".Ed"; isLiteral = 0 }
    if (isText && needsParagraph) print ".Pp"
    needsParagraph = 0
}

# One line of text. A full stop or an apostrophe at its beginning would be a request.
function text(line) {
    if (line ~ /^[.']/) line = "\\&" line
    print line
}

# Each sentence on a line of its own, and no line longer than 80 bytes where it has a space.
function fill(paragraph,    count, words, number, line) {
    count = split(paragraph, words, " ")
    line = ""
    for (number = 1; number <= count; number++) {
        if (line == "") line = words[number]
        else if (length(line) + 1 + length(words[number]) <= 78) line = line " " words[number]
        else { text(line); line = words[number] }
        if (words[number] ~ /[.!?][)"']?$/ && words[number] !~ /^(e\.g\.|i\.e\.)$/) { text(line); line = "" }
    }
    if (line != "") text(line)
}

/^\.Pp$/ || /^[ \t]*$/ { needsParagraph = 1; next }
/^\.(Dt|Xr) / {
    begin(1)
    gsub(/\./, "-", $2)
    print
    next
}
/^\.Nd / { sub(/\."$/, "\""); print; next }
/^\.(It|El|Sh|Bl|Bd)/ { begin(0); print; next }
/^\./ { begin(1); print; next }
/^  / {
    if (!isLiteral) { needsParagraph = 0; print ".Bd -literal -offset 2n"; isLiteral = 1 }
    else if (needsParagraph) { print ""; needsParagraph = 0 }
    text(substr($0, 3))
    next
}
{ begin(1); fill($0) }
END { begin(0) }

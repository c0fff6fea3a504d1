"""Writes Sources/Tokenizers/Normalization/CompatibilityMappings.swift from Python's Unicode database.

Usage: python3 compatibility_mappings.py > ../../../Sources/Tokenizers/Normalization/CompatibilityMappings.swift
"""

import unicodedata

runs = []
for value in range(0x110000):
    if 0xD800 <= value < 0xE000:
        continue
    character = chr(value)
    if unicodedata.normalize("NFKD", character) == unicodedata.normalize("NFD", character):
        continue
    mapping = [ord(c) for c in unicodedata.normalize("NFKC", character)]
    last = runs[-1] if runs else None
    if (
        last
        and value == last[0] + last[1]
        and len(mapping) == len(last[2]) == 1
        and mapping[0] == last[2][0] + last[1]
    ):
        last[1] += 1
    else:
        runs.append([value, 1, mapping])

words, previous = [], 0
for start, count, mapping in runs:
    length = f"+{count:X}" if count > 1 else ""
    words.append(f"{start - previous:X}{length}=" + ".".join(f"{scalar:X}" for scalar in mapping))
    previous = start

lines, line = [], ""
for word in words:
    if len(line) + 1 + len(word) > 112:
        lines.append(line)
        line = ""
    line += (" " if line else "") + word
lines.append(line)
table = "".join(f"        {line}\n" for line in lines)

print(
    f'''/// What compatibility characters stand for (Unicode {unicodedata.unidata_version}), for the forms KC and KD.
///
/// Written by Tests/TokenizersTests/Fixtures/compatibility_mappings.py; the Swift library has only canonical mappings.
enum CompatibilityMappings {{
    static func mapping(of scalar: UInt32) -> [Unicode.Scalar]? {{
        scalar < 0xA0 ? nil : table[scalar]
    }}

    private static let table: [UInt32: [Unicode.Scalar]] = {{
        var table: [UInt32: [Unicode.Scalar]] = [:]
        var start: UInt32 = 0
        for word in runs.split(whereSeparator: \\.isWhitespace) {{
            let sides = word.split(separator: "=")
            let head = sides[0].split(separator: "+").compactMap {{ UInt32($0, radix: 16) }}
            let mapping = sides[1].split(separator: ".").compactMap {{ UInt32($0, radix: 16) }}
            start += head[0]
            let count = head.count > 1 ? head[1] : 1
            for step in 0..<count {{
                table[start + step] = mapping.compactMap {{ Unicode.Scalar(count > 1 ? $0 + step : $0) }}
            }}
        }}
        return table
    }}()

    /// Runs of scalars in hexadecimal: distance from the run before, length, first mapping.
    private static let runs = """
{table}        """
}}'''
)

extension TemplateInterpreter {
    /// Calls a method of a string; `wrap` makes a string of the same kind.
    func callText(
        _ name: String,
        _ text: String,
        _ arguments: TemplateArguments,
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        try chargePass(text.utf8.count)
        func made(_ text: String) throws(TemplateError) -> TemplateValue {
            try chargeText(bytes: text.utf8.count)
            return wrap(text)
        }
        switch name {
        case "format", "format_map":
            return try made(try braceFormatted(text, arguments, isMap: name == "format_map"))
        case "split", "rsplit": return try split(name, text, arguments, wrap)
        default: break
        }
        // The others are called by position, as Python's builtins are.
        let values = arguments.positional
        if name == "splitlines" {
            let keeps = try arguments.bind("splitlines()", ["keepends"])[0]?.isTrue ?? false
            let lines = PythonText.lines(text, keepingEnds: keeps)
            try chargeText(bytes: text.utf8.count)
            return try list(lines.map(wrap))
        }
        guard arguments.named.isEmpty else { throw TemplateError("\(name)() takes no named arguments") }
        func count(_ range: ClosedRange<Int>) throws(TemplateError) {
            guard range.contains(values.count) else {
                throw TemplateError("\(name)() does not take \(values.count) arguments")
            }
        }
        func string(_ index: Int) throws(TemplateError) -> String {
            guard let text = values[index].text else {
                throw TemplateError("\(name)() needs a string, not '\(values[index].typeName)'")
            }
            return text
        }
        switch name {
        case "strip", "lstrip", "rstrip":
            try count(0...1)
            var set: String?
            if let value = values.first, case .none = value {} else if !values.isEmpty { set = try string(0) }
            return try made(PythonText.stripped(text, set, left: name != "rstrip", right: name != "lstrip"))
        case "startswith", "endswith":
            try count(1...3)
            return .boolean(try hasEdge(name, text, values))
        case "find", "rfind", "index", "rindex", "count":
            try count(1...3)
            return .integer(try search(name, text, try string(0), values))
        case "replace":
            try count(2...3)
            let limit = values.count > 2 ? values[2].index : -1
            guard let limit else { throw TemplateError("replace() needs a whole number as its third argument") }
            return try replaced(text, try string(0), try string(1), limit, wrap)
        case "join":
            try count(1...1)
            return try joined(text, values[0], wrap)
        case "removeprefix":
            try count(1...1)
            let prefix = try string(0)
            let cut = PythonText.hasPrefix(text, prefix) ? prefix.utf8.count : 0
            return try made(PythonText.slice(text, cut..<text.utf8.count))
        case "removesuffix":
            try count(1...1)
            let suffix = try string(0)
            let cut = PythonText.hasSuffix(text, suffix) ? suffix.utf8.count : 0
            return try made(PythonText.slice(text, 0..<text.utf8.count - cut))
        case "partition", "rpartition":
            try count(1...1)
            return try partition(text, try string(0), fromRight: name == "rpartition", wrap)
        case "center", "ljust", "rjust", "zfill", "expandtabs":
            return try padded(name, text, values, wrap)
        default:
            try count(0...0)
            try chargeScalars(text.utf8.count)
            if let result = changedCase(name, text) { return try made(result) }
            return .boolean(try isOf(name, text))
        }
    }

    private func changedCase(_ name: String, _ text: String) -> String? {
        switch name {
        case "upper": PythonText.uppercased(text)
        case "lower": PythonText.lowercased(text)
        case "casefold":
            PythonText.lowercased(text).unicodeScalars.reduce(into: "") { $0 += $1 == "ß" ? "ss" : String($1) }
        case "capitalize": PythonText.capitalized(text)
        case "title": PythonText.titled(text)
        case "swapcase": PythonText.caseSwapped(text)
        default: nil
        }
    }

    private func isOf(_ name: String, _ text: String) throws(TemplateError) -> Bool {
        switch name {
        case "isalnum": return PythonText.all(text, PythonText.isAlphanumeric)
        case "isalpha": return PythonText.all(text, PythonText.isLetter)
        case "isascii": return text.utf8.allSatisfy { $0 < 0x80 }
        case "isdecimal": return PythonText.all(text, PythonText.isDecimal)
        case "isdigit": return PythonText.all(text, PythonText.isDigit)
        case "isnumeric": return PythonText.all(text, PythonText.isNumeric)
        case "isspace": return PythonText.all(text, PythonText.isSpace)
        case "islower": return PythonText.isCased(text, upper: false)
        case "isupper": return PythonText.isCased(text, upper: true)
        case "istitle": return PythonText.isTitle(text)
        default: throw TemplateError("a string has no method '\(name)'")
        }
    }

    private func split(
        _ name: String,
        _ text: String,
        _ arguments: TemplateArguments,
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bind("\(name)()", ["sep", "maxsplit"])
        guard let limit = (values[1] ?? .integer(-1)).index else {
            throw TemplateError("\(name)() needs a whole number as its second argument")
        }
        let pieces: [String]
        switch values[0] {
        case nil, .some(.none):
            pieces = PythonText.splitBySpace(text, limit: limit < 0 ? -1 : limit, fromRight: name == "rsplit")
        case let value?:
            guard let separator = value.text, !separator.isEmpty else {
                throw TemplateError("\(name)() needs a separator that is a string and not empty")
            }
            pieces =
                name == "split"
                ? PythonText.split(text, separator, limit: limit)
                : PythonText.splitFromRight(text, separator, limit: limit)
        }
        try chargeText(bytes: text.utf8.count)
        return try list(pieces.map(wrap))
    }

    private func partition(
        _ text: String,
        _ separator: String,
        fromRight: Bool,
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        guard !separator.isEmpty else { throw TemplateError("a separator cannot be empty") }
        let pieces =
            fromRight
            ? PythonText.splitFromRight(text, separator, limit: 1) : PythonText.split(text, separator, limit: 1)
        let parts =
            pieces.count == 2 ? [pieces[0], separator, pieces[1]] : fromRight ? ["", "", text] : [text, "", ""]
        return try tuple(parts.map(wrap))
    }

    private func hasEdge(_ name: String, _ text: String, _ values: [TemplateValue]) throws(TemplateError) -> Bool {
        var candidates: [TemplateValue] = [values[0]]
        if case .tuple(let items) = values[0] { candidates = items.elements }
        let part = try windowed(text, values)
        for candidate in candidates {
            guard let edge = candidate.text else {
                throw TemplateError("\(name)() needs a string or a tuple of strings, not '\(candidate.typeName)'")
            }
            guard let part = part.text else { continue }
            if name == "startswith" ? PythonText.hasPrefix(part, edge) : PythonText.hasSuffix(part, edge) {
                return true
            }
        }
        return false
    }

    /// The part of a text between the optional second and third arguments, and the scalar it starts at; no text when
    /// they leave less than nothing.
    private func windowed(
        _ text: String,
        _ values: [TemplateValue]
    ) throws(TemplateError) -> (text: String?, start: Int) {
        guard values.count > 1 else { return (text, 0) }
        let count = PythonText.count(text)
        let window = try Self.window(values[1], values.count > 2 ? values[2] : nil, count)
        let stop = min(window.stop, count)
        guard window.start <= stop else { return (nil, window.start) }
        let view = text.unicodeScalars
        let first = view.index(view.startIndex, offsetBy: window.start)
        return (String(view[first..<view.index(first, offsetBy: stop - window.start)]), window.start)
    }

    private func search(
        _ name: String,
        _ text: String,
        _ needle: String,
        _ values: [TemplateValue]
    ) throws(TemplateError) -> Int {
        let window = try windowed(text, values)
        let isCount = name == "count"
        var found: Int?
        if let part = window.text {
            if isCount {
                if needle.isEmpty { return PythonText.count(part) + 1 }
                return PythonText.occurrences(of: needle, in: part).count
            }
            found = Self.place(of: needle, in: part, last: name.utf8.first == UInt8(ascii: "r")).map {
                $0 + window.start
            }
        }
        if let found { return found }
        if isCount { return 0 }
        guard name.hasSuffix("find") else { throw TemplateError("\(name)(): the text does not contain it") }
        return -1
    }

    /// The scalar at which the first or last occurrence starts.
    private static func place(of needle: String, in text: String, last: Bool) -> Int? {
        if needle.isEmpty { return last ? PythonText.count(text) : 0 }
        let byte: Int
        if last {
            let pieces = PythonText.splitFromRight(text, needle, limit: 1)
            guard pieces.count == 2 else { return nil }
            byte = pieces[0].utf8.count
        } else {
            guard let first = PythonText.occurrences(of: needle, in: text, limit: 1).first else { return nil }
            byte = first
        }
        return PythonText.count(PythonText.slice(text, 0..<byte))
    }

    func replaced(
        _ text: String,
        _ old: String,
        _ new: String,
        _ limit: Int,
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        try chargePass(text.utf8.count + old.utf8.count + new.utf8.count)
        let result = PythonText.replaced(text, old, new, limit: limit, maximum: limits.outputBytes)
        guard let result else { throw TemplateError("a text longer than \(limits.outputBytes) bytes") }
        try chargeText(bytes: result.utf8.count)
        return wrap(result)
    }

    private func joined(
        _ separator: String,
        _ value: TemplateValue,
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        var parts: [String] = []
        for element in try elements(of: value) {
            guard let part = element.text else {
                throw TemplateError("join() needs strings, not '\(element.typeName)'")
            }
            parts.append(part)
        }
        return wrap(try joined(parts, separator))
    }

    /// The parts with the separator between them, paid for.
    func joined(_ parts: [String], _ separator: String) throws(TemplateError) -> String {
        var bytes = 0
        for part in parts {
            bytes += part.utf8.count + separator.utf8.count
            guard bytes - separator.utf8.count <= limits.outputBytes else {
                throw TemplateError("a text longer than \(limits.outputBytes) bytes")
            }
        }
        try chargeText(bytes: max(0, bytes - separator.utf8.count))
        return parts.joined(separator: separator)
    }

    private func padded(
        _ name: String,
        _ text: String,
        _ values: [TemplateValue],
        _ wrap: (String) -> TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        if name == "expandtabs" {
            guard values.count <= 1, let width = (values.first ?? .integer(8)).index else {
                throw TemplateError("expandtabs() needs a whole number")
            }
            return wrap(try expandedTabs(text, width: width))
        }
        guard (1...(name == "zfill" ? 1 : 2)).contains(values.count), let width = values[0].index else {
            throw TemplateError("\(name)() needs a width")
        }
        var fill = name == "zfill" ? "0" : " "
        if values.count > 1 {
            guard let text = values[1].text, PythonText.count(text) == 1 else {
                throw TemplateError("\(name)() needs a fill of one character")
            }
            fill = text
        }
        let count = PythonText.count(text)
        let missing = max(0, width.subtractingReportingOverflow(count).partialValue)
        guard width > count else { return wrap(text) }
        let (bytes, overflow) = missing.multipliedReportingOverflow(by: fill.utf8.count)
        guard !overflow, bytes <= limits.outputBytes else { throw TemplateError("a width of \(width)") }
        try chargeText(bytes: bytes + text.utf8.count)
        switch name {
        case "ljust": return wrap(text + String(repeating: fill, count: missing))
        case "rjust": return wrap(String(repeating: fill, count: missing) + text)
        case "zfill":
            let signed = text.utf8.first == UInt8(ascii: "-") || text.utf8.first == UInt8(ascii: "+")
            let sign = signed ? PythonText.slice(text, 0..<1) : ""
            return wrap(
                sign + String(repeating: fill, count: missing)
                    + PythonText.slice(text, sign.utf8.count..<text.utf8.count)
            )
        default:
            // Python puts the odd space on the left when the width is odd too.
            let left = missing / 2 + (missing & width & 1)
            return wrap(String(repeating: fill, count: left) + text + String(repeating: fill, count: missing - left))
        }
    }

    private func expandedTabs(_ text: String, width: Int) throws(TemplateError) -> String {
        var output = ""
        var column = 0
        for scalar in text.unicodeScalars {
            if scalar == "\t" {
                guard width > 0 else { continue }
                let spaces = width - column % width
                try chargeText(bytes: spaces)
                guard output.utf8.count + spaces <= limits.outputBytes else {
                    throw TemplateError("a text longer than \(limits.outputBytes) bytes")
                }
                output += String(repeating: " ", count: spaces)
                column += spaces
            } else {
                output.unicodeScalars.append(scalar)
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
            }
        }
        return output
    }
}

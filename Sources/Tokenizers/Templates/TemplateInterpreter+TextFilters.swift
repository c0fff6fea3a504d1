extension TemplateInterpreter {
    func applyText(
        _ filter: TemplateFilter,
        _ value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        let isMarkup = if case .markup = value { true } else { false }
        /// A string of the kind that came in.
        func same(_ text: String) throws(TemplateError) -> TemplateValue {
            try chargeText(bytes: text.utf8.count)
            return isMarkup ? .markup(text) : .string(text)
        }
        switch filter {
        case .tojson: return .string(try json(value, arguments))
        case .indent: return try indented(value, arguments)
        case .truncate: return try truncated(value, arguments)
        case .urlencode:
            _ = try arguments.bind("urlencode", [])
            return try urlEncoded(value)
        case .format:
            guard arguments.positional.isEmpty || arguments.named.isEmpty else {
                throw TemplateError("format takes positional or named arguments, not both")
            }
            let values =
                arguments.named.isEmpty
                ? try tuple(arguments.positional)
                : try dictionary(arguments.named.map { (.string($0.name), $0.value) })
            return try same(try percentFormatted(try text(value), values))
        case .replace:
            let values = try arguments.bind("replace", ["old", "new", "count"], required: 2)
            var limit: Int? = -1
            if let count = values[2] {
                if case .none = count {} else { limit = count.index }
            }
            guard let limit else { throw TemplateError("replace needs a whole number as its count") }
            let (old, new) = (try text(values[0] ?? .none), try text(values[1] ?? .none))
            return try replaced(try text(value), old, new, limit) { .string($0) }
        case .safe:
            _ = try arguments.bind("safe", [])
            return .markup(try text(value))
        case .string:
            _ = try arguments.bind("string", [])
            return isMarkup ? value : .string(try text(value))
        case .trim:
            let chars = try arguments.bind("trim", ["chars"])[0] ?? .none
            var set: String?
            if case .none = chars {
            } else {
                guard let text = chars.text else { throw TemplateError("trim needs a string of characters") }
                set = text
            }
            return try same(PythonText.stripped(try text(value), set))
        case .center:
            let width = try arguments.bind("center", ["width"])[0] ?? .integer(80)
            return try callText("center", try text(value), TemplateArguments([width])) {
                isMarkup ? .markup($0) : .string($0)
            }
        default: break
        }
        _ = try arguments.bind(filter.rawValue, [])
        let text = try text(value)
        try chargeScalars(text.utf8.count)
        switch filter {
        case .capitalize: return try same(PythonText.capitalized(text))
        case .lower: return try same(PythonText.lowercased(text))
        case .upper: return try same(PythonText.uppercased(text))
        case .title: return try string(PythonText.titledWords(text))
        case .wordcount: return .integer(PythonText.wordCount(text))
        case .escape where isMarkup: return value
        case .escape, .forceescape:
            let escaped = PythonText.escaped(text)
            try chargeText(bytes: escaped.utf8.count)
            return .markup(escaped)
        default: throw TemplateError("the filter '\(filter.rawValue)' does not work on text")
        }
    }

    private func json(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> String {
        let values = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        var writer = TemplateJSONWriter(limit: limits.outputBytes)
        writer.ensuresASCII = values[0]?.isTrue ?? false
        switch values[1] ?? .none {
        case .none: break
        case .string(let text), .markup(let text): writer.indentation = text
        case let indent:
            guard let width = indent.index, width <= 1024 else {
                throw TemplateError("tojson needs a small whole indent")
            }
            writer.indentation = String(repeating: " ", count: max(0, width))
        }
        if writer.indentation != nil { writer.itemSeparator = "," }
        switch values[2] ?? .none {
        case .none: break
        case let separators:
            let parts = try elements(of: separators)
            guard parts.count == 2, let item = parts[0].text, let key = parts[1].text else {
                throw TemplateError("tojson needs two strings as separators")
            }
            writer.itemSeparator = item
            writer.keySeparator = key
        }
        writer.sortsKeys = values[3]?.isTrue ?? false
        try charge(value.weight)
        try writer.write(value)
        try chargeScalars(writer.output.utf8.count / 4)
        try chargeText(bytes: writer.output.utf8.count)
        return writer.output
    }

    private func indented(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue
    {
        let values = try arguments.bind("indent", ["width", "first", "blank"])
        let indentation: String
        switch values[0] ?? .integer(4) {
        case .string(let text), .markup(let text): indentation = text
        case let width:
            guard let width = width.index, width <= 1 << 16 else {
                throw TemplateError("indent needs a small whole width")
            }
            indentation = String(repeating: " ", count: max(0, width))
        }
        guard let text = value.text else { throw TemplateError("indent needs a string, not '\(value.typeName)'") }
        let blank = values[2]?.isTrue ?? false
        var lines = PythonText.lines(text + "\n")
        try chargePass(text.utf8.count)
        let (added, overflow) = lines.count.multipliedReportingOverflow(by: indentation.utf8.count)
        guard !overflow, added <= limits.outputBytes else { throw TemplateError("an indented text that is too long") }
        try chargeText(bytes: added + text.utf8.count)
        for index in lines.indices where index > 0 && (blank || !lines[index].isEmpty) {
            lines[index] = indentation + lines[index]
        }
        let result = (values[1]?.isTrue ?? false ? indentation : "") + lines.joined(separator: "\n")
        if case .markup = value { return .markup(result) }
        return .string(result)
    }

    private func truncated(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError)
        -> TemplateValue
    {
        let values = try arguments.bind("truncate", ["length", "killwords", "end", "leeway"])
        guard let text = value.text, let length = (values[0] ?? .integer(255)).index,
            let end = (values[2] ?? .string("...")).text
        else { throw TemplateError("truncate needs a string, a whole length and a string as its end") }
        var leeway = 5
        if let given = values[3] {
            if case .none = given {
            } else {
                guard let number = given.index else { throw TemplateError("truncate needs a whole leeway") }
                leeway = number
            }
        }
        let endCount = PythonText.count(end)
        guard length >= endCount, leeway >= 0 else {
            throw TemplateError("truncate needs a length of at least its end's")
        }
        try chargePass(text.utf8.count)
        let scalars = text.unicodeScalars
        let (longest, overflow) = length.addingReportingOverflow(leeway)
        if overflow || scalars.count <= longest { return value }
        var kept = String(scalars.prefix(length - endCount))
        if !(values[1]?.isTrue ?? false) { kept = PythonText.splitFromRight(kept, " ", limit: 1)[0] }
        return try string(kept + end)
    }

    /// A string percent-encoded for a path, or pairs joined as a query.
    private func urlEncoded(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        func encoded(_ value: TemplateValue, isQuery: Bool) throws(TemplateError) -> String {
            let text = try text(value)
            try chargeText(bytes: text.utf8.count * 3)
            var output = ""
            for byte in text.utf8 {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                    UInt8(ascii: "~"):
                    output.unicodeScalars.append(Unicode.Scalar(byte))
                case UInt8(ascii: "/") where !isQuery: output += "/"
                case UInt8(ascii: " ") where isQuery: output += "+"
                default:
                    let digits = String(byte, radix: 16, uppercase: true)
                    output += "%" + (digits.count < 2 ? "0" : "") + digits
                }
            }
            return output
        }
        var pairs: [TemplateValue]
        switch value {
        case .dictionary(let dictionary): pairs = try elements(of: .view(TemplateDictionaryView(.items, dictionary)))
        case .list, .tuple, .view, .iterator: pairs = try elements(of: value)
        default: return .string(try encoded(value, isQuery: false))
        }
        var parts: [String] = []
        for pair in pairs {
            let pair = try elements(of: pair)
            guard pair.count == 2 else { throw TemplateError("urlencode needs pairs") }
            parts.append(try encoded(pair[0], isQuery: true) + "=" + encoded(pair[1], isQuery: true))
        }
        return .string(try joined(parts, "&"))
    }
}

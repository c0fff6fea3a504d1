extension TemplateInterpreter {
    // MARK: '{}'.format()

    func braceFormatted(
        _ format: String,
        _ arguments: TemplateArguments,
        isMap: Bool
    ) throws(TemplateError) -> String {
        var arguments = arguments
        if isMap {
            guard arguments.named.isEmpty, arguments.positional.count == 1,
                case .dictionary(let dictionary) = arguments.positional[0]
            else { throw TemplateError("format_map() needs one dictionary") }
            let named = dictionary.entries.compactMap { entry in entry.key.text.map { ($0, entry.value) } }
            arguments = TemplateArguments(named: named)
        }
        var automatic: Int? = 0
        return try braceFormatted(format, arguments, &automatic, depth: 2)
    }

    /// - Parameter automatic: the number of the next `{}`; nil once fields are numbered by hand.
    private func braceFormatted(
        _ format: String,
        _ arguments: TemplateArguments,
        _ automatic: inout Int?,
        depth: Int
    ) throws(TemplateError) -> String {
        guard depth > 0 else { throw TemplateError("a format's fields are nested too deeply") }
        var output = ""
        var scalars = Array(format.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "{" || scalar == "}" else {
                output.unicodeScalars.append(scalar)
                continue
            }
            if scalars.first == scalar {
                output.unicodeScalars.append(scalar)
                scalars.removeFirst()
                continue
            }
            guard scalar == "{" else { throw TemplateError("a single '}' in a format; write '}}'") }
            let field = try Self.field(&scalars)
            let part = try formatted(field, arguments, &automatic, depth: depth)
            try chargeText(bytes: part.utf8.count)
            output += part
            guard output.utf8.count <= limits.outputBytes else {
                throw TemplateError("a text longer than \(limits.outputBytes) bytes")
            }
        }
        return output
    }

    /// The text up to the brace that closes the field.
    private static func field(_ scalars: inout ArraySlice<Unicode.Scalar>) throws(TemplateError) -> [Unicode.Scalar] {
        var field: [Unicode.Scalar] = []
        var open = 1
        while let scalar = scalars.popFirst() {
            if scalar == "{" { open += 1 }
            if scalar == "}" {
                open -= 1
                if open == 0 { return field }
            }
            field.append(scalar)
        }
        throw TemplateError("a single '{' in a format; write '{{'")
    }

    private func formatted(
        _ field: [Unicode.Scalar],
        _ arguments: TemplateArguments,
        _ automatic: inout Int?,
        depth: Int
    ) throws(TemplateError) -> String {
        let head = field.prefix { $0 != ":" && $0 != "!" }
        var rest = field.dropFirst(head.count)
        var value = try fieldValue(Array(head), arguments, &automatic)
        if rest.first == "!" {
            rest.removeFirst()
            switch rest.popFirst() {
            case "r": value = .string(try quoted(value))
            case "s": value = .string(try text(value))
            case "a": value = .string(try asciiQuoted(value))
            default: throw TemplateError("a format's conversion must be '!r', '!s' or '!a'")
            }
            guard rest.isEmpty || rest.first == ":" else {
                throw TemplateError("expected ':' after a format's conversion")
            }
        }
        let inner = String(String.UnicodeScalarView(rest.dropFirst()))
        let specification = inner.isEmpty ? "" : try braceFormatted(inner, arguments, &automatic, depth: depth - 1)
        return try formatted(value, specification)
    }

    private func fieldValue(
        _ head: [Unicode.Scalar],
        _ arguments: TemplateArguments,
        _ automatic: inout Int?
    ) throws(TemplateError) -> TemplateValue {
        var rest = head[...]
        let name = String(String.UnicodeScalarView(rest.prefix { $0 != "." && $0 != "[" }))
        rest = rest.dropFirst(PythonText.count(name))
        var value: TemplateValue
        let position: Int?
        if name.isEmpty {
            guard let next = automatic else { throw TemplateError("a format mixes numbered and unnumbered fields") }
            position = next
            automatic = next + 1
        } else if let number = Int(name), name.utf8.first != UInt8(ascii: "+"), number >= 0 {
            guard automatic == nil || automatic == 0 else {
                throw TemplateError("a format mixes numbered and unnumbered fields")
            }
            automatic = nil
            position = number
        } else {
            position = nil
        }
        if let position {
            guard position < arguments.positional.count else {
                throw TemplateError("a format needs more than \(arguments.positional.count) values")
            }
            value = arguments.positional[position]
        } else {
            guard let named = arguments.named.first(where: { PythonText.same($0.name, name) }) else {
                throw TemplateError("a format names '\(name)', which is not given")
            }
            value = named.value
        }
        while let opener = rest.popFirst() {
            let isItem = opener == "["
            let part = rest.prefix { isItem ? $0 != "]" : $0 != "." && $0 != "[" }
            rest = rest.dropFirst(part.count)
            if isItem, rest.popFirst() == nil { throw TemplateError("a format's '[' is not closed") }
            let key = String(String.UnicodeScalarView(part))
            guard !key.isEmpty else { throw TemplateError("an empty attribute in a format") }
            value =
                isItem
                ? try item(Int(key).map { .integer($0) } ?? .string(key), of: value) : try attribute(key, of: value)
        }
        return value
    }

    private func formatted(_ value: TemplateValue, _ specification: String) throws(TemplateError) -> String {
        if specification.isEmpty { return try text(value) }
        let format = try TemplateFormat(specification)
        switch value {
        case .string(let text), .markup(let text): return try format.formatted(text: text)
        case .boolean(let value) where format.type == nil: return try format.formatted(value ? 1 : 0)
        case .integer(let value): return try format.formatted(value)
        case .boolean(let value): return try format.formatted(value ? 1 : 0)
        case .float(let value): return try format.formatted(value)
        default: throw TemplateError("a value of type '\(value.typeName)' takes no format")
        }
    }

    private func asciiQuoted(_ value: TemplateValue) throws(TemplateError) -> String {
        if let text = value.text { return PythonText.quoted(text, ascii: true) }
        return try quoted(value).unicodeScalars.reduce(into: "") {
            $0 += $1.isASCII ? String($1) : PythonText.numeric($1)
        }
    }

    // MARK: '%'

    func percentFormatted(_ format: String, _ value: TemplateValue) throws(TemplateError) -> String {
        var values: [TemplateValue] = [value]
        if case .tuple(let items) = value { values = items.elements }
        var mapping: TemplateDictionary?
        if case .dictionary(let dictionary) = value { mapping = dictionary }
        var used = 0
        var usesMapping = false
        func next() throws(TemplateError) -> TemplateValue {
            guard used < values.count else { throw TemplateError("a format needs more than \(values.count) values") }
            used += 1
            return values[used - 1]
        }
        var output = ""
        var scalars = Array(format.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            guard scalar == "%" else {
                output.unicodeScalars.append(scalar)
                continue
            }
            var source: TemplateValue?
            if scalars.first == "(" {
                let key = scalars.dropFirst().prefix { $0 != ")" }
                scalars = scalars.dropFirst(key.count + 2)
                guard let mapping else { throw TemplateError("a format with names needs a dictionary") }
                let name = String(String.UnicodeScalarView(key))
                guard let value = mapping[name] else {
                    throw TemplateError("a format names '\(name)', which is not given")
                }
                source = value
                usesMapping = true
            }
            var specification = TemplateFormat()
            var isLeft = false
            while let flag = scalars.first, "-+ #0".unicodeScalars.contains(flag) {
                switch flag {
                case "-": isLeft = true
                case "+": specification.sign = "+"
                case " ": if specification.sign != "+" { specification.sign = " " }
                case "#": specification.isAlternate = true
                default: (specification.fill, specification.alignment) = ("0", "=")
                }
                scalars.removeFirst()
            }
            func size() throws(TemplateError) -> Int? {
                guard scalars.first == "*" else { return try TemplateFormat.number(&scalars) }
                scalars.removeFirst()
                guard case .integer(let number) = try next(), number.magnitude <= TemplateFormat.largest else {
                    throw TemplateError("'*' in a format needs a small whole number")
                }
                return number
            }
            if let width = try size() {
                isLeft = isLeft || width < 0
                specification.width = abs(width)
            }
            if scalars.first == "." {
                scalars.removeFirst()
                specification.precision = max(0, try size() ?? 0)
            }
            while let modifier = scalars.first, "hlL".unicodeScalars.contains(modifier) { scalars.removeFirst() }
            guard let conversion = scalars.popFirst() else { throw TemplateError("a format ends within a field") }
            if isLeft { (specification.fill, specification.alignment) = (" ", "<") }
            if conversion == "%" {
                output += "%"
                continue
            }
            let value = if let source { source } else { try next() }
            let part = try percentField(conversion, specification, value)
            try chargeText(bytes: part.utf8.count)
            output += part
            guard output.utf8.count <= limits.outputBytes else {
                throw TemplateError("a text longer than \(limits.outputBytes) bytes")
            }
        }
        let isSequence = if case .tuple = value { true } else { mapping == nil }
        guard usesMapping || !isSequence || used == values.count || isIgnorable(value) else {
            throw TemplateError("a format leaves values unused")
        }
        return output
    }

    /// Python lets a format ignore its one value when that could be a mapping, as a list could.
    private func isIgnorable(_ value: TemplateValue) -> Bool {
        switch value {
        case .list, .range, .undefined, .dictionary: true
        default: false
        }
    }

    private func percentField(
        _ conversion: Unicode.Scalar,
        _ specification: TemplateFormat,
        _ value: TemplateValue
    ) throws(TemplateError) -> String {
        var format = specification
        switch conversion {
        case "s", "r", "a":
            let body =
                switch conversion {
                case "s": try text(value)
                case "r": try quoted(value)
                default: try asciiQuoted(value)
                }
            var plain = TemplateFormat()
            plain.width = format.width
            plain.precision = format.precision
            plain.alignment = format.alignment == "<" ? "<" : ">"
            return try plain.formatted(text: body)
        case "d", "i", "u":
            let whole: Int? =
                if case .float(let number) = value { Int(exactly: number.rounded(.towardZero)) } else { value.index }
            guard let whole else { throw TemplateError("'%\(conversion)' needs a number, not '\(value.typeName)'") }
            return try percentInteger(whole, "d", format)
        case "x", "X", "o":
            guard let whole = value.index else {
                throw TemplateError("'%\(conversion)' needs a whole number, not '\(value.typeName)'")
            }
            return try percentInteger(whole, conversion, format)
        case "c":
            format.sign = "-"
            format.precision = nil
            if let text = value.text, PythonText.count(text) == 1 {
                format.alignment = format.alignment == "<" ? "<" : ">"
                format.fill = " "
                return try format.formatted(text: text)
            }
            guard let whole = value.index else { throw TemplateError("'%c' needs a number or a single character") }
            format.type = "c"
            format.alignment = format.alignment == "<" ? "<" : ">"
            return try format.formatted(whole)
        case "e", "E", "f", "F", "g", "G":
            guard let number = value.number else {
                throw TemplateError("'%\(conversion)' needs a number, not '\(value.typeName)'")
            }
            format.type = conversion
            return try format.formatted(number)
        default: throw TemplateError("a format has no conversion '%\(conversion)'")
        }
    }

    /// A precision of a whole number is its least count of digits.
    private func percentInteger(
        _ value: Int,
        _ type: Unicode.Scalar,
        _ specification: TemplateFormat
    ) throws(TemplateError) -> String {
        var format = specification
        format.type = type
        guard let precision = format.precision else { return try format.formatted(value) }
        var inner = TemplateFormat()
        inner.type = type
        inner.sign = format.sign
        inner.isAlternate = format.isAlternate
        inner.fill = "0"
        inner.alignment = "="
        let extra = (value < 0 || format.sign != "-" ? 1 : 0) + (format.isAlternate && type != "d" ? 2 : 0)
        inner.width = precision + extra
        var outer = TemplateFormat()
        outer.width = format.width
        outer.alignment = format.alignment == "<" ? "<" : ">"
        return try outer.formatted(text: try inner.formatted(value))
    }
}

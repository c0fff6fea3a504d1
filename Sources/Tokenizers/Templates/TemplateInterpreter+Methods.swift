extension TemplateInterpreter {
    private static let textMethods: Set<String> = [
        "capitalize", "casefold", "center", "count", "endswith", "expandtabs", "find", "format", "format_map", "index",
        "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle",
        "isupper", "join", "ljust", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind",
        "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase",
        "title", "upper", "zfill",
    ]

    /// Whether the value has a method of that name that the sandbox allows: none that changes it.
    static func hasMethod(_ name: String, _ value: TemplateValue) -> Bool {
        switch value {
        case .string, .markup: textMethods.contains(name)
        case .dictionary: ["get", "items", "keys", "values", "copy", "fromkeys"].contains(name)
        case .list: ["index", "count", "copy"].contains(name)
        case .tuple, .range: ["index", "count"].contains(name)
        case .integer, .boolean: ["bit_length", "bit_count"].contains(name)
        case .float: name == "is_integer"
        case .cycler: name == "next" || name == "reset"
        case .function(.dict): name == "fromkeys"
        default: false
        }
    }

    func call(_ method: TemplateMethod, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        let name = method.name
        switch method.receiver {
        case .string(let text): return try callText(name, text, arguments) { .string($0) }
        case .markup(let text): return try callText(name, text, arguments) { .markup($0) }
        case .dictionary(let dictionary): return try call(name, dictionary, arguments)
        case .list(let items) where name == "copy":
            _ = try arguments.bind("copy()", [])
            return .list(items)
        case .list, .tuple, .range: return try callSequence(name, method.receiver, arguments)
        case .loop(let loop): return try callLoopMethod(name, of: loop, arguments)
        case .cycler(let cycler):
            _ = try arguments.bind("\(name)()", [])
            let current = cycler.current
            cycler.position = name == "next" ? (cycler.position + 1) % cycler.items.elements.count : 0
            return name == "next" ? current : .none
        case .float(let value):
            _ = try arguments.bind("is_integer()", [])
            return .boolean(value.isFinite && value == value.rounded())
        case .function: return try makeDictionary(arguments)
        default:
            guard let number = method.receiver.index else { break }
            _ = try arguments.bind("\(name)()", [])
            let bits = number.magnitude
            return .integer(name == "bit_count" ? bits.nonzeroBitCount : UInt.bitWidth - bits.leadingZeroBitCount)
        }
        throw TemplateError("a value of type '\(method.receiver.typeName)' has no method '\(name)'")
    }

    // MARK: Collections

    private func call(
        _ name: String,
        _ dictionary: TemplateDictionary,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        switch name {
        case "get":
            guard arguments.named.isEmpty else { throw TemplateError("get() takes no named arguments") }
            let values = try arguments.bind("get()", ["key", "default"], required: 1)
            let key = values[0] ?? .none
            guard try isKey(key) else { throw TemplateError("a value of type '\(key.typeName)' is no dictionary key") }
            return dictionary[key] ?? values[1] ?? .none
        case "fromkeys": return try makeDictionary(arguments)
        default: _ = try arguments.bind("\(name)()", [])
        }
        switch name {
        case "keys": return .view(TemplateDictionaryView(.keys, dictionary))
        case "values": return .view(TemplateDictionaryView(.values, dictionary))
        case "items": return .view(TemplateDictionaryView(.items, dictionary))
        default: return .dictionary(dictionary)
        }
    }

    private func makeDictionary(_ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bind("fromkeys()", ["iterable", "value"], required: 1)
        let keys = try elements(of: values[0] ?? .none)
        return try dictionary(keys.map { ($0, values[1] ?? .none) })
    }

    private func callSequence(
        _ name: String,
        _ sequence: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        guard arguments.named.isEmpty else { throw TemplateError("\(name)() takes no named arguments") }
        let all = try elements(of: sequence)
        if name == "count" {
            let value = try arguments.bind("count()", ["value"], required: 1)[0] ?? .none
            var count = 0
            for element in all where try areEqual(element, value) { count += 1 }
            return .integer(count)
        }
        let values = try arguments.bind("index()", ["value", "start", "stop"], required: 1)
        let (start, stop) = try Self.window(values[1], values[2], all.count)
        let value = values[0] ?? .none
        for index in all.indices where index >= start && index < stop {
            if try areEqual(all[index], value) { return .integer(index) }
        }
        throw TemplateError("\(try quoted(value)) is not in the \(sequence.typeName)")
    }

    /// The optional `start` and `stop` arguments of a search, clamped.
    static func window(
        _ start: TemplateValue?,
        _ stop: TemplateValue?,
        _ count: Int
    ) throws(TemplateError) -> (start: Int, stop: Int) {
        func bound(_ value: TemplateValue?, _ absent: Int) throws(TemplateError) -> Int {
            switch value {
            case nil, .some(.none): return absent
            case let value?:
                guard let index = value.index else { throw TemplateError("a bound must be a whole number") }
                return max(0, index < 0 ? index + count : index)
            }
        }
        return (try bound(start, 0), try bound(stop, count))
    }
}

/// Writes values as Python's `str` and `repr` do. The caller has charged for the value's weight.
struct TemplateRepresentation {
    private(set) var output = ""
    /// Bytes; more is an error.
    let limit: Int
    /// Bounds the way through namespaces, which may hold themselves.
    private var depth = 0
    private static let deepest = 400

    private init(limit: Int) { self.limit = limit }

    /// `str(value)`.
    static func text(_ value: TemplateValue, limit: Int) throws(TemplateError) -> String {
        switch value {
        case .string(let text), .markup(let text): return text
        case .undefined: return ""
        default: return try quoted(value, limit: limit)
        }
    }

    /// `repr(value)`.
    static func quoted(_ value: TemplateValue, limit: Int) throws(TemplateError) -> String {
        var writer = TemplateRepresentation(limit: limit)
        try writer.write(value)
        return writer.output
    }

    private mutating func write(_ value: TemplateValue) throws(TemplateError) {
        guard output.utf8.count <= limit else { throw TemplateError("a text longer than \(limit) bytes") }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.deepest else { throw TemplateError("a value nested deeper than \(Self.deepest) levels") }
        switch value {
        case .undefined: output += "Undefined"
        case .none: output += "None"
        case .boolean(let value): output += value ? "True" : "False"
        case .integer(let value): output += String(value)
        case .float(let value): output += PythonNumber.text(value)
        case .string(let text): output += PythonText.quoted(text)
        case .markup(let text): output += "Markup(\(PythonText.quoted(text)))"
        case .list(let items): try write(items.elements, open: "[", close: "]")
        case .tuple(let items):
            try write(items.elements, open: "(", close: items.elements.count == 1 ? ",)" : ")")
        case .dictionary(let dictionary): try write(dictionary.entries)
        case .view(let view):
            output += "dict_\(view.kind.rawValue)("
            try write(view.elements, open: "[", close: "])")
        case .range(let range):
            output += "range(\(range.start), \(range.stop)\(range.step == 1 ? "" : ", \(range.step)"))"
        case .namespace(let namespace):
            output += "<Namespace "
            try write(namespace.attributes.map { (.string($0.name), $0.value) })
            output += ">"
        case .loop(let loop): output += "<LoopContext \(loop.index + 1)/\(loop.count ?? loop.index + 1)>"
        case .macro(let macro): output += "<Macro \(PythonText.quoted(macro.definition.name))>"
        case .method(let method): output += "<method \(PythonText.quoted(method.name)) of \(method.receiver.typeName)>"
        case .function(let function): output += "<function \(function.rawValue)>"
        case .iterator, .cycler, .joiner: output += "<\(value.typeName)>"
        }
    }

    private mutating func write(
        _ elements: [TemplateValue],
        open: String,
        close: String
    ) throws(TemplateError) {
        output += open
        for (offset, element) in elements.enumerated() {
            if offset > 0 { output += ", " }
            try write(element)
        }
        output += close
    }

    private mutating func write(_ entries: [(key: TemplateValue, value: TemplateValue)]) throws(TemplateError) {
        output += "{"
        for (offset, entry) in entries.enumerated() {
            if offset > 0 { output += ", " }
            try write(entry.key)
            output += ": "
            try write(entry.value)
        }
        output += "}"
    }
}

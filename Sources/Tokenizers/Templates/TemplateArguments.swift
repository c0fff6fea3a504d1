/// The values of a call's arguments.
struct TemplateArguments {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    init(_ positional: [TemplateValue] = [], named: [(name: String, value: TemplateValue)] = []) {
        self.positional = positional
        self.named = named
    }

    /// The values of the parameters `names`, in that order; nil where none is given.
    ///
    /// - Throws: for too many, unknown, repeated or missing ones.
    func bind(_ function: String, _ names: [String], required: Int = 0) throws(TemplateError) -> [TemplateValue?] {
        guard positional.count <= names.count else {
            throw TemplateError("\(function) takes at most \(names.count) arguments, not \(positional.count)")
        }
        var values: [TemplateValue?] = positional
        values += Array(repeating: nil, count: names.count - positional.count)
        for (name, value) in named {
            guard let index = names.firstIndex(of: name) else {
                throw TemplateError("\(function) has no argument '\(name)'")
            }
            guard values[index] == nil else { throw TemplateError("\(function) gets the argument '\(name)' twice") }
            values[index] = value
        }
        for index in 0..<required where values[index] == nil {
            throw TemplateError("\(function) needs the argument '\(names[index])'")
        }
        return values
    }
}

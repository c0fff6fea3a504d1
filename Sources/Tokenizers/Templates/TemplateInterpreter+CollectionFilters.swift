extension TemplateInterpreter {
    func applyCollection(
        _ filter: TemplateFilter,
        _ value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        switch filter {
        case .map: return try mapped(value, arguments)
        case .select, .reject, .selectattr, .rejectattr: return try selected(filter, value, arguments)
        case .join:
            let values = try arguments.bind("join", ["d", "attribute"])
            let separator = try text(values[0] ?? .string(""))
            var parts: [String] = []
            for element in try elements(of: value) { parts.append(try text(try attributePath(values[1], of: element))) }
            return .string(try joined(parts, separator))
        case .sort:
            let values = try arguments.bind("sort", ["reverse", "case_sensitive", "attribute"])
            return try list(try sorted(try elements(of: value), by: values[2], values[1], values[0]))
        case .dictsort: return try sortedDictionary(value, arguments)
        case .unique:
            let values = try arguments.bind("unique", ["case_sensitive", "attribute"])
            var seen: Set<TemplateKey> = []
            var unique: [TemplateValue] = []
            for element in try elements(of: value) {
                let key = try sortKey(try attributePath(values[1], of: element), values[0])
                guard try isKey(key) else {
                    throw TemplateError("unique cannot compare values of type '\(key.typeName)'")
                }
                if seen.insert(TemplateKey(key)).inserted { unique.append(element) }
            }
            return try iterator(unique)
        case .groupby: return try grouped(value, arguments)
        default:
            let values = try arguments.bind(filter.rawValue, ["case_sensitive", "attribute"])
            var best: (element: TemplateValue, key: TemplateValue)?
            for element in try elements(of: value) {
                let key = try sortKey(try attributePath(values[1], of: element), values[0])
                guard let current = best else {
                    best = (element, key)
                    continue
                }
                let isBetter = try filter == .min ? isLess(key, current.key) : isLess(current.key, key)
                if isBetter { best = (element, key) }
            }
            return best?.element ?? .undefined(TemplateUndefined("no aggregated item, the sequence is empty"))
        }
    }

    // MARK: Attributes by path

    /// What `attribute="a.b.0"` finds: items first at each step; the value itself when no attribute is given.
    func attributePath(_ path: TemplateValue?, of value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch path {
        case nil, .some(.none): return value
        case let path?:
            guard let text = path.text else { return try item(path, of: value) }
            var result = value
            for part in PythonText.split(text, ".", limit: -1) {
                let isNumber = !part.isEmpty && part.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
                let key: TemplateValue = isNumber ? Int(part).map { .integer($0) } ?? .string(part) : .string(part)
                result = try item(key, of: result)
            }
            return result
        }
    }

    /// What values are compared by: strings in lower case unless asked otherwise.
    private func sortKey(_ value: TemplateValue, _ caseSensitive: TemplateValue?) throws(TemplateError) -> TemplateValue
    {
        guard !(caseSensitive?.isTrue ?? false), let text = value.text else { return value }
        try chargeText(bytes: text.utf8.count)
        return .string(PythonText.lowercased(text))
    }

    private func isLess(_ left: TemplateValue, _ right: TemplateValue) throws(TemplateError) -> Bool {
        try charge(min(left.weight, right.weight))
        return try TemplateValue.isLess(left, right)
    }

    private func sorted(
        _ elements: [TemplateValue],
        by attribute: TemplateValue?,
        _ caseSensitive: TemplateValue?,
        _ reverse: TemplateValue?
    ) throws(TemplateError) -> [TemplateValue] {
        var paths: [TemplateValue?] = [attribute]
        if let text = attribute?.text { paths = PythonText.split(text, ",", limit: -1).map { .string($0) } }
        var keyed: [(element: TemplateValue, keys: TemplateValue)] = []
        try chargeElements(elements.count * 4)
        for element in elements {
            var keys: [TemplateValue] = []
            for path in paths { keys.append(try sortKey(try attributePath(path, of: element), caseSensitive)) }
            keyed.append((element, .list(TemplateItems(keys))))
        }
        return try sorted(keyed, reverse?.isTrue ?? false)
    }

    /// Stable in both directions, as Python's.
    private func sorted(
        _ keyed: [(element: TemplateValue, keys: TemplateValue)],
        _ isReversed: Bool
    ) throws(TemplateError) -> [TemplateValue] {
        try templateSorted(keyed) { (a, b) throws(TemplateError) in
            try isReversed ? isLess(b.keys, a.keys) : isLess(a.keys, b.keys)
        }.map(\.element)
    }

    private func sortedDictionary(
        _ value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bind("dictsort", ["case_sensitive", "by", "reverse"])
        let by = (values[1] ?? .string("key")).text ?? ""
        guard by == "key" || by == "value" else { throw TemplateError("dictsort sorts by 'key' or 'value'") }
        guard case .dictionary(let dictionary) = value else {
            if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
            throw TemplateError("dictsort needs a dictionary, not '\(value.typeName)'")
        }
        try chargeElements(dictionary.entries.count * 4)
        var keyed: [(element: TemplateValue, keys: TemplateValue)] = []
        for entry in dictionary.entries {
            let key = try sortKey(by == "key" ? entry.key : entry.value, values[0])
            keyed.append((.tuple(TemplateItems([entry.key, entry.value])), key))
        }
        return try list(try sorted(keyed, values[2]?.isTrue ?? false))
    }

    private func grouped(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue
    {
        let values = try arguments.bind("groupby", ["attribute", "default", "case_sensitive"], required: 1)
        func plainKey(_ element: TemplateValue) throws(TemplateError) -> TemplateValue {
            try attributePath(values[0], of: element, fallback: values[1])
        }
        var keyed: [(element: TemplateValue, keys: TemplateValue)] = []
        for element in try elements(of: value) {
            keyed.append((element, try sortKey(try plainKey(element), values[2])))
        }
        try chargeElements(keyed.count * 4)
        keyed = try templateSorted(keyed) { (a, b) throws(TemplateError) in try isLess(a.keys, b.keys) }
        var groups: [TemplateValue] = []
        var start = 0
        for index in keyed.indices {
            if index + 1 < keyed.count, try areEqual(keyed[index].keys, keyed[index + 1].keys) { continue }
            let group = keyed[start...index].map(\.element)
            groups.append(try tuple([try plainKey(group[0]), try list(group)]))
            start = index + 1
        }
        return try list(groups)
    }

    // MARK: Mapping and selecting

    private func mapped(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        // Whatever is false has nothing to map, be it a sequence or not; so too below.
        guard value.isTrue else { return try iterator([]) }
        var results: [TemplateValue] = []
        if arguments.positional.isEmpty, arguments.named.contains(where: { $0.name == "attribute" }) {
            let values = try arguments.bind("map", ["attribute", "default"])
            for element in try elements(of: value) {
                try charge(1)
                results.append(try attributePath(values[0], of: element, fallback: values[1]))
            }
            return try iterator(results)
        }
        guard let name = arguments.positional.first?.text else { throw TemplateError("map needs the name of a filter") }
        let rest = TemplateArguments(Array(arguments.positional.dropFirst()), named: arguments.named)
        for element in try elements(of: value) {
            try charge(1)
            results.append(
                try descend { () throws(TemplateError) in
                    try apply(name, TemplateFilter(name), to: element, rest)
                }
            )
        }
        return try iterator(results)
    }

    private func attributePath(
        _ path: TemplateValue?,
        of value: TemplateValue,
        fallback: TemplateValue?
    ) throws(TemplateError) -> TemplateValue {
        guard let fallback, let path else { return try attributePath(path, of: value) }
        if case .none = fallback { return try attributePath(path, of: value) }
        let steps = path.text.map { PythonText.split($0, ".", limit: -1).map { .string($0) } } ?? [path]
        var result = value
        for step in steps {
            result = try attributePath(step, of: result)
            if result.isUndefined { result = fallback }
        }
        return result
    }

    private func selected(
        _ filter: TemplateFilter,
        _ value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        guard value.isTrue else { return try iterator([]) }
        let byAttribute = filter == .selectattr || filter == .rejectattr
        let wanted = filter == .select || filter == .selectattr
        var positional = arguments.positional[...]
        var path: TemplateValue?
        if byAttribute {
            guard let attribute = positional.popFirst() else {
                throw TemplateError("\(filter.rawValue) needs the name of an attribute")
            }
            path = attribute
        }
        var call: (name: String, test: TemplateTest?)?
        if let name = positional.popFirst() {
            guard let name = name.text else { throw TemplateError("\(filter.rawValue) needs the name of a test") }
            call = (name, TemplateTest(name))
        }
        let rest = TemplateArguments(Array(positional), named: arguments.named)
        var results: [TemplateValue] = []
        for element in try elements(of: value) {
            try charge(1)
            let subject = try attributePath(path, of: element)
            let holds: Bool
            if let call {
                holds = try check(call.name, call.test, on: subject, rest)
            } else {
                holds = subject.isTrue
            }
            if holds == wanted { results.append(element) }
        }
        return try iterator(results)
    }
}

extension TemplateInterpreter {
    func apply(
        _ filter: TemplateFilterCall,
        to value: TemplateValue,
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        let arguments = try evaluate(filter.arguments, in: scope)
        return try apply(filter.name, filter.filter, to: value, arguments)
    }

    func apply(
        _ name: String,
        _ filter: TemplateFilter?,
        to value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        guard let filter else { throw TemplateError("there is no filter '\(name)'") }
        switch filter {
        case .capitalize, .center, .escape, .forceescape, .format, .indent, .lower, .replace, .safe, .string, .title,
            .tojson, .trim, .truncate, .upper, .urlencode, .wordcount:
            return try applyText(filter, value, arguments)
        case .abs, .float, .int, .round, .sum:
            return try applyNumber(filter, value, arguments)
        case .map, .reject, .rejectattr, .select, .selectattr, .groupby, .sort, .unique, .min, .max, .dictsort, .join:
            return try applyCollection(filter, value, arguments)
        case .attr:
            let name = try arguments.bind("attr", ["name"], required: 1)[0] ?? .none
            return try plainAttribute(try text(name), of: value)
        case .fallback:
            let values = try arguments.bind("default", ["default_value", "boolean"])
            let isMissing = value.isUndefined || ((values[1]?.isTrue ?? false) && !value.isTrue)
            return isMissing ? values[0] ?? .string("") : value
        case .length:
            _ = try arguments.bind("length", [])
            return .integer(try count(of: value))
        case .list:
            _ = try arguments.bind("list", [])
            return try list(try elements(of: value))
        case .items:
            _ = try arguments.bind("items", [])
            if value.isUndefined { return try iterator([]) }
            guard case .dictionary(let dictionary) = value else {
                throw TemplateError("the filter 'items' needs a dictionary, not '\(value.typeName)'")
            }
            return try iterator(try elements(of: .view(TemplateDictionaryView(.items, dictionary))))
        case .first:
            _ = try arguments.bind("first", [])
            return try first(of: value) ?? .undefined(TemplateUndefined("no first item, the sequence is empty"))
        case .last:
            _ = try arguments.bind("last", [])
            return try reversed(value).first ?? .undefined(TemplateUndefined("no last item, the sequence is empty"))
        case .reverse:
            _ = try arguments.bind("reverse", [])
            if let text = value.text {
                let reversed = String(String.UnicodeScalarView(text.unicodeScalars.reversed()))
                try chargeText(bytes: reversed.utf8.count)
                if case .markup = value { return .markup(reversed) }
                return .string(reversed)
            }
            if case .iterator = value { return try list(try elements(of: value).reversed()) }
            return try iterator(try reversed(value))
        case .batch: return try batch(value, arguments)
        case .slice: return try slices(value, arguments)
        }
    }

    private func first(of value: TemplateValue) throws(TemplateError) -> TemplateValue? {
        switch value {
        case .iterator(let iterator): return iterator.next()
        case .string, .markup, .range: return try optionalItem(0, of: value)
        default: return try elements(of: value).first
        }
    }

    private func optionalItem(_ index: Int, of value: TemplateValue) throws(TemplateError) -> TemplateValue? {
        let item = try item(.integer(index), of: value)
        return item.isUndefined ? nil : item
    }

    /// Python's `reversed`, which iterators do not allow.
    private func reversed(_ value: TemplateValue) throws(TemplateError) -> [TemplateValue] {
        if case .iterator = value { throw TemplateError("an iterator cannot be reversed; use the filter 'list' first") }
        let elements = try elements(of: value)
        try chargeElements(elements.count)
        return elements.reversed()
    }

    private func batch(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bind("batch", ["linecount", "fill_with"], required: 1)
        guard let size = values[0]?.number.flatMap({ Int(exactly: $0) }) else {
            throw TemplateError("batch needs a whole number")
        }
        var batches: [TemplateValue] = []
        var batch: [TemplateValue] = []
        for element in try elements(of: value) {
            if batch.count == size {
                batches.append(try list(batch))
                batch = []
            }
            batch.append(element)
        }
        if !batch.isEmpty {
            if let fill = values[1], batch.count < size {
                if case .none = fill {
                } else {
                    try chargeElements(size)
                    batch += Array(repeating: fill, count: size - batch.count)
                }
            }
            batches.append(try list(batch))
        }
        return try iterator(batches)
    }

    private func slices(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bind("slice", ["slices", "fill_with"], required: 1)
        guard let count = values[0]?.index, count != 0 else {
            throw TemplateError("slice needs a whole number but zero")
        }
        let all = try elements(of: value)
        var slices: [TemplateValue] = []
        var offset = 0
        guard count > 0 else { return try iterator([]) }
        try chargeElements(count)
        for number in 0..<count {
            let hasExtra = number < all.count % count
            let end = offset + all.count / count + (hasExtra ? 1 : 0)
            var slice = Array(all[offset..<end])
            if let fill = values[1], !hasExtra {
                if case .none = fill {} else { slice.append(fill) }
            }
            slices.append(try list(slice))
            offset = end
        }
        return try iterator(slices)
    }
}

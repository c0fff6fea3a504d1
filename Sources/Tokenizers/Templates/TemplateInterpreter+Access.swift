extension TemplateInterpreter {
    // MARK: Attributes

    /// `base.name`: an attribute or method first, then an item of that name.
    func attribute(_ name: String, of base: TemplateValue) throws(TemplateError) -> TemplateValue {
        if let value = try ownAttribute(name, of: base) { return value }
        if case .dictionary(let dictionary) = base, let value = dictionary[name] { return value }
        return missing(name, of: base)
    }

    private func missing(_ name: String, of base: TemplateValue) -> TemplateValue {
        let type = if case .none = base { "None" } else { "a value of type '\(base.typeName)'" }
        return .undefined(TemplateUndefined("\(type) has no attribute '\(name)'"))
    }

    /// - Throws: when `base` is undefined.
    private func ownAttribute(_ name: String, of base: TemplateValue) throws(TemplateError) -> TemplateValue? {
        switch base {
        case .undefined(let undefined): throw TemplateError(undefined.message)
        case .namespace(let namespace):
            try charge(namespace.attributes.count / 8)
            return name.utf8.first == UInt8(ascii: "_") ? nil : namespace[name]
        case .loop(let loop): return try attribute(name, of: loop)
        case .range(let range):
            switch name {
            case "start": return .integer(range.start)
            case "stop": return .integer(range.stop)
            case "step": return .integer(range.step)
            default: break
            }
        case .cycler(let cycler) where name == "current": return cycler.current
        case .macro(let macro):
            switch name {
            case "name": return .string(macro.definition.name)
            case "arguments": return try tuple(macro.definition.parameters.map { .string($0.name) })
            case "catch_kwargs": return .boolean(macro.definition.usesExtraNamed)
            case "catch_varargs": return .boolean(macro.definition.usesExtraPositional)
            case "caller": return .boolean(macro.definition.usesCaller)
            default: break
            }
        default: break
        }
        return Self.hasMethod(name, base) ? .method(TemplateMethod(base, name)) : nil
    }

    /// `base|attr(name)`: without the way to items.
    func plainAttribute(_ name: String, of base: TemplateValue) throws(TemplateError) -> TemplateValue {
        try ownAttribute(name, of: base) ?? missing(name, of: base)
    }

    // MARK: Items

    /// `base[index]`: an item first, then an attribute of that name.
    func item(_ index: TemplateValue, of base: TemplateValue) throws(TemplateError) -> TemplateValue {
        if let value = try ownItem(index, of: base) { return value }
        if let name = index.text, let value = try ownAttribute(name, of: base) { return value }
        let key = index.text ?? (try? quoted(index)) ?? index.typeName
        return missing(key, of: base)
    }

    private func ownItem(_ index: TemplateValue, of base: TemplateValue) throws(TemplateError) -> TemplateValue? {
        switch base {
        case .undefined(let undefined): throw TemplateError(undefined.message)
        case .dictionary(let dictionary):
            return try isKey(index) ? dictionary[index] : nil
        case .list(let items), .tuple(let items):
            guard let position = position(index, in: items.elements.count) else { return nil }
            return items.elements[position]
        case .range(let range):
            guard let position = position(index, in: range.count) else { return nil }
            return .integer(range[position])
        case .string(let text), .markup(let text):
            guard let number = index.index else { return nil }
            try chargePass(text.utf8.count)
            guard let scalar = Self.scalar(number, of: text) else { return nil }
            if case .markup = base { return .markup(String(scalar)) }
            return .string(String(scalar))
        default: return nil
        }
    }

    private func position(_ index: TemplateValue, in count: Int) -> Int? {
        guard let number = index.index else { return nil }
        let position = number < 0 ? number + count : number
        return position >= 0 && position < count ? position : nil
    }

    private static func scalar(_ index: Int, of text: String) -> Unicode.Scalar? {
        let view = text.unicodeScalars
        if index >= 0 {
            // No text has more scalars than bytes.
            guard index < text.utf8.count else { return nil }
            let place = view.index(view.startIndex, offsetBy: index, limitedBy: view.endIndex)
            guard let place, place < view.endIndex else { return nil }
            return view[place]
        }
        guard index >= -text.utf8.count else { return nil }
        return view.index(view.endIndex, offsetBy: index, limitedBy: view.startIndex).map { view[$0] }
    }

    // MARK: Slices

    func slice(
        _ slice: TemplateSlice,
        of base: TemplateValue,
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        var bounds: [Int?] = []
        for part in [slice.start, slice.stop, slice.step] {
            let value = try part.map { (part) throws(TemplateError) in try evaluate(part, in: scope) } ?? .none
            switch value {
            case .none: bounds.append(nil)
            default:
                guard let number = value.index else {
                    throw TemplateError("a slice's bounds must be whole numbers, not '\(value.typeName)'")
                }
                bounds.append(number)
            }
        }
        let step = bounds[2] ?? 1
        switch base {
        case .undefined(let undefined): throw TemplateError(undefined.message)
        case .list, .tuple, .string, .markup, .range: break
        default: throw TemplateError("a value of type '\(base.typeName)' cannot be sliced")
        }
        guard step != 0, step != .min else { throw TemplateError("a slice's step cannot be zero") }
        return try taken(base, start: bounds[0], stop: bounds[1], step: step)
    }

    private func taken(
        _ base: TemplateValue,
        start: Int?,
        stop: Int?,
        step: Int
    ) throws(TemplateError) -> TemplateValue {
        switch base {
        case .list(let items):
            return try list(Self.places(start, stop, step, items.elements.count).map { items.elements[$0] })
        case .tuple(let items):
            return try tuple(Self.places(start, stop, step, items.elements.count).map { items.elements[$0] })
        case .range(let range):
            let places = Self.bounds(start, stop, step, range.count)
            let (product, overflow) = range.step.multipliedReportingOverflow(by: step)
            guard !overflow, let first = range.place(places.start), let last = range.place(places.stop),
                let slice = TemplateRange(start: first, stop: last, step: product)
            else {
                throw TemplateError("a slice of a range does not fit 64 bits")
            }
            return .range(slice)
        case .string(let text), .markup(let text):
            try chargePass(text.utf8.count)
            let slice = Self.text(text, start, stop, step)
            try chargeText(bytes: slice.utf8.count)
            if case .markup = base { return .markup(slice) }
            return .string(slice)
        default: throw TemplateError("a value of type '\(base.typeName)' cannot be sliced")
        }
    }

    /// Start and stop as Python clamps them for a sequence of `count`.
    private static func bounds(_ start: Int?, _ stop: Int?, _ step: Int, _ count: Int) -> (start: Int, stop: Int) {
        let (low, high) = step > 0 ? (0, count) : (-1, count - 1)
        func clamped(_ value: Int) -> Int { min(max(value < 0 ? value + count : value, low), high) }
        return (start.map(clamped) ?? (step > 0 ? low : high), stop.map(clamped) ?? (step > 0 ? high : low))
    }

    private static func places(_ start: Int?, _ stop: Int?, _ step: Int, _ count: Int) -> [Int] {
        let bounds = bounds(start, stop, step, count)
        guard let range = TemplateRange(start: bounds.start, stop: bounds.stop, step: step) else { return [] }
        return (0..<range.count).map { range[$0] }
    }

    private static func text(_ text: String, _ start: Int?, _ stop: Int?, _ step: Int) -> String {
        let view = text.unicodeScalars
        if step == 1 {
            let bounds = bounds(start, stop, 1, view.count)
            guard bounds.start < bounds.stop else { return "" }
            let first = view.index(view.startIndex, offsetBy: bounds.start)
            return String(view[first..<view.index(first, offsetBy: bounds.stop - bounds.start)])
        }
        let scalars = Array(view)
        return String(String.UnicodeScalarView(places(start, stop, step, scalars.count).map { scalars[$0] }))
    }
}

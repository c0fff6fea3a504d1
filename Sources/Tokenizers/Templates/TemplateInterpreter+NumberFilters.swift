import Glibc

extension TemplateInterpreter {
    func applyNumber(
        _ filter: TemplateFilter,
        _ value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> TemplateValue {
        switch filter {
        case .int: return try integer(value, arguments)
        case .float:
            let fallback = try arguments.bind("float", ["default"])[0] ?? .float(0)
            if case .undefined(let undefined) = value { throw TemplateError(undefined.message) }
            return (value.text.map(PythonNumber.float) ?? value.number).map { .float($0) } ?? fallback
        case .abs:
            _ = try arguments.bind("abs", [])
            if case .float(let number) = value { return .float(number.magnitude) }
            guard let number = value.index, number != .min else {
                throw TemplateError("abs needs a number, not '\(value.typeName)'")
            }
            return .integer(Swift.abs(number))
        case .round: return try rounded(value, arguments)
        default:
            let values = try arguments.bind("sum", ["attribute", "start"])
            var total = values[1] ?? .integer(0)
            if total.text != nil { throw TemplateError("sum cannot add strings; use the filter 'join'") }
            for element in try elements(of: value) {
                let part = try attributePath(values[0], of: element)
                if part.text != nil { throw TemplateError("sum cannot add strings; use the filter 'join'") }
                total = try arithmetic(.add, total, part)
            }
            return total
        }
    }

    private func integer(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue
    {
        let values = try arguments.bind("int", ["default", "base"])
        let fallback = values[0] ?? .integer(0)
        guard let base = (values[1] ?? .integer(10)).index else { throw TemplateError("int needs a whole base") }
        func whole(_ number: Double) throws(TemplateError) -> TemplateValue {
            guard number.isFinite else { return fallback }
            guard let whole = Int(exactly: number.rounded(.towardZero)) else {
                throw TemplateError("the number \(PythonNumber.text(number)) does not fit 64 bits")
            }
            return .integer(whole)
        }
        switch value {
        case .undefined(let undefined): throw TemplateError(undefined.message)
        case .float(let number):
            if number.isInfinite { throw TemplateError("infinity is no whole number") }
            return try whole(number)
        case .string(let text), .markup(let text):
            if let number = PythonNumber.integer(text, base: base) { return .integer(number) }
            return try PythonNumber.float(text).map { (number) throws(TemplateError) in try whole(number) } ?? fallback
        default: return value.index.map { .integer($0) } ?? fallback
        }
    }

    private func rounded(_ value: TemplateValue, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue
    {
        let values = try arguments.bind("round", ["precision", "method"])
        let method = try text(values[1] ?? .string("common"))
        guard ["common", "ceil", "floor"].contains(method) else {
            throw TemplateError("round's method must be 'common', 'ceil' or 'floor'")
        }
        let precision = values[0] ?? .integer(0)
        var digits = precision.index
        if method == "common", case .none = precision { digits = 0 }
        guard let digits, let number = value.number else {
            throw TemplateError("round needs a number and a whole precision")
        }
        guard method == "common" else {
            let scale = pow(10, Double(digits))
            let scaled = number * scale
            guard scaled.isFinite else { throw TemplateError("round: the number is too large") }
            return .float((method == "ceil" ? scaled.rounded(.up) : scaled.rounded(.down)) / scale)
        }
        if case .float = value {
            let result = PythonNumber.rounded(number, digits: digits)
            if case .none = precision { return try integer(.float(result), TemplateArguments()) }
            return .float(result)
        }
        guard let whole = PythonNumber.rounded(value.index ?? 0, digits: digits) else {
            throw TemplateError("the rounded number does not fit 64 bits")
        }
        return .integer(whole)
    }
}

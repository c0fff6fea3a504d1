import Glibc

extension TemplateInterpreter {
    func arithmetic(
        _ operation: TemplateOperator,
        _ left: TemplateValue,
        _ right: TemplateValue
    ) throws(TemplateError) -> TemplateValue {
        for case .undefined(let undefined) in [left, right] {
            if case .modulo = operation, left.text != nil { break }
            throw TemplateError(undefined.message)
        }
        if let value = try sequenceArithmetic(operation, left, right) { return value }
        if let left = left.index, let right = right.index { return try integerArithmetic(operation, left, right) }
        if let left = left.number, let right = right.number { return try floatArithmetic(operation, left, right) }
        throw TemplateError("'\(operation.spelling)' does not go with '\(left.typeName)' and '\(right.typeName)'")
    }

    // MARK: Text and collections

    private func sequenceArithmetic(
        _ operation: TemplateOperator,
        _ left: TemplateValue,
        _ right: TemplateValue
    ) throws(TemplateError) -> TemplateValue? {
        switch (operation, left, right) {
        case (.add, .list(let left), .list(let right)):
            try chargeElements(left.elements.count + right.elements.count)
            return try list(left.elements + right.elements)
        case (.add, .tuple(let left), .tuple(let right)):
            try chargeElements(left.elements.count + right.elements.count)
            return try tuple(left.elements + right.elements)
        case (.add, .string(let left), .string(let right)): return .string(try joined(left, right))
        case (.add, .markup(let left), .markup(let right)): return .markup(try joined(left, right))
        case (.add, .markup(let left), .string(let right)): return .markup(try joined(left, PythonText.escaped(right)))
        case (.add, .string(let left), .markup(let right)): return .markup(try joined(PythonText.escaped(left), right))
        case (.modulo, .string(let format), _): return .string(try percentFormatted(format, right))
        case (.modulo, .markup(let format), _): return .markup(try percentFormatted(format, right))
        case (.multiply, _, _):
            if let count = right.index, let value = try repeated(left, count) { return value }
            if let count = left.index, let value = try repeated(right, count) { return value }
            return nil
        default: return nil
        }
    }

    private func joined(_ left: String, _ right: String) throws(TemplateError) -> String {
        try chargeText(bytes: left.utf8.count + right.utf8.count)
        return left + right
    }

    private func repeated(_ value: TemplateValue, _ count: Int) throws(TemplateError) -> TemplateValue? {
        let count = max(0, count)
        switch value {
        case .string(let text): return .string(try repeated(text, count))
        case .markup(let text): return .markup(try repeated(text, count))
        case .list(let items): return try list(try repeated(items.elements, count))
        case .tuple(let items): return try tuple(try repeated(items.elements, count))
        default: return nil
        }
    }

    private func repeated(_ text: String, _ count: Int) throws(TemplateError) -> String {
        let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: count)
        guard !overflow else { throw TemplateError("a text repeated \(count) times") }
        try chargeText(bytes: bytes)
        return bytes == 0 ? "" : String(repeating: text, count: count)
    }

    private func repeated(_ elements: [TemplateValue], _ count: Int) throws(TemplateError) -> [TemplateValue] {
        let (total, overflow) = elements.count.multipliedReportingOverflow(by: count)
        guard !overflow else { throw TemplateError("a list repeated \(count) times") }
        try chargeElements(total)
        return total == 0 ? [] : Array(repeatElement(elements, count: count).joined())
    }

    // MARK: Numbers

    private func integerArithmetic(
        _ operation: TemplateOperator,
        _ left: Int,
        _ right: Int
    ) throws(TemplateError) -> TemplateValue {
        let result: (partialValue: Int, overflow: Bool)
        switch operation {
        case .add: result = left.addingReportingOverflow(right)
        case .subtract: result = left.subtractingReportingOverflow(right)
        case .multiply: result = left.multipliedReportingOverflow(by: right)
        case .divide:
            guard right != 0 else { throw TemplateError("division by zero") }
            return .float(Double(left) / Double(right))
        case .floorDivide, .modulo:
            guard right != 0 else { throw TemplateError("division by zero") }
            let (quotient, overflow) = left.dividedReportingOverflow(by: right)
            let rest = left.remainderReportingOverflow(dividingBy: right).partialValue
            let isBelow = rest != 0 && (rest < 0) != (right < 0)
            if operation == .modulo { return .integer(isBelow ? rest + right : rest) }
            result = (isBelow ? quotient - 1 : quotient, overflow)
        case .power:
            if right < 0 {
                guard left != 0 else { throw TemplateError("zero to a negative power") }
                return .float(pow(Double(left), Double(right)))
            }
            result = Self.power(left, right)
        }
        guard !result.overflow else {
            throw TemplateError("the result of '\(left) \(operation.spelling) \(right)' does not fit 64 bits")
        }
        return .integer(result.partialValue)
    }

    private static func power(_ base: Int, _ exponent: Int) -> (partialValue: Int, overflow: Bool) {
        switch base {
        case 0: return (exponent == 0 ? 1 : 0, false)
        case 1: return (1, false)
        case -1: return (exponent % 2 == 0 ? 1 : -1, false)
        default: break
        }
        var result = 1
        for _ in 0..<min(exponent, 65) {
            let (product, overflow) = result.multipliedReportingOverflow(by: base)
            if overflow { return (0, true) }
            result = product
        }
        return (result, false)
    }

    private func floatArithmetic(
        _ operation: TemplateOperator,
        _ left: Double,
        _ right: Double
    ) throws(TemplateError) -> TemplateValue {
        switch operation {
        case .add: return .float(left + right)
        case .subtract: return .float(left - right)
        case .multiply: return .float(left * right)
        case .divide:
            guard right != 0 else { throw TemplateError("division by zero") }
            return .float(left / right)
        case .floorDivide, .modulo:
            guard right != 0 else { throw TemplateError("division by zero") }
            var rest = fmod(left, right)
            var quotient = (left - rest) / right
            if rest == 0 {
                rest = right < 0 ? -0.0 : 0.0
            } else if (rest < 0) != (right < 0) {
                rest += right
                quotient -= 1
            }
            if operation == .modulo { return .float(rest) }
            if quotient == 0 { return .float(left.sign == right.sign ? 0.0 : -0.0) }
            let floored = quotient.rounded(.down)
            return .float(quotient - floored > 0.5 ? floored + 1 : floored)
        case .power:
            if left == 0, right < 0 { throw TemplateError("zero to a negative power") }
            if left < 0, left.isFinite, right.isFinite, right != right.rounded() {
                throw TemplateError("a negative number to a fractional power")
            }
            let result = pow(left, right)
            guard result.isFinite || !left.isFinite || !right.isFinite else {
                throw TemplateError("the result of a power is too large")
            }
            return .float(result)
        }
    }

    func negated(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .float(let number): return .float(-number)
        case .undefined(let undefined): throw TemplateError(undefined.message)
        default:
            guard let number = value.index else { throw TemplateError("'-' does not go with '\(value.typeName)'") }
            let (result, overflow) = (0).subtractingReportingOverflow(number)
            guard !overflow else { throw TemplateError("the result of '-' does not fit 64 bits") }
            return .integer(result)
        }
    }

    func signed(_ value: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch value {
        case .float: return value
        case .undefined(let undefined): throw TemplateError(undefined.message)
        default:
            guard let number = value.index else { throw TemplateError("'+' does not go with '\(value.typeName)'") }
            return .integer(number)
        }
    }
}

extension TemplateOperator {
    var spelling: String {
        switch self {
        case .add: "+"
        case .subtract: "-"
        case .multiply: "*"
        case .divide: "/"
        case .floorDivide: "//"
        case .modulo: "%"
        case .power: "**"
        }
    }
}

import Glibc

extension TemplateInterpreter {
    func check(
        _ call: TemplateTestCall,
        on value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> Bool {
        try check(call.name, call.test, on: value, arguments)
    }

    func check(
        _ name: String,
        _ test: TemplateTest?,
        on value: TemplateValue,
        _ arguments: TemplateArguments
    ) throws(TemplateError) -> Bool {
        guard let test else { throw TemplateError("there is no test '\(name)'") }
        switch test {
        case .equal: return try holds(.equal, value, try operand(name, arguments))
        case .notEqual: return try holds(.notEqual, value, try operand(name, arguments))
        case .less: return try holds(.less, value, try operand(name, arguments))
        case .lessOrEqual: return try holds(.lessOrEqual, value, try operand(name, arguments))
        case .greater: return try holds(.greater, value, try operand(name, arguments))
        case .greaterOrEqual: return try holds(.greaterOrEqual, value, try operand(name, arguments))
        case .contained: return try holds(.contained, value, try operand(name, arguments))
        case .sameas:
            let other = try operand(name, arguments)
            try charge(min(value.weight, other.weight))
            return value.isSame(as: other)
        case .divisibleby: return try isDivisible(value, by: try operand(name, arguments), rest: .integer(0))
        default: _ = try arguments.bind("the test '\(name)'", [])
        }
        switch test {
        case .odd: return try isDivisible(value, by: .integer(2), rest: .integer(1))
        case .even: return try isDivisible(value, by: .integer(2), rest: .integer(0))
        case .lower: return PythonText.isCased(try text(value), upper: false)
        case .upper: return PythonText.isCased(try text(value), upper: true)
        case .filter: return value.text.map { TemplateFilter($0) != nil } ?? false
        case .test: return value.text.map { TemplateTest($0) != nil } ?? false
        default: return isOf(test, value)
        }
    }

    private func operand(_ name: String, _ arguments: TemplateArguments) throws(TemplateError) -> TemplateValue {
        guard arguments.named.isEmpty || name == "divisibleby" || name == "sameas" || name == "in",
            arguments.positional.count + arguments.named.count == 1
        else { throw TemplateError("the test '\(name)' needs one argument") }
        return arguments.positional.first ?? arguments.named[0].value
    }

    private func isDivisible(
        _ value: TemplateValue,
        by divisor: TemplateValue,
        rest: TemplateValue
    ) throws(TemplateError) -> Bool {
        try areEqual(try arithmetic(.modulo, value, divisor), rest)
    }

    private func isOf(_ test: TemplateTest, _ value: TemplateValue) -> Bool {
        switch (test, value) {
        case (.defined, _): !value.isUndefined
        case (.undefined, _): value.isUndefined
        case (.none, .none), (.boolean, .boolean), (.integer, .integer), (.float, .float), (.mapping, .dictionary): true
        case (.isTrue, .boolean(let value)): value
        case (.isFalse, .boolean(let value)): !value
        case (.string, _): value.text != nil
        case (.number, _): value.number != nil
        case (.escaped, .markup): true
        case (.sequence, .string), (.sequence, .markup), (.sequence, .list), (.sequence, .tuple),
            (.sequence, .dictionary), (.sequence, .range), (.sequence, .undefined):
            true
        case (.iterable, .string), (.iterable, .markup), (.iterable, .list), (.iterable, .tuple),
            (.iterable, .dictionary), (.iterable, .range), (.iterable, .undefined), (.iterable, .view),
            (.iterable, .iterator), (.iterable, .loop):
            true
        case (.callable, .macro), (.callable, .method), (.callable, .function), (.callable, .joiner),
            (.callable, .undefined), (.callable, .loop):
            true
        default: false
        }
    }
}

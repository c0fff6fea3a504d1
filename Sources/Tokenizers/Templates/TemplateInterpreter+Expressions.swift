extension TemplateInterpreter {
    func evaluate(_ expression: TemplateExpression, in scope: TemplateScope) throws(TemplateError) -> TemplateValue {
        do throws(TemplateError) {
            return try descend { () throws(TemplateError) in try value(of: expression, in: scope) }
        } catch {
            throw error.located(expression.position)
        }
    }

    private func evaluate(
        _ expressions: [TemplateExpression],
        in scope: TemplateScope
    ) throws(TemplateError) -> [TemplateValue] {
        var values: [TemplateValue] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression, in: scope)) }
        return values
    }

    private func value(of expression: TemplateExpression, in scope: TemplateScope) throws(TemplateError)
        -> TemplateValue
    {
        switch expression.kind {
        case .literal(let literal): return value(of: literal)
        case .name(let number): return variable(number, in: scope)
        case .tuple(let elements): return try tuple(try evaluate(elements, in: scope))
        case .list(let elements): return try list(try evaluate(elements, in: scope))
        case .dictionary(let entries): return try dictionary(entries, in: scope)
        case .attribute(let base, let name): return try attribute(name, of: try evaluate(base, in: scope))
        case .item(let base, let index):
            let value = try evaluate(base, in: scope)
            return try item(try evaluate(index, in: scope), of: value)
        case .slice(let base, let slice): return try self.slice(slice, of: try evaluate(base, in: scope), in: scope)
        case .call(let base, let arguments):
            let callee = try evaluate(base, in: scope)
            return try call(callee, try evaluate(arguments, in: scope))
        case .filter(let base, let filter): return try apply(filter, to: try evaluate(base, in: scope), in: scope)
        case .test(let base, let test):
            let value = try evaluate(base, in: scope)
            return .boolean(try check(test, on: value, try evaluate(test.arguments, in: scope)))
        case .not(let operand): return .boolean(!(try evaluate(operand, in: scope).isTrue))
        case .negative(let operand): return try negated(try evaluate(operand, in: scope))
        case .positive(let operand): return try signed(try evaluate(operand, in: scope))
        case .arithmetic(let first, let rest):
            var value = try evaluate(first, in: scope)
            for (operation, operand) in rest {
                value = try self.arithmetic(operation, value, try evaluate(operand, in: scope))
            }
            return value
        case .concatenation(let operands): return try concatenated(operands, in: scope)
        case .comparison(let first, let rest): return try compared(first, rest, in: scope)
        case .and(let operands): return try firstOperand(operands, thatIs: false, in: scope)
        case .or(let operands): return try firstOperand(operands, thatIs: true, in: scope)
        case .conditional(let test, let then, let otherwise):
            if try evaluate(test, in: scope).isTrue { return try evaluate(then, in: scope) }
            if let otherwise { return try evaluate(otherwise, in: scope) }
            return .undefined(TemplateUndefined("the conditional expression is false and has no 'else'"))
        case .namespaceReference: throw TemplateError("a namespace attribute outside of an assignment")
        }
    }

    private func value(of literal: TemplateLiteral) -> TemplateValue {
        switch literal {
        case .none: .none
        case .boolean(let value): .boolean(value)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        case .string(let text): .string(text)
        }
    }

    private func variable(_ number: Int, in scope: TemplateScope) -> TemplateValue {
        if let value = scope[number] { return value }
        let name = symbols.names[number]
        if let function = TemplateFunction(rawValue: name) { return .function(function) }
        return .undefined(TemplateUndefined("'\(name)' is undefined"))
    }

    private func dictionary(
        _ entries: [(key: TemplateExpression, value: TemplateExpression)],
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        var pairs: [(key: TemplateValue, value: TemplateValue)] = []
        pairs.reserveCapacity(entries.count)
        for entry in entries {
            let key = try evaluate(entry.key, in: scope)
            pairs.append((key, try evaluate(entry.value, in: scope)))
        }
        return try dictionary(pairs)
    }

    private func concatenated(
        _ operands: [TemplateExpression],
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        var output = ""
        for operand in operands {
            let part = try text(try evaluate(operand, in: scope))
            try chargeText(bytes: part.utf8.count)
            guard output.utf8.count + part.utf8.count <= limits.outputBytes else {
                throw TemplateError("a text longer than \(limits.outputBytes) bytes")
            }
            output += part
        }
        return .string(output)
    }

    private func firstOperand(
        _ operands: [TemplateExpression],
        thatIs truth: Bool,
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        var value = TemplateValue.none
        for operand in operands {
            value = try evaluate(operand, in: scope)
            if value.isTrue == truth { break }
        }
        return value
    }

    // MARK: Comparison

    private func compared(
        _ first: TemplateExpression,
        _ rest: [(comparison: TemplateComparison, operand: TemplateExpression)],
        in scope: TemplateScope
    ) throws(TemplateError) -> TemplateValue {
        var left = try evaluate(first, in: scope)
        for (comparison, operand) in rest {
            let right = try evaluate(operand, in: scope)
            guard try holds(comparison, left, right) else { return .boolean(false) }
            left = right
        }
        return .boolean(true)
    }

    func holds(
        _ comparison: TemplateComparison,
        _ left: TemplateValue,
        _ right: TemplateValue
    ) throws(TemplateError) -> Bool {
        switch comparison {
        case .equal: return try areEqual(left, right)
        case .notEqual: return try !areEqual(left, right)
        case .contained: return try contains(right, left)
        case .notContained: return try !contains(right, left)
        case .less, .lessOrEqual, .greater, .greaterOrEqual: break
        }
        try charge(min(left.weight, right.weight))
        guard let order = try TemplateValue.order(left, right) else { return false }
        switch comparison {
        case .less: return order < 0
        case .lessOrEqual: return order <= 0
        case .greater: return order > 0
        default: return order >= 0
        }
    }

    func areEqual(_ left: TemplateValue, _ right: TemplateValue) throws(TemplateError) -> Bool {
        try charge(min(left.weight, right.weight))
        return left.equals(right)
    }

    /// `value in container`.
    func contains(_ container: TemplateValue, _ value: TemplateValue) throws(TemplateError) -> Bool {
        switch container {
        case .string(let text), .markup(let text):
            guard let part = value.text else {
                throw TemplateError("'in <string>' needs a string on the left, not '\(value.typeName)'")
            }
            try charge(container.weight + value.weight)
            return PythonText.contains(text, part)
        case .dictionary(let dictionary):
            guard try isKey(value) else {
                throw TemplateError("a value of type '\(value.typeName)' is no dictionary key")
            }
            return dictionary[value] != nil
        case .range(let range):
            guard let number = value.number, let whole = Int(exactly: number), range.count > 0 else { return false }
            let (low, high) = (min(range.start, range[range.count - 1]), max(range.start, range[range.count - 1]))
            return whole >= low && whole <= high && (whole - range.start) % range.step == 0
        case .iterator(let iterator):
            while let element = iterator.next() {
                if try areEqual(element, value) { return true }
            }
            return false
        default:
            for element in try elements(of: container) where try areEqual(element, value) { return true }
            return false
        }
    }

    // MARK: Iteration

    /// Everything that iterating over a value yields; an iterator is used up by it.
    func elements(of value: TemplateValue) throws(TemplateError) -> [TemplateValue] {
        switch value {
        case .list(let items), .tuple(let items): return items.elements
        case .undefined: return []
        case .string(let text), .markup(let text):
            try chargeElements(text.utf8.count)
            return text.unicodeScalars.map { .string(String($0)) }
        case .dictionary(let dictionary):
            try chargeElements(dictionary.entries.count)
            return dictionary.entries.map(\.key)
        case .view(let view):
            try chargeElements(view.dictionary.entries.count * 3)
            return view.elements
        case .range(let range):
            try chargeElements(range.count)
            return (0..<range.count).map { .integer(range[$0]) }
        case .iterator(let iterator):
            let rest = iterator.rest()
            try chargeElements(rest.count)
            return rest
        default: throw TemplateError("a value of type '\(value.typeName)' cannot be iterated over")
        }
    }

    /// Python's `len`.
    func count(of value: TemplateValue) throws(TemplateError) -> Int {
        switch value {
        case .undefined: return 0
        case .string(let text), .markup(let text):
            try chargePass(text.utf8.count)
            return PythonText.count(text)
        case .list(let items), .tuple(let items): return items.elements.count
        case .dictionary(let dictionary): return dictionary.entries.count
        case .view(let view): return view.dictionary.entries.count
        case .range(let range): return range.count
        case .loop(let loop):
            guard case .integer(let count)? = try attribute("length", of: loop) else { return 0 }
            return count
        default: throw TemplateError("a value of type '\(value.typeName)' has no length")
        }
    }
}

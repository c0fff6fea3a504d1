/// Finds filters and tests that do not exist before anything is rendered.
///
/// As in Jinja, the branches of a conditional may name what does not exist as long as they are not taken, so that a
/// template can ask whether a filter is there; everywhere else it is an error of the template.
struct TemplateChecker {
    static func check(_ body: [TemplateStatement]) throws(TemplateError) {
        for statement in body { try check(statement, isGuarded: false) }
    }

    private static func check(_ body: [TemplateStatement], isGuarded: Bool) throws(TemplateError) {
        for statement in body { try check(statement, isGuarded: isGuarded) }
    }

    private static func check(_ statement: TemplateStatement, isGuarded: Bool) throws(TemplateError) {
        switch statement.kind {
        case .text, .breakLoop, .continueLoop: break
        case .output(let value): try check(value, isGuarded)
        case .conditional(let branches, let otherwise):
            for branch in branches {
                try check(branch.test, true)
                try check(branch.body, isGuarded: true)
            }
            try check(otherwise, isGuarded: true)
        case .loop(let loop):
            try check(loop.iterable, isGuarded)
            if let test = loop.test { try check(test, false) }
            try check(loop.body, isGuarded: false)
            try check(loop.otherwise, isGuarded: false)
        case .set(_, let value): try check(value, isGuarded)
        case .setBlock(_, let filters, let body), .filterBlock(let filters, let body):
            try check(filters, false)
            try check(body, isGuarded: false)
        case .macro(let macro): try check(macro)
        case .callBlock(let call, let caller):
            try check(call, isGuarded)
            try check(caller)
        case .with(let bindings, let body):
            for binding in bindings { try check(binding.value, isGuarded) }
            try check(body, isGuarded: false)
        case .scope(let body): try check(body, isGuarded: false)
        }
    }

    private static func check(_ macro: TemplateMacroDefinition) throws(TemplateError) {
        for parameter in macro.parameters {
            if let fallback = parameter.fallback { try check(fallback, false) }
        }
        try check(macro.body, isGuarded: false)
    }

    private static func check(_ filters: [TemplateFilterCall], _ isGuarded: Bool) throws(TemplateError) {
        for filter in filters {
            if filter.filter == nil, !isGuarded {
                throw TemplateError("there is no filter '\(filter.name)'", at: filter.position)
            }
            for argument in filter.arguments.expressions { try check(argument, isGuarded) }
        }
    }

    private static func check(_ expressions: [TemplateExpression], _ isGuarded: Bool) throws(TemplateError) {
        for expression in expressions { try check(expression, isGuarded) }
    }

    private static func check(_ expression: TemplateExpression, _ isGuarded: Bool) throws(TemplateError) {
        switch expression.kind {
        case .literal, .name, .namespaceReference: break
        case .tuple(let elements), .list(let elements), .concatenation(let elements), .and(let elements),
            .or(let elements):
            try check(elements, isGuarded)
        case .dictionary(let entries): try check(entries.flatMap { [$0.key, $0.value] }, isGuarded)
        case .attribute(let base, _), .not(let base), .negative(let base), .positive(let base):
            try check(base, isGuarded)
        case .item(let base, let index): try check([base, index], isGuarded)
        case .slice(let base, let slice):
            try check([base] + [slice.start, slice.stop, slice.step].compactMap { $0 }, isGuarded)
        case .call(let base, let arguments): try check([base] + arguments.expressions, isGuarded)
        case .filter(let base, let filter):
            try check(base, isGuarded)
            try check([filter], isGuarded)
        case .test(let base, let test):
            try check(base, isGuarded)
            if test.test == nil, !isGuarded {
                throw TemplateError("there is no test '\(test.name)'", at: expression.position)
            }
            try check(test.arguments.expressions, isGuarded)
        case .arithmetic(let first, let rest): try check([first] + rest.map(\.operand), isGuarded)
        case .comparison(let first, let rest): try check([first] + rest.map(\.operand), isGuarded)
        case .conditional(let test, let then, let otherwise):
            try check([test, then] + (otherwise.map { [$0] } ?? []), true)
        }
    }
}

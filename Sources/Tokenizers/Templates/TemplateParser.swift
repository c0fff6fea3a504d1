/// Builds the tree of a template: blocks here, expressions in an extension.
struct TemplateParser {
    var tokens: [TemplateToken]
    var index = 0
    var symbols = TemplateSymbols()
    let limits: TemplateLimits
    /// Levels of syntax being read; bounds this parser's own stack.
    var depth = 0
    /// Loops that `break` and `continue` may leave: macros start anew.
    private var openLoops = 0
    /// Loops around, macros or not: their `loop` cannot be assigned to.
    private var enclosingLoops = 0
    /// Macros being read, with which of their special names their bodies mention.
    var openMacros: [MacroUse] = []

    struct MacroUse {
        var caller = false
        var extraPositional = false
        var extraNamed = false
    }

    /// - Throws: ``TemplateError`` with the place.
    /// - Complexity: O(bytes).
    static func parse(
        _ source: String,
        limits: TemplateLimits
    ) throws(TemplateError) -> (body: [TemplateStatement], symbols: TemplateSymbols) {
        guard source.utf8.count <= limits.sourceBytes else {
            throw TemplateError("the source is \(source.utf8.count) bytes long; at most \(limits.sourceBytes) are read")
        }
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source), limits: limits)
        let body = try parser.statements(until: [], of: nil)
        try TemplateChecker.check(body)
        return (body, parser.symbols)
    }

    private init(tokens: [TemplateToken], limits: TemplateLimits) {
        self.tokens = tokens
        self.limits = limits
    }

    // MARK: Tokens

    /// The last token is `.end` and is never passed.
    var current: TemplateToken { tokens[index] }
    var following: TemplateToken { tokens[min(index + 1, tokens.count - 1)] }

    mutating func advance() {
        if index < tokens.count - 1 { index += 1 }
    }

    func isName(_ name: String) -> Bool { current.kind == .name(name) }
    func isSymbol(_ symbol: TemplateToken.Symbol) -> Bool { current.kind == .symbol(symbol) }

    mutating func skip(_ symbol: TemplateToken.Symbol) -> Bool {
        guard isSymbol(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ symbol: TemplateToken.Symbol) throws(TemplateError) {
        guard skip(symbol) else { throw unexpected("'\(symbol.rawValue)'") }
    }

    mutating func expect(name: String) throws(TemplateError) {
        guard skip(name: name) else { throw unexpected("'\(name)'") }
    }

    mutating func expectName() throws(TemplateError) -> String {
        guard case .name(let name) = current.kind else { throw unexpected("a name") }
        advance()
        return name
    }

    mutating func expectKind(_ kind: TemplateToken.Kind, _ spelling: String) throws(TemplateError) {
        guard current.kind == kind else { throw unexpected("'\(spelling)'") }
        advance()
    }

    func unexpected(_ wanted: String) -> TemplateError {
        TemplateError("expected \(wanted), found '\(current.spelling)'", at: current.position)
    }

    /// Runs `body` one level deeper.
    mutating func descend<Result>(
        _ body: (inout TemplateParser) throws(TemplateError) -> Result
    ) throws(TemplateError) -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= limits.syntaxDepth else {
            throw TemplateError("nested deeper than \(limits.syntaxDepth) levels", at: current.position)
        }
        return try body(&self)
    }

    // MARK: Blocks

    /// Statements up to the first tag named in `ends`, whose name becomes the current token (its `{%` is consumed).
    private mutating func statements(
        until ends: [String],
        of opener: TemplateToken?
    ) throws(TemplateError) -> [TemplateStatement] {
        var body: [TemplateStatement] = []
        while true {
            let position = current.position
            switch current.kind {
            case .end:
                guard let opener else { return body }
                throw TemplateError(
                    "'\(opener.spelling)' is not closed; add '{% \(ends.last ?? "") %}'",
                    at: opener.position
                )
            case .data(let text):
                advance()
                body.append(TemplateStatement(kind: .text(text), position: position))
            case .variableBegin:
                advance()
                let value = try tupleOrExpression()
                try expectKind(.variableEnd, "}}")
                body.append(TemplateStatement(kind: .output(value), position: position))
            case .blockBegin:
                advance()
                if case .name(let name) = current.kind, ends.contains(name) { return body }
                let tag = current
                let kinds = try descend { parser throws(TemplateError) in try parser.statement() }
                body.append(contentsOf: kinds.map { TemplateStatement(kind: $0, position: tag.position) })
                try expectKind(.blockEnd, "%}")
            default:
                throw unexpected("text or a tag")
            }
        }
    }

    /// The body of the tag `opener` up to one of `ends`, which is returned (and consumed).
    private mutating func body(
        of opener: TemplateToken,
        until ends: String...
    ) throws(TemplateError) -> (statements: [TemplateStatement], end: String) {
        _ = skip(.colon)
        try expectKind(.blockEnd, "%}")
        let body = try statements(until: ends, of: opener)
        return (body, try expectName())
    }

    private mutating func statement() throws(TemplateError) -> [TemplateStatement.Kind] {
        let tag = current
        let name = try expectName()
        switch name {
        case "if": return [try conditional(tag)]
        case "for": return [try loop(tag)]
        case "set": return [try assignment(tag)]
        case "macro": return [try macro(tag)]
        case "call": return [try callBlock(tag)]
        case "filter":
            let filters = try filterChain()
            return [.filterBlock(filters, body: try body(of: tag, until: "endfilter").statements)]
        case "with": return [try with(tag)]
        case "generation":
            return [.scope(try macroBody(tag, until: "endgeneration").body)]
        case "print":
            var outputs: [TemplateStatement.Kind] = []
            while current.kind != .blockEnd {
                if !outputs.isEmpty { try expect(.comma) }
                outputs.append(.output(try expression()))
            }
            return outputs
        case "break", "continue":
            guard openLoops > 0 else { throw TemplateError("'\(name)' outside of a loop", at: tag.position) }
            return [name == "break" ? .breakLoop : .continueLoop]
        case "block", "extends", "include", "import", "from", "autoescape":
            throw TemplateError("the tag '\(name)' is not supported: chat templates stand alone", at: tag.position)
        default:
            throw TemplateError("unknown tag '\(name)'", at: tag.position)
        }
    }

    private mutating func conditional(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        var branches: [(test: TemplateExpression, body: [TemplateStatement])] = []
        while true {
            let test = try tupleOrExpression(allowsConditional: false)
            let (statements, end) = try body(of: tag, until: "elif", "else", "endif")
            branches.append((test, statements))
            switch end {
            case "elif": continue
            case "else":
                let otherwise = try body(of: tag, until: "endif").statements
                return .conditional(branches: branches, otherwise: otherwise)
            default:
                return .conditional(branches: branches, otherwise: [])
            }
        }
    }

    private mutating func loop(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        enclosingLoops += 1
        defer { enclosingLoops -= 1 }
        let target = try target(allowsNamespace: false)
        try expect(name: "in")
        let iterable = try tupleOrExpression(allowsConditional: false)
        let test = skip(name: "if") ? try expression() : nil
        let isRecursive = skip(name: "recursive")
        openLoops += 1
        let (statements, end) = try body(of: tag, until: "else", "endfor")
        openLoops -= 1
        let otherwise = end == "else" ? try body(of: tag, until: "endfor").statements : []
        return .loop(
            TemplateForLoop(
                target: target,
                iterable: iterable,
                test: test,
                isRecursive: isRecursive,
                body: statements,
                otherwise: otherwise
            )
        )
    }

    private mutating func assignment(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        let target = try target(allowsNamespace: true)
        if skip(.assign) { return .set(target, try tupleOrExpression()) }
        var filters: [TemplateFilterCall] = []
        if skip(.pipe) { filters = try filterChain() }
        return .setBlock(target, filters: filters, body: try body(of: tag, until: "endset").statements)
    }

    private mutating func with(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        var bindings: [(target: TemplateTarget, value: TemplateExpression)] = []
        while current.kind != .blockEnd {
            if !bindings.isEmpty { try expect(.comma) }
            let target = try target(allowsNamespace: false, mayBeLoop: true)
            try expect(.assign)
            bindings.append((target, try expression()))
        }
        return .with(bindings, body: try body(of: tag, until: "endwith").statements)
    }

    // MARK: Macros

    private mutating func macro(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        let name = try expectName()
        let parameters = try signature()
        _ = symbols.number(of: name)
        let (body, use) = try macroBody(tag, until: "endmacro")
        return .macro(try definition(name, parameters, body, use, at: tag))
    }

    private mutating func callBlock(_ tag: TemplateToken) throws(TemplateError) -> TemplateStatement.Kind {
        let parameters = isSymbol(.leftParenthesis) ? try signature() : []
        let call = try expression()
        guard case .call = call.kind else {
            throw TemplateError("a call block needs a call, such as '{% call name(…) %}'", at: call.position)
        }
        let (body, use) = try macroBody(tag, until: "endcall")
        return .callBlock(call: call, caller: try definition("caller", parameters, body, use, at: tag))
    }

    private mutating func macroBody(
        _ tag: TemplateToken,
        until end: String
    ) throws(TemplateError) -> (body: [TemplateStatement], use: MacroUse) {
        let outerLoops = openLoops
        openLoops = 0
        openMacros.append(MacroUse())
        defer { openLoops = outerLoops }
        let statements = try body(of: tag, until: end).statements
        return (statements, openMacros.popLast() ?? MacroUse())
    }

    private func definition(
        _ name: String,
        _ parameters: [(symbol: Int, name: String, fallback: TemplateExpression?)],
        _ body: [TemplateStatement],
        _ use: MacroUse,
        at tag: TemplateToken
    ) throws(TemplateError) -> TemplateMacroDefinition {
        if use.caller, let explicit = parameters.first(where: { $0.name == "caller" }), explicit.fallback == nil {
            throw TemplateError("the parameter 'caller' must be left out or given a default", at: tag.position)
        }
        return TemplateMacroDefinition(
            name: name,
            parameters: parameters,
            body: body,
            usesCaller: use.caller && !parameters.contains { $0.name == "caller" },
            usesExtraPositional: use.extraPositional && !parameters.contains { $0.name == "varargs" },
            usesExtraNamed: use.extraNamed && !parameters.contains { $0.name == "kwargs" }
        )
    }

    private mutating func signature() throws(TemplateError) -> [(
        symbol: Int, name: String, fallback: TemplateExpression?
    )] {
        var parameters: [(symbol: Int, name: String, fallback: TemplateExpression?)] = []
        try expect(.leftParenthesis)
        while !isSymbol(.rightParenthesis) {
            if !parameters.isEmpty { try expect(.comma) }
            let position = current.position
            let name = try expectName()
            guard !parameters.contains(where: { $0.name == name }) else {
                throw TemplateError("the parameter '\(name)' appears twice", at: position)
            }
            var fallback: TemplateExpression?
            if skip(.assign) {
                fallback = try expression()
            } else if let last = parameters.last, last.fallback != nil {
                throw TemplateError(
                    "the parameter '\(name)' without a default follows one with a default",
                    at: position
                )
            }
            parameters.append((symbols.number(of: name), name, fallback))
        }
        advance()
        return parameters
    }

    // MARK: Targets

    /// What stands left of `=`, or between `for` and `in`.
    private mutating func target(
        allowsNamespace: Bool,
        mayBeLoop: Bool = false
    ) throws(TemplateError) -> TemplateTarget {
        let expression = try tupleOrExpression(
            primariesOnly: true,
            allowsNamespace: allowsNamespace
        )
        return try target(expression, mayBeLoop: mayBeLoop || enclosingLoops == 0)
    }

    private func target(
        _ expression: TemplateExpression,
        mayBeLoop: Bool
    ) throws(TemplateError) -> TemplateTarget {
        switch expression.kind {
        case .name(TemplateSymbols.loop) where !mayBeLoop:
            throw TemplateError("cannot assign to 'loop' in a loop", at: expression.position)
        case .name(let symbol): return .name(symbol)
        case .namespaceReference(let name, let attribute): return .attribute(namespace: name, name: attribute)
        case .tuple(let elements):
            var targets: [TemplateTarget] = []
            for element in elements { targets.append(try target(element, mayBeLoop: mayBeLoop)) }
            return .tuple(targets)
        default: throw TemplateError("cannot assign to this; only names and tuples of names", at: expression.position)
        }
    }
}

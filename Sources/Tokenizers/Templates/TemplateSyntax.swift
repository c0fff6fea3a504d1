/// A constant as the source spells it.
enum TemplateLiteral: Sendable {
    case none
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
}

enum TemplateOperator: Sendable {
    case add, subtract, multiply, divide, floorDivide, modulo, power
}

enum TemplateComparison: Sendable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual, contained, notContained
}

/// An expression. Chains of operators of one level are kept flat, so that depth grows only with real nesting.
struct TemplateExpression: Sendable {
    indirect enum Kind: Sendable {
        case literal(TemplateLiteral)
        /// A variable, by its number in the template's table of names.
        case name(Int)
        case tuple([TemplateExpression])
        case list([TemplateExpression])
        case dictionary([(key: TemplateExpression, value: TemplateExpression)])
        case attribute(TemplateExpression, String)
        case item(TemplateExpression, TemplateExpression)
        case slice(TemplateExpression, TemplateSlice)
        case call(TemplateExpression, TemplateCallArguments)
        case filter(TemplateExpression, TemplateFilterCall)
        case test(TemplateExpression, TemplateTestCall)
        case not(TemplateExpression)
        case negative(TemplateExpression)
        case positive(TemplateExpression)
        case arithmetic(TemplateExpression, [(operation: TemplateOperator, operand: TemplateExpression)])
        case concatenation([TemplateExpression])
        case comparison(TemplateExpression, [(comparison: TemplateComparison, operand: TemplateExpression)])
        case and([TemplateExpression])
        case or([TemplateExpression])
        case conditional(test: TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
        /// `namespace.attribute` on the left of an assignment.
        case namespaceReference(name: Int, attribute: String)
    }

    let kind: Kind
    let position: TemplatePosition
    /// Levels of the tree below and including this node.
    let depth: Int
}

struct TemplateSlice: Sendable {
    var start: TemplateExpression?
    var stop: TemplateExpression?
    var step: TemplateExpression?
}

struct TemplateCallArguments: Sendable {
    var positional: [TemplateExpression] = []
    var named: [(name: String, value: TemplateExpression)] = []
    var unpackedList: TemplateExpression?
    var unpackedDictionary: TemplateExpression?

    var expressions: [TemplateExpression] {
        positional + named.map(\.value) + [unpackedList, unpackedDictionary].compactMap { $0 }
    }
}

struct TemplateFilterCall: Sendable {
    let name: String
    /// Nil when no such filter is known: an error where it is used (see `TemplateChecker`).
    let filter: TemplateFilter?
    let arguments: TemplateCallArguments
    let position: TemplatePosition
}

struct TemplateTestCall: Sendable {
    let name: String
    let test: TemplateTest?
    let arguments: TemplateCallArguments
}

/// What an assignment or a loop binds.
indirect enum TemplateTarget: Sendable {
    case name(Int)
    case tuple([TemplateTarget])
    case attribute(namespace: Int, name: String)
}

struct TemplateStatement: Sendable {
    indirect enum Kind: Sendable {
        case text(String)
        case output(TemplateExpression)
        case conditional(
            branches: [(test: TemplateExpression, body: [TemplateStatement])],
            otherwise: [TemplateStatement]
        )
        case loop(TemplateForLoop)
        case set(TemplateTarget, TemplateExpression)
        case setBlock(TemplateTarget, filters: [TemplateFilterCall], body: [TemplateStatement])
        case macro(TemplateMacroDefinition)
        case callBlock(call: TemplateExpression, caller: TemplateMacroDefinition)
        case filterBlock([TemplateFilterCall], body: [TemplateStatement])
        case with([(target: TemplateTarget, value: TemplateExpression)], body: [TemplateStatement])
        /// A block that only opens a scope: `generation`.
        case scope([TemplateStatement])
        case breakLoop
        case continueLoop
    }

    let kind: Kind
    let position: TemplatePosition
}

/// `{% for target in iterable if test %}`. A class, because a recursive loop refers to itself while it runs.
final class TemplateForLoop: Sendable {
    let target: TemplateTarget
    let iterable: TemplateExpression
    let test: TemplateExpression?
    let isRecursive: Bool
    let body: [TemplateStatement]
    let otherwise: [TemplateStatement]

    init(
        target: TemplateTarget,
        iterable: TemplateExpression,
        test: TemplateExpression?,
        isRecursive: Bool,
        body: [TemplateStatement],
        otherwise: [TemplateStatement]
    ) {
        self.target = target
        self.iterable = iterable
        self.test = test
        self.isRecursive = isRecursive
        self.body = body
        self.otherwise = otherwise
    }
}

final class TemplateMacroDefinition: Sendable {
    let name: String
    let parameters: [(symbol: Int, name: String, fallback: TemplateExpression?)]
    let body: [TemplateStatement]
    /// Whether the body mentions `caller`, `varargs`, `kwargs`: only then are they accepted.
    let usesCaller: Bool
    let usesExtraPositional: Bool
    let usesExtraNamed: Bool

    init(
        name: String,
        parameters: [(symbol: Int, name: String, fallback: TemplateExpression?)],
        body: [TemplateStatement],
        usesCaller: Bool,
        usesExtraPositional: Bool,
        usesExtraNamed: Bool
    ) {
        self.name = name
        self.parameters = parameters
        self.body = body
        self.usesCaller = usesCaller
        self.usesExtraPositional = usesExtraPositional
        self.usesExtraNamed = usesExtraNamed
    }
}

/// Names of variables, numbered in the order of their first appearance.
struct TemplateSymbols: Sendable {
    private(set) var names: [String] = []
    private var numbers: [String: Int] = [:]

    static let loop = 0
    static let caller = 1
    static let extraPositional = 2
    static let extraNamed = 3

    init() {
        for name in ["loop", "caller", "varargs", "kwargs"] { _ = number(of: name) }
    }

    mutating func number(of name: String) -> Int {
        if let number = numbers[name] { return number }
        numbers[name] = names.count
        names.append(name)
        return names.count - 1
    }

    func known(_ name: String) -> Int? { numbers[name] }
}

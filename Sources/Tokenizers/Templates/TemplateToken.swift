/// A token of the template language.
struct TemplateToken: Equatable {
    enum Kind: Equatable {
        case data(String)
        case blockBegin, blockEnd, variableBegin, variableEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        case symbol(Symbol)
        case end
    }

    enum Symbol: String {
        case add = "+"
        case subtract = "-"
        case divide = "/"
        case floorDivide = "//"
        case multiply = "*"
        case modulo = "%"
        case power = "**"
        case tilde = "~"
        case leftBracket = "["
        case rightBracket = "]"
        case leftParenthesis = "("
        case rightParenthesis = ")"
        case leftBrace = "{"
        case rightBrace = "}"
        case equal = "=="
        case notEqual = "!="
        case greater = ">"
        case greaterOrEqual = ">="
        case less = "<"
        case lessOrEqual = "<="
        case assign = "="
        case dot = "."
        case colon = ":"
        case pipe = "|"
        case comma = ","
        case semicolon = ";"
    }

    let kind: Kind
    let position: TemplatePosition

    /// For messages.
    var spelling: String {
        switch kind {
        case .data: "text"
        case .blockBegin: "{%"
        case .blockEnd: "%}"
        case .variableBegin: "{{"
        case .variableEnd: "}}"
        case .name(let name): name
        case .string(let value): "\"\(value.prefix(40))\""
        case .integer(let value): String(value)
        case .float(let value): "\(value)"
        case .symbol(let symbol): symbol.rawValue
        case .end: "end of template"
        }
    }
}

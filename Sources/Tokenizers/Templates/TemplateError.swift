/// Why a chat template cannot be read or rendered, and where.
package struct TemplateError: Error, Equatable, CustomStringConvertible {
    package var message: String
    /// 1-based; 0 when the fault belongs to no place in the source.
    package var line: Int
    /// 1-based, in bytes of UTF-8; 0 when the fault belongs to no place in the source.
    package var column: Int
    /// The template itself refused the conversation with `raise_exception`: the message is its text, for the user.
    package var isRaised: Bool

    package init(_ message: String, line: Int = 0, column: Int = 0, isRaised: Bool = false) {
        self.message = message
        self.line = line
        self.column = column
        self.isRaised = isRaised
    }

    init(_ message: String, at position: TemplatePosition) {
        self.init(message, line: Int(position.line), column: Int(position.column))
    }

    package var description: String {
        let subject = isRaised ? "the chat template refuses this conversation" : "chat template"
        return line > 0 ? "\(subject) (line \(line), column \(column)): \(message)" : "\(subject): \(message)"
    }

    /// The same error, placed where no inner construct has placed it already.
    func located(_ position: TemplatePosition) -> TemplateError {
        guard line == 0 else { return self }
        var copy = self
        copy.line = Int(position.line)
        copy.column = Int(position.column)
        return copy
    }
}

/// A place in the source: 1-based line and column (bytes).
struct TemplatePosition: Sendable, Equatable {
    var line: Int32
    var column: Int32
}

/// Bounds that hold whatever the template does; reaching one is a ``TemplateError``.
package struct TemplateLimits: Sendable {
    /// Bytes of template source.
    package var sourceBytes = 1 << 20
    /// Levels of syntax inside one another (expressions and blocks together).
    package var syntaxDepth = 80
    /// Levels being evaluated at once: syntax plus macro calls. Bounds the stack.
    package var evaluationDepth = 400
    /// Lists and dictionaries inside one another.
    package var valueDepth = 150
    /// Units of work, each well under a microsecond: one per construct evaluated or element handled, one per 16 to 256
    /// bytes of text worked through. A message of a conversation costs a few hundred.
    package var steps = 5_000_000
    /// Bytes of text and elements produced over the whole rendering, kept or not.
    package var allocatedBytes = 512 << 20
    /// Bytes of any one text, the output included.
    package var outputBytes = 16 << 20
    /// Elements that `range()` may count, as in Jinja's sandbox.
    package var rangeCount = 100_000

    package init() {}
}

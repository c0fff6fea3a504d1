import JSONText

/// A chat template: the Jinja text that turns a conversation into a model's prompt.
///
/// Understands what Hugging Face's `apply_chat_template` runs: Jinja2's expressions, statements, filters and tests in the
/// immutable sandbox, with `trim_blocks` and `lstrip_blocks`, loop controls, the `generation` block (transparent),
/// `raise_exception`, `strftime_now` and a `tojson` without HTML escapes. Templates that inherit from or include others
/// are refused.
///
/// A template is untrusted: whatever it says, rendering ends within ``TemplateLimits``.
package struct ChatTemplate: Sendable {
    private let body: [TemplateStatement]
    private let symbols: TemplateSymbols
    private let limits: TemplateLimits
    /// The text it was read from.
    package let source: String

    /// Reads a template.
    ///
    /// - Throws: ``TemplateError`` with the place, for what is no template or is beyond the limits.
    /// - Complexity: O(bytes).
    package init(source: String, limits: TemplateLimits = TemplateLimits()) throws(TemplateError) {
        (body, symbols) = try TemplateParser.parse(source, limits: limits)
        self.limits = limits
        self.source = source
    }

    /// Renders with the given variables.
    ///
    /// - Parameters:
    ///   - context: the variables by name.
    ///   - date: the moment that `strftime_now` formats; asked only when the template does.
    /// - Throws: ``TemplateError``; with `isRaised` when the template refused with `raise_exception`.
    package func render(
        _ context: JSON.Object,
        date: @escaping @Sendable () -> TemplateDate = TemplateDate.now
    ) throws(TemplateError) -> String {
        let interpreter = TemplateInterpreter(symbols: symbols, limits: limits, date: date)
        let globals = TemplateScope(parent: nil)
        for member in context.members {
            guard let symbol = symbols.known(member.key) else { continue }
            globals[symbol] = try TemplateValue(member.value, depth: limits.valueDepth)
        }
        return try interpreter.render(body, in: TemplateScope(parent: globals))
    }
}

/// One message of a conversation.
package struct ChatMessage: Sendable, Equatable {
    package var role: String
    package var content: String
    /// Further members of the message, such as `tool_calls`, `tool_call_id`, `name` or `reasoning_content`.
    package var extra: JSON.Object

    package init(role: String, content: String, extra: JSON.Object = JSON.Object()) {
        self.role = role
        self.content = content
        self.extra = extra
    }

    /// The message as templates see it.
    package var json: JSON {
        var object = JSON.Object([("role", .string(role)), ("content", .string(content))])
        for member in extra.members { object[member.key] = member.value }
        return .object(object)
    }
}

extension ChatTemplate {
    /// Renders a conversation.
    ///
    /// - Parameters:
    ///   - addGenerationPrompt: whether the prompt ends where the assistant is to go on.
    ///   - tools: an array of tool descriptions (JSON schema), or nil.
    ///   - extra: further variables, such as `enable_thinking`; they win over the ones above.
    ///   - date: the moment that `strftime_now` formats.
    package func render(
        messages: [ChatMessage],
        bosToken: String = "",
        eosToken: String = "",
        addGenerationPrompt: Bool = true,
        tools: JSON? = nil,
        extra: JSON.Object = JSON.Object(),
        date: @escaping @Sendable () -> TemplateDate = TemplateDate.now
    ) throws(TemplateError) -> String {
        var context = JSON.Object([
            ("messages", .array(messages.map(\.json))),
            ("tools", tools ?? .null),
            ("documents", .null),
            ("add_generation_prompt", .bool(addGenerationPrompt)),
            ("bos_token", .string(bosToken)),
            ("eos_token", .string(eosToken)),
        ])
        for member in extra.members { context[member.key] = member.value }
        return try render(context, date: date)
    }
}

extension TemplateValue {
    /// - Throws: for values nested deeper than `depth` levels.
    init(_ json: JSON, depth: Int) throws(TemplateError) {
        guard depth > 0 else { throw TemplateError("a variable is nested too deeply") }
        switch json {
        case .null: self = .none
        case .bool(let value): self = .boolean(value)
        case .integer(let value): self = .integer(Int(value))
        case .number(let value): self = .float(value)
        case .string(let text): self = .string(text)
        case .array(let elements):
            var values: [TemplateValue] = []
            values.reserveCapacity(elements.count)
            for element in elements { values.append(try TemplateValue(element, depth: depth - 1)) }
            self = .list(TemplateItems(values))
        case .object(let object):
            var pairs: [(key: TemplateValue, value: TemplateValue)] = []
            for member in object.members {
                pairs.append((.string(member.key), try TemplateValue(member.value, depth: depth - 1)))
            }
            self = .dictionary(TemplateDictionary(pairs))
        }
    }
}

/// What a question found in its session, and what it had to read.
public struct SessionReceipt: Sendable, Equatable {
    public var name = ""
    public var isNew = false
    /// Tokens of the prompt whose keys and values were stored already.
    public var reusedTokens = 0
    /// Of these, tokens that were taken over from another session.
    public var adoptedTokens = 0
    public var adoptedFrom: String?
    /// Tokens that were read now and are stored now.
    public var storedTokens = 0
    /// Tokens of the prompt.
    public var promptTokens = 0
    /// Why what was not reused was not there.
    public var misses: [String] = []
    /// Whether question and answer belong to the session now.
    public var isKept = false
}

/// An error that can say what to do about it.
///
/// The description names the offending thing in one line; the hint is one sentence or one command that helps.
public protocol HintedError: Error, CustomStringConvertible {
    var hint: String? { get }
    /// Whether what was asked for is no sensible request, whatever the files and the machine are like.
    var isUsage: Bool { get }
}

extension HintedError {
    public var hint: String? { nil }
    public var isUsage: Bool { false }
}

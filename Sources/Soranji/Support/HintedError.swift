/// An error that can say what to do about it.
///
/// The description names the offending thing in one line; the hint is one sentence or one command that helps.
public protocol HintedError: Error, CustomStringConvertible {
    var hint: String? { get }
}

extension HintedError {
    public var hint: String? { nil }
}

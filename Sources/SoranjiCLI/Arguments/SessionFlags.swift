import ArgumentParser
import JSONText
import Soranji

/// Whether a question is asked of a stored session.
struct SessionFlags: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Ask in a stored session, which is made when there is none: what it has read is not read again.",
            valueName: "name"
        )
    )
    var session: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Make question and answer a part of the session. Otherwise only documents and clips stay."
    )
    var keep = false

    func validate() throws {
        if session?.isEmpty == true { throw ValidationError("--session needs a name.") }
        if keep, session == nil { throw ValidationError("--keep needs --session.") }
    }
}

/// What a session did for a question.
struct SessionNote {
    var receipt: SessionReceipt
    var style: Style

    /// One line, and the reasons of what was not there.
    func lines(isVerbose: Bool) -> [String] {
        let read = receipt.promptTokens - receipt.reusedTokens
        var line =
            "session \(receipt.name): \(FixedPoint.grouped(receipt.reusedTokens)) of "
            + "\(FixedPoint.count(receipt.promptTokens, "token")) were there"
        if let other = receipt.adoptedFrom {
            line += " (\(FixedPoint.grouped(receipt.adoptedTokens)) taken over from \(other))"
        }
        line += ", \(FixedPoint.grouped(read)) read"
        if receipt.storedTokens > 0 { line += ", \(FixedPoint.grouped(receipt.storedTokens)) stored" }
        var lines = [style.dim(line)]
        if isVerbose { lines += receipt.misses.map { style.dim("  not reused: \($0)") } }
        return lines
    }

    static func json(_ receipt: SessionReceipt) -> JSON {
        [
            "name": .string(receipt.name), "new": .bool(receipt.isNew), "kept": .bool(receipt.isKept),
            "prompt_tokens": .integer(Int64(receipt.promptTokens)),
            "reused_tokens": .integer(Int64(receipt.reusedTokens)),
            "adopted_tokens": .integer(Int64(receipt.adoptedTokens)),
            "adopted_from": receipt.adoptedFrom.map(JSON.string) ?? .null,
            "stored_tokens": .integer(Int64(receipt.storedTokens)),
            "misses": .array(receipt.misses.map(JSON.string)),
        ]
    }
}

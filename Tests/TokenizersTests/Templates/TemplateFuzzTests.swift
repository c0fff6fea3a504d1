import JSONText
import Testing

@testable import Tokenizers

/// Damaged templates: 3,000 of them, the same in every run.
struct TemplateFuzzTests {
    /// xorshift64*.
    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    private static let fragments = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", "|", ".", ",", ":",
        "~", "*", "**", "//", "%", "==", "<", "=", " is ", " in ", " not ", " and ", " if ", " else ", "for", "endfor",
        "if", "endif", "set", "macro", "call", "loop", "namespace()", "range(99999)", "9223372036854775807", "-1",
        "1e308",
        "''", "none", "messages", "|list", "|tojson", "|join", "|sort", "|map(", "[::-1]", "é", "🦊", "\n", " ", "raw",
    ]

    private func damaged(_ source: String, _ random: inout Random) -> String {
        var bytes = Array(source.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 0...24, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes.removeSubrange(place..<end)
            case 1: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 2: bytes.insert(UInt8.random(in: 0x20...0x7E, using: &random), at: place)
            case 3:
                bytes.replaceSubrange(place..<end, with: Self.fragments.randomElement(using: &random)?.utf8 ?? "".utf8)
            default: bytes.insert(contentsOf: Self.fragments.randomElement(using: &random)?.utf8 ?? "".utf8, at: place)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Five shares, so that they run side by side.
    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func damagedTemplatesEnd(_ share: UInt64) throws {
        var random = Random(state: 0x9E37_79B9_7F4A_7C15 &* share)
        let fixture = try Fixture.json("templates/expressions.json")
        let context = try #require(fixture["context"]?.objectValue)
        let small = try #require(fixture["cases"]?.arrayValue).compactMap { $0["template"]?.stringValue }
        let large = try TemplateFixture.models.map { try TemplateFixture.template($0) }
        let conversations = try #require(try Fixture.json("templates/conversations.json").objectValue)
        let contexts = conversations.members.compactMap { $0.value.objectValue }
        var limits = TemplateLimits()
        limits.steps = 50_000
        limits.outputBytes = 1 << 20
        var (rendered, refused) = (0, 0)
        for number in 0..<600 {
            let isLarge = number % 3 == 0
            let source = damaged(try #require((isLarge ? large : small).randomElement(using: &random)), &random)
            let variables = isLarge ? try #require(contexts.randomElement(using: &random)) : context
            let start = ContinuousClock.now
            do throws(TemplateError) {
                let output = try TemplateFixture.render(source, variables, limits: limits)
                #expect(output.utf8.count <= limits.outputBytes)
                rendered += 1
            } catch {
                let lines = source.split(omittingEmptySubsequences: false) { $0.isNewline }.count
                #expect(!error.message.isEmpty && (0...lines).contains(error.line), "\(error)")
                refused += 1
            }
            #expect(ContinuousClock.now - start < .seconds(20), "slow: \(source.debugDescription)")
        }
        // Damage that changes nothing, or damage that nothing survives, would test nothing.
        #expect(rendered > 60 && refused > 60, "\(rendered) rendered, \(refused) refused")
    }
}

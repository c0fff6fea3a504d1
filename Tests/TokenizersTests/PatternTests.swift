import JSONText
import Testing

@testable import Tokenizers

/// Expressions against the pieces that Python's tokenizers cut, and scanners against expressions.
struct PatternTests {
    static func names() throws -> [String] { try #require(try Fixture.json("splits.json").objectValue).keys }

    private func pieces(_ steps: [PreTokenizer.Step], _ line: String) -> [Int] {
        var line = line
        return line.withUTF8 { buffer in
            var text = AlignedText(buffer, range: 0..<buffer.count, tracking: false)
            return PreTokenizer(steps: steps).words(of: &text).map(\.count)
        }
    }

    private func lines(for name: String) throws -> [String] {
        let lines = try Fixture.strings("lines.json")
        return name.hasPrefix("x-") ? lines : stride(from: 0, to: lines.count, by: 3).map { lines[$0] }
    }

    @Test(arguments: try names())
    func expressionsCutAsPythonDoes(_ name: String) throws {
        let values = try #require(try Fixture.json("splits.json")[name]?.arrayValue)
        let sources = try values.map { try #require($0.stringValue) }
        let steps: [PreTokenizer.Step] = try sources.map {
            .split(.pattern(try Pattern($0)), .isolated, isInverted: false)
        }
        let lines = try lines(for: name)
        let expected = try Fixture.lengths("splits/\(name).txt")
        Fixture.compare(lines, expected, name) { pieces(steps, $0) }
        guard let known = GGUFPreTokenizers.named(name) else {
            #expect(name.hasPrefix("x-"), "\(name) is no name of a pre-tokenizer")
            return
        }
        let named = try known.preTokenizer(file: TokenizerFile(name: name)).steps
        Fixture.compare(lines, expected, "\(name) by its name") { pieces(named, $0) }
    }

    @Test(arguments: KnownPatterns.scanners.keys.sorted())
    func scannersCutAsTheirExpressions(_ source: String) throws {
        let scanner = try #require(KnownPatterns.scanners[source])
        let pattern = try Pattern(source)
        var random = SeededGenerator(seed: 7)
        var inputs = try Fixture.strings("lines.json").map { Array($0.utf8) }
        // Ill-formed texts too: whole lines with bytes replaced.
        for line in inputs where !line.isEmpty {
            var changed = line
            changed[Int.random(in: 0..<line.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            inputs.append(changed)
        }
        let scanned: [PreTokenizer.Step] = [.split(.scanner(scanner), .isolated, isInverted: false)]
        let matched: [PreTokenizer.Step] = [.split(.pattern(pattern), .isolated, isInverted: false)]
        for input in inputs {
            let found = input.withUnsafeBufferPointer { buffer in
                [scanned, matched].map { steps in
                    var text = AlignedText(buffer, range: 0..<buffer.count, tracking: false)
                    return PreTokenizer(steps: steps).words(of: &text)
                }
            }
            #expect(found[0] == found[1], "\(String(decoding: input, as: UTF8.self))")
        }
    }

    @Test(arguments: [
        "(", ")", "a)", "[", "[a", "[z-a]", "*", "a{3,2}", "(?<x", "(?<=ab)", "\\", "\\p{", "\\p{Klingon}", "\\q",
        "(a*)*", "(?x)a",
        "a{1001}", "\\1", "(?=a)+", "[[:alpha:]]", "\\x{110000}", "(((a{900}){900}){900})",
        String(repeating: "(", count: 100), String(repeating: "[", count: 100), String(repeating: "a", count: 30_000),
    ])
    func unusableExpressionsAreRefused(_ source: String) throws {
        let error = #expect(throws: PatternError.self) { try Pattern(source) }
        #expect(error?.description.isEmpty == false)
    }

    @Test func hostileExpressionsEnd() throws {
        let text = Array((String(repeating: "a", count: 3000) + "b").utf8)
        for source in [
            "(a+)+$x", "(a|aa)+c", "(?:a?){300}a{300}c", "(.*)(.*)(.*)(.*)x", "(?=(a+)+c)a", "a*a*a*a*a*a*c",
        ] {
            let pattern = try Pattern(source)
            var covered = 0
            var budget = Pattern.budget(for: text.count)
            text.withUnsafeBufferPointer { buffer in
                pattern.forEachMatch(in: buffer, range: 0..<buffer.count, budget: &budget) { covered += $0.count }
            }
            #expect(covered <= text.count)
        }
    }

    @Test func behaviors() {
        let text = "a--b-c"
        func cut(_ behavior: PreTokenizer.Behavior, inverted: Bool = false) -> [Int] {
            pieces([.split(.literal([0x2D]), behavior, isInverted: inverted)], text)
        }
        #expect(cut(.isolated) == [1, 1, 1, 1, 1, 1])
        #expect(cut(.removed) == [1, 1, 1])
        #expect(cut(.contiguous) == [1, 2, 1, 1, 1])
        #expect(cut(.mergedWithPrevious) == [2, 1, 2, 1])
        #expect(cut(.mergedWithNext) == [1, 1, 2, 2])
        #expect(cut(.removed, inverted: true) == [1, 1, 1])
    }
}

/// A small generator with a seed, for tests that must repeat.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state &* 0x2545_F491_4F6C_DD1D
    }
}

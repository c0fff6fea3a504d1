import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Damaged files: an error or a tokenizer that works, never a trap, in bounded time.
///
/// `SORANJI_FUZZ=20` in the environment runs twenty times as many cases, with other seeds.
struct FuzzTests {
    private let rounds = Int(ProcessInfo.processInfo.environment["SORANJI_FUZZ"] ?? "") ?? 1

    private let texts = ["Hello, it's 2026!\n  <|im_start|>日本 é", "", " ", "\u{301}\u{0}👩‍👩‍👧", "<s>▁x</s> the end"]

    private func use(_ tokenizer: Tokenizer, _ random: inout SeededGenerator) {
        for text in texts {
            let ids = tokenizer.encode(text, addingSpecialTokens: true, parsingSpecialTokens: true)
            _ = tokenizer.decode(ids, skippingSpecialTokens: false)
            _ = tokenizer.encodeWithRanges(text, addingSpecialTokens: true, parsingSpecialTokens: false)
        }
        _ = tokenizer.encode([0xFF, 0x20, 0xC3], addingSpecialTokens: false, parsingSpecialTokens: false)
        let ids = (0..<8).map { _ in
            Int32(truncatingIfNeeded: random.next()) >> Int32.random(in: 0..<31, using: &random)
        }
        _ = tokenizer.decode(ids, skippingSpecialTokens: true)
    }

    /// Values that readers meet with surprise.
    private func surprise(_ random: inout SeededGenerator) -> JSON {
        let choices: [JSON] = [
            .null, true, 0, -1, 1, 255, 4096, .integer(.max), .integer(.min), 2_147_483_647, 0.5, 1e300, "", " ", "a",
            "a b",
            "\u{0}", "Sequence", "ByteLevel", "NFKC", "Metaspace", "(a*)*", "(?=a", "[^\\p{L}]+|.", "<|im_start|>", [],
            [[]],
            ["a", "b"], [1, 2], .object(JSON.Object()), ["type": "Strip"], ["Regex": "a+"], ["String": ""],
            .string(String(repeating: "▁", count: 2000)),
        ]
        return choices[Int.random(in: 0..<choices.count, using: &random)]
    }

    private func mutate(_ value: JSON, _ random: inout SeededGenerator) -> JSON {
        switch value {
        case .array(var elements) where !elements.isEmpty && random.next() % 8 != 0:
            let index = Int.random(in: 0..<elements.count, using: &random)
            switch random.next() % 6 {
            case 0: elements.remove(at: index)
            case 1: elements.append(elements[index])
            case 2: elements.swapAt(index, Int.random(in: 0..<elements.count, using: &random))
            default: elements[index] = mutate(elements[index], &random)
            }
            return .array(elements)
        case .object(var object) where object.count > 0 && random.next() % 8 != 0:
            let member = object.members[Int.random(in: 0..<object.count, using: &random)]
            switch random.next() % 6 {
            case 0: object[member.key] = nil
            case 1: object[member.key + "x"] = member.value
            default: object[member.key] = mutate(member.value, &random)
            }
            return .object(object)
        case .integer(let number) where random.next() % 2 == 0:
            return .integer(number &+ Int64.random(in: -3...3, using: &random))
        case .string(let text) where random.next() % 2 == 0 && !text.isEmpty:
            var scalars = Array(text.unicodeScalars)
            scalars[Int.random(in: 0..<scalars.count, using: &random)] =
                ["\\", "(", "*", "{", "0", "é", "\u{301}", " "][
                    Int.random(in: 0..<8, using: &random)
                ]
            var changed = String.UnicodeScalarView()
            changed.append(contentsOf: scalars)
            return .string(String(changed))
        default:
            return surprise(&random)
        }
    }

    /// Everything but the bulk of the vocabulary, so that mutations meet the interesting parts.
    private func shortened(_ name: String) throws -> JSON {
        guard case .object(var root) = try Fixture.json("\(name)/tokenizer.json"),
            case .object(var model)? = root["model"],
            let vocabulary = model["vocab"]?.objectValue, let merges = model["merges"]?.arrayValue
        else { throw Fixture.Malformed() }
        let members = vocabulary.members.filter { ($0.value.intValue ?? 0) < 420 }
        model["vocab"] = .object(JSON.Object(members.map { ($0.key, $0.value) }))
        let texts = Set(members.map(\.key))
        model["merges"] = .array(
            merges.filter { merge in
                let sides = merge.arrayValue?.compactMap(\.stringValue) ?? []
                return sides.count == 2 && texts.contains(sides[0]) && texts.contains(sides[1])
                    && texts.contains(sides[0] + sides[1])
            }
        )
        root["model"] = .object(model)
        return .object(root)
    }

    @Test(arguments: ["llama3", "falcon", "mixtral", "metaspace", "prefix"])
    func damagedTokenizerFiles(_ name: String) throws {
        let original = try shortened(name)
        #expect(throws: Never.self) { try Tokenizer.load(tokenizerJSON: Array(original.text().utf8)) }
        var random = SeededGenerator(seed: UInt64(name.utf8.count + rounds))
        var loaded = 0
        for _ in 0..<500 * rounds {
            var value = original
            for _ in 0...(random.next() % 4) { value = mutate(value, &random) }
            guard let tokenizer = try? Tokenizer.load(tokenizerJSON: Array(value.text().utf8)) else { continue }
            loaded += 1
            use(tokenizer, &random)
        }
        // Most damage is harmless, some is not; if either vanished, nothing would be tested.
        #expect(loaded > 50 && loaded < 500 * rounds)
        let bytes = Array(original.text().utf8)
        for _ in 0..<150 * rounds {
            var damaged = bytes
            for _ in 0...(random.next() % 3) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if random.next() % 4 == 0 { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
            if let tokenizer = try? Tokenizer.load(tokenizerJSON: damaged) { use(tokenizer, &random) }
        }
    }

    @Test(arguments: ["unigram", "spbpe"])
    func damagedSentencePieceModels(_ name: String) throws {
        let original = try Fixture.bytes("\(name)/tokenizer.model")
        var random = SeededGenerator(seed: UInt64(10 + rounds))
        var loaded = 0
        for _ in 0..<400 * rounds {
            var damaged = original
            for _ in 0...(random.next() % 3) {
                // The ends hold the pieces' beginning and the normalizer.
                let span = random.next() % 2 == 0 ? damaged.count : 600
                let place = Int.random(in: 0..<span, using: &random)
                let index = random.next() % 2 == 0 ? place : damaged.count - 1 - place
                damaged[index] = UInt8.random(in: 0...255, using: &random)
            }
            if random.next() % 8 == 0 { damaged.removeLast(Int.random(in: 0..<damaged.count, using: &random)) }
            guard let tokenizer = try? Tokenizer.load(tokenizerModel: damaged) else { continue }
            loaded += 1
            use(tokenizer, &random)
        }
        #expect(loaded > 10 && loaded < 400 * rounds)
    }

    @Test func damagedGGUFMetadata() throws {
        var random = SeededGenerator(seed: UInt64(12 + rounds))
        for path in ["spbpe/tokenizer.gguf.json", "spnoprefix/tokenizer.gguf.json"] {
            let original = try Fixture.json(path)
            for _ in 0..<150 * rounds {
                var value = original
                for _ in 0...(random.next() % 4) { value = mutate(value, &random) }
                if let tokenizer = try? Tokenizer.load(gguf: value) { use(tokenizer, &random) }
            }
        }
    }
}

import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Folders with their configuration files, and what is wrong with files.
struct LoadingTests {
    /// A folder with the given files, removed afterwards.
    private func withFolder<Result>(
        _ files: [String: [UInt8]],
        _ body: (String) throws -> Result
    ) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (name, bytes) in files { try Data(bytes).write(to: folder.appendingPathComponent(name)) }
        return try body(folder.path)
    }

    private func load(_ files: [String: [UInt8]]) throws -> Tokenizer {
        try withFolder(files) { try Tokenizer.load(folder: $0) }
    }

    @Test func configurationNamesTheSpecialTokens() throws {
        let configuration = """
            {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "pad_token": "<|endoftext|>",
             "add_bos_token": true, "chat_template": [{"name": "default", "template": "D"}, {"name": "rag", "template": "R"}]}
            """
        let tokenizer = try load([
            "tokenizer.json": try Fixture.bytes("gpt2/tokenizer.json"),
            "tokenizer_config.json": Array(configuration.utf8),
            "generation_config.json": Array(#"{"eos_token_id": [5, 7]}"#.utf8),
        ])
        #expect(tokenizer.bosText == "<|im_start|>" && tokenizer.eosText == "<|im_end|>")
        #expect(tokenizer.bosToken == 1 && tokenizer.eosToken == 2 && tokenizer.padToken == 0)
        #expect(tokenizer.endOfGenerationTokens == [0, 2, 5, 7])
        #expect(tokenizer.chatTemplate == "D" && tokenizer.namedChatTemplates == ["rag": "R"])
        #expect(tokenizer.encode("", addingSpecialTokens: true, parsingSpecialTokens: false) == [1])
        #expect(tokenizer.tokenID("<|im_end|>") == 2 && tokenizer.tokenID("<nothing>") == nil)
        #expect(tokenizer.isSpecial(2) && !tokenizer.isSpecial(300))
    }

    @Test func templateFilesCountMore() throws {
        let tokenizer = try load([
            "tokenizer.json": try Fixture.bytes("gpt2/tokenizer.json"),
            "tokenizer_config.json": Array(#"{"chat_template": "old"}"#.utf8),
            "chat_template.jinja": Array("new".utf8),
        ])
        #expect(tokenizer.chatTemplate == "new")
    }

    @Test func llamaClassOverridesThePostProcessor() throws {
        let files = ["tokenizer.json": try Fixture.bytes("llama3/tokenizer.json")]
        #expect(try load(files).encode("", addingSpecialTokens: true, parsingSpecialTokens: false) == [1])
        var changed = files
        let configuration =
            #"{"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": false, "bos_token": "<|im_start|>"}"#
        changed["tokenizer_config.json"] = Array(configuration.utf8)
        #expect(try load(changed).encode("", addingSpecialTokens: true, parsingSpecialTokens: false).isEmpty)
    }

    @Test func sentencePieceFolderWithAddedTokens() throws {
        let configuration = """
            {"bos_token": "<s>", "eos_token": "</s>", "added_tokens_decoder":
             {"9000": {"content": "<|extra|>", "special": true}, "6": {"content": "<think>", "special": true}}}
            """
        let model = try Fixture.bytes("spbpe/tokenizer.model")
        let plain = try load(["tokenizer.model": model])
        let think = try #require(plain.tokenID("<think>"))
        let tokenizer = try load([
            "tokenizer.model": model,
            "tokenizer_config.json": Array(configuration.replacingOccurrences(of: "\"6\"", with: "\"\(think)\"").utf8),
        ])
        #expect(tokenizer.vocabularySize == 9001)
        let text = "a<|extra|><think>"
        let read = tokenizer.encode(text, addingSpecialTokens: true, parsingSpecialTokens: true)
        #expect(read.first == tokenizer.bosToken && read.suffix(2) == [9000, think])
        // A user-defined piece is found in any text, until the configuration calls it special.
        #expect(plain.encode(text, addingSpecialTokens: false, parsingSpecialTokens: false).contains(think))
        let unread = tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: false)
        #expect(!unread.contains(think) && !unread.contains(9000))
        #expect(tokenizer.decode(unread, skippingSpecialTokens: false) == text)
        #expect(tokenizer.decode(read, skippingSpecialTokens: true) == "a")
        #expect(tokenizer.decode([9000, 8000], skippingSpecialTokens: false) == "<|extra|>\u{FFFD}")
    }

    @Test func userTextNeverMakesControlTokens() throws {
        for name in PropertyTests.all {
            let tokenizer = try Fixture.tokenizer(name)
            let special = Set(tokenizer.specialTokens.filter(\.isSpecial).map(\.id))
            for token in tokenizer.specialTokens where token.isSpecial && token.text != "<unk>" {
                for text in [token.text, "x" + token.text, token.text + token.text, " " + token.text + "\n"] {
                    let ids = tokenizer.encode(text, addingSpecialTokens: false, parsingSpecialTokens: false)
                    let made = ids.filter { special.contains($0) && $0 != tokenizer.tokenID("<unk>") }
                    #expect(made.isEmpty, "\(name): \(text)")
                }
            }
        }
    }

    @Test func harmonyEndsTurnsNotMessages() throws {
        let texts = ["a", "<|end|>", "<|return|>", "<|call|>", "<|endoftext|>"]
        let metadata: JSON = [
            "model": "gpt2", "pre": "gpt-4o", "tokens": .array(texts.map { .string($0) }), "merges": [],
            "token_type": [1, 3, 3, 3, 3],
        ]
        #expect(try Tokenizer.load(gguf: metadata).endOfGenerationTokens == [2, 3, 4])
    }

    @Test func errorsNameFileAndMember() throws {
        func message(_ files: [String: String]) throws -> String {
            let error = #expect(throws: TokenizerError.self) {
                try load(files.mapValues { Array($0.utf8) })
            }
            return error?.description ?? ""
        }
        #expect(try message([:]).contains("put tokenizer.json"))
        #expect(try message(["tokenizer.json": "{"]).hasPrefix("tokenizer.json is not JSON"))
        #expect(try message(["tokenizer.json": "{}"]) == "tokenizer.json: model is missing")
        #expect(try message(["tokenizer.json": #"{"model": {"type": "WordPiece"}}"#]).contains("WordPiece"))
        let merge = #"{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}"#
        #expect(try message(["tokenizer.json": merge]).contains("model.merges[0]"))
        let far = #"{"model": {"type": "BPE", "vocab": {"a": 2000000000}, "merges": []}}"#
        #expect(try message(["tokenizer.json": far]).contains("2000000000"))
        let pattern = #"""
            {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
             "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"}}
            """#
        #expect(try message(["tokenizer.json": pattern]).contains("'(a'"))
        let unknown = #"{"model": "gpt2", "pre": "no-such", "tokens": ["a"], "merges": []}"#
        #expect(try message(["tokenizer.gguf.json": unknown]).contains("no-such"))
        #expect(try message(["tokenizer.gguf.json": #"{"model": "bert", "tokens": ["a"]}"#]).contains("bert"))
        #expect(try message(["tokenizer.model": "\u{1}"]).contains("tokenizer.model: sentencepiece refuses"))
    }
}

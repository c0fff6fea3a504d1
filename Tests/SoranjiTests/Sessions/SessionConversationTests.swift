import Foundation
import KVCache
import MediaFixtures
import Models
import Sessions
import Testing

@testable import Soranji

/// Sessions with a tiny model: nothing that was read is read again, and nothing changes by that.
struct SessionConversationTests {
    private struct Stop: Error {}

    @Test func documentsAreReadOnceAndQuestionsBranchOff() throws {
        let place = try SessionPlace()
        let document = SessionPlace.document(40)
        func plain(_ question: String) throws -> Answer {
            let conversation = Conversation(runtime: try place.runtime())
            conversation.add(document)
            return try conversation.ask(question, maximumTokens: 12)
        }
        let first = try place.open()
        #expect(first.add(document))
        let answer = try first.ask("What is line 7?", maximumTokens: 12)
        #expect(answer.tokens == (try plain("What is line 7?").tokens))
        #expect(first.receipt.isNew && first.receipt.reusedTokens == 0 && !first.receipt.isKept)
        let tokens = first.tokenCount
        #expect(first.receipt.storedTokens == tokens && tokens > document.byteCount)

        let second = try place.open()
        #expect(second.documents.map(\.text) == [document.text])
        #expect(!second.add(document))
        let other = try second.ask("And line 9?", maximumTokens: 12)
        #expect(other.tokens == (try plain("And line 9?").tokens))
        #expect(second.receipt.reusedTokens == tokens && second.receipt.misses.isEmpty)
        #expect(second.receipt.storedTokens == 0 && second.tokenCount == tokens)
        #expect(other.statistics.cachedTokens == tokens)
        #expect(!other.citations.isEmpty)
        // The same question once more gives the same answer: the one before left nothing.
        #expect(try second.ask("What is line 7?", maximumTokens: 12).tokens == answer.tokens)

        // Another document goes behind the first one.
        let third = try place.open()
        #expect(third.add(SessionPlace.document(10, name: "more.txt", seed: 3)))
        _ = try third.ask("Which?", maximumTokens: 4)
        #expect(third.receipt.reusedTokens == tokens && third.tokenCount > tokens)
        let last = try place.open()
        #expect(last.documents.map(\.source) == ["book.txt", "more.txt"])
        #expect(try place.store.verify("s").isSound)
    }

    @Test func keptTurnsAreNotReadAgain() throws {
        let place = try SessionPlace()
        let first = try place.open()
        first.add(SessionPlace.document(10))
        _ = try first.ask("What is line 7?", keeps: true, maximumTokens: 9)
        #expect(first.receipt.isKept && first.messages.count == 2)
        let tokens = first.tokenCount
        let second = try place.open()
        #expect(second.messages == first.messages)
        _ = try second.ask("Are you sure?", keeps: true, maximumTokens: 9)
        // The last token of an answer that was cut has not been through the model.
        #expect(second.receipt.reusedTokens >= tokens - 1)
        #expect(second.tokenCount > tokens + 9)
        let third = try place.open()
        #expect(third.messages.map(\.role) == [.user, .assistant, .user, .assistant])
        _ = try third.ask("Really?", maximumTokens: 3)
        #expect(third.messages.count == 4)
        #expect(try place.store.verify("s").isSound)
    }

    @Test func interruptedReadingGoesOnWhereItStopped() throws {
        let place = try SessionPlace()
        let document = SessionPlace.document(80)
        let plain = Conversation(runtime: try place.runtime())
        plain.add(document)
        let expected = try plain.ask("What is line 7?", maximumTokens: 8)
        let first = try place.open()
        first.add(document)
        var steps = 0
        #expect(throws: Stop.self) {
            try first.ask(
                "What is line 7?",
                maximumTokens: 8,
                onProgress: { _ in
                    steps += 1
                    if steps == 2 { throw Stop() }
                }
            )
        }
        #expect(steps == 2)
        // Without the file: the session knows what it was reading.
        let second = try place.open()
        let answer = try second.ask("What is line 7?", maximumTokens: 8)
        #expect(second.receipt.reusedTokens == 1024)
        #expect(second.receipt.misses.count == 1 && second.receipt.misses[0].contains("were not stored yet"))
        #expect(answer.tokens == expected.tokens)
        let third = try place.open()
        _ = try third.ask("What is line 7?", maximumTokens: 8)
        #expect(third.receipt.reusedTokens == third.tokenCount && third.receipt.misses.isEmpty)
    }

    @Test func onlyTheOwnNewSessionIsTakenBack() throws {
        let place = try SessionPlace()
        let conversation = try place.open()
        let library = place.store.library
        /// A session is about to be made, another process makes one of that name, and the disk is full.
        func fail(isOwn: Bool) throws {
            let manifest = try conversation.runtime.sessionManifest()
            _ = try library.create("s", manifest: manifest)
            var undo = SessionConversation.Undo(conversation)
            undo.newIdentifier = isOwn ? manifest.identifier : try conversation.runtime.sessionManifest().identifier
            conversation.undo = undo
            #expect(throws: SessionError.self) {
                try conversation.takingBack { throw SessionError(.system(ENOSPC), "s", "no room") }
            }
        }
        try fail(isOwn: false)
        #expect(library.exists("s"))
        _ = try library.remove("s")
        try fail(isOwn: true)
        #expect(!library.exists("s"))
    }

    @Test func damagedPagesAreReadAnewAndNeverUsed() throws {
        let place = try SessionPlace()
        let first = try place.open()
        first.add(SessionPlace.document(40))
        let expected = try first.ask("What is line 7?", maximumTokens: 8).tokens
        let count = first.tokenCount
        let layout = first.runtime.runner.layout
        let recordBytes = (layout.pageBytes + 4095) & ~4095
        // The second page's second layer, and the unsealed last page.
        try place.flip("s/pages", at: recordBytes + layout.layerBytes + 100)
        try place.flip("s/pages", at: count / 128 * recordBytes + 10)
        #expect(try place.store.verify("s").damage.map(\.page) == [1, count / 128])
        let second = try place.open()
        let answer = try second.ask("What is line 7?", maximumTokens: 8)
        #expect(answer.tokens == expected)
        #expect(second.receipt.misses.filter { $0.contains("was damaged") }.count == 2)
        #expect(try place.store.verify("s").isSound)
        let third = try place.open()
        #expect(try third.ask("What is line 7?", maximumTokens: 8).tokens == expected)
        #expect(third.receipt.misses.isEmpty && third.receipt.reusedTokens == count)
        // A file that was cut short.
        #expect(truncate(place.folder + "/sessions/s/pages", off_t(2 * recordBytes)) == 0)
        #expect(throws: SessionError.self) { try place.open().ask("What is line 7?", maximumTokens: 8) }
        #expect(!(try place.store.verify("s", repairing: true).isSound))
        #expect(try place.open().ask("What is line 7?", maximumTokens: 8).tokens == expected)
    }

    @Test func anotherModelIsRefused() throws {
        let place = try SessionPlace()
        let first = try place.open()
        first.add(SessionPlace.document(3))
        _ = try first.ask("What?", maximumTokens: 2)
        #expect { try place.open("s", element: .f16) } throws: { error in
            error as? SessionUseError == .otherCache(session: "s", stored: "f32", asked: "f16")
        }
        let other = try SessionPlace("qwen3_omni_moe_thinker")
        #expect {
            _ = try SessionConversation(runtime: other.runtime(), name: "s", library: place.store.library)
        } throws: { error in
            guard case SessionUseError.otherModel(_, _, let differences) = error else { return false }
            return differences.contains("weights")
        }
        let strict = try place.open()
        strict.systemPrompt = "Be brief."
        #expect(throws: SessionUseError.otherSystemPrompt("s")) { try strict.ask("What?", maximumTokens: 2) }
    }

    @Test(arguments: ["qwen3_vl_moe", "qwen3_omni_moe_thinker"])
    func clipsAreLookedAtOnce(name: String) throws {
        let place = try SessionPlace(name)
        let clip = place.folder + "/clip.mp4"
        try FileManager.default.copyItem(atPath: MediaModel.clip, toPath: clip)
        func plain(_ question: String) throws -> Answer {
            let conversation = Conversation(runtime: try place.runtime())
            conversation.add(MediaInput(.video, path: clip))
            return try conversation.ask(question, maximumTokens: 6)
        }
        let expected = [try plain("What happens?"), try plain("When?")]
        let first = try place.open()
        #expect(try first.add(MediaInput(.video, path: clip)))
        #expect(try first.ask("What happens?", maximumTokens: 6).tokens == expected[0].tokens)
        #expect(try !place.open().add(MediaInput(.video, path: clip)))
        // Neither the file nor the encoders.
        try FileManager.default.removeItem(atPath: clip)
        let second = try place.open()
        let answer = try second.ask("When?", maximumTokens: 6)
        #expect(answer.tokens == expected[1].tokens)
        #expect(answer.media == expected[1].media)
        #expect(answer.moments == expected[1].moments && !answer.moments.isEmpty)
        #expect(second.receipt.reusedTokens == second.tokenCount)
        let contents = try place.store.contents("s")
        #expect(contents.media.entries.map(\.source) == [clip])
        // A page of the clip that is lost cannot be made again from text.
        try place.flip("s/pages", at: 4096 + 5)
        #expect(throws: SessionUseError.mediaForgotten(session: "s", source: clip)) {
            try place.open().ask("When?", maximumTokens: 6)
        }
    }

    @Test func pagesAreTakenOverFromOtherSessions() throws {
        let place = try SessionPlace()
        let document = SessionPlace.document(40)
        let first = try place.open("first")
        first.add(document)
        let expected = try first.ask("What is line 7?", maximumTokens: 8).tokens
        let second = try place.open("second")
        second.add(document)
        #expect(try second.ask("What is line 7?", maximumTokens: 8).tokens == expected)
        #expect(second.receipt.adoptedFrom == "first")
        #expect(second.receipt.adoptedTokens == first.tokenCount / 128 * 128)
        #expect(second.receipt.reusedTokens == second.receipt.adoptedTokens)
        #expect(try place.store.contents("second").summary.parents == ["first"])
        // The first goes; its pages stay as long as the second needs them.
        #expect(try place.store.remove("first").keptFor == ["second"])
        let again = try place.open("second")
        #expect(try again.ask("What is line 7?", maximumTokens: 8).tokens == expected)
        let third = try place.open("third")
        third.add(SessionPlace.document(40, seed: 1))
        _ = try third.ask("What is line 7?", maximumTokens: 8)
        #expect(third.receipt.adoptedFrom == nil)
        #expect(third.receipt.misses == ["session 'second': from page 0 on (token 0) it reads otherwise"])
    }

    /// Documents that spell control tokens stay documents, in the same words each time.
    @Test func spelledControlTokensStayText() throws {
        let place = try SessionPlace()
        let text = "One.\n<|im_end|>\n<|vision_start|><|video_pad|>\nTwo <|im_end|>"
        let document = Document(title: "d", text: text, kind: .text, source: "d.txt")
        let first = try place.open()
        first.add(document)
        let expected = try first.ask("What <|im_end|>?", maximumTokens: 5).tokens
        let second = try place.open()
        #expect(second.documents.map(\.text) == [text])
        #expect(try second.ask("What <|im_end|>?", maximumTokens: 5).tokens == expected)
        #expect(second.receipt.reusedTokens == second.tokenCount)
    }
}

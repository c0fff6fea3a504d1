import MediaFixtures
import Models
import Testing

@testable import Experts
@testable import Soranji

/// What routed experts may take of the memory, by the runtime's own plan.
struct GovernorTests {
    @Test(arguments: [true, false]) func expertsStayWithinWhatIsFree(_ isAsked: Bool) throws {
        let model = try MediaModel("qwen3_vl_moe", hasText: true)
        var options = Runtime.Options()
        options.freeBytes = 8 << 30
        let rich = try Runtime(bundleFolder: model.bundle, options: options)
        #expect(rich.decoder.store.limitBytes == nil)
        let needed = rich.memoryPlan(tokens: 64, memoryBytes: 8 << 30)
        #expect(needed.request.expertBytes > needed.request.activeExpertBytes)
        // A byte less than all of them, with what a question of so many tokens takes besides.
        let spare = needed.request.expertBytes - needed.request.activeExpertBytes - 1
        options.freeBytes = isAsked ? 8 << 30 : needed.neededBytes + spare
        options.memoryBytes = isAsked ? needed.neededBytes + spare : nil
        let tight = try Runtime(bundleFolder: model.bundle, options: options)
        try tight.checkRoom(promptTokens: 64, answerTokens: 0)
        let limit = try #require(tight.decoder.store.limitBytes)
        #expect(limit < needed.request.expertBytes && limit >= needed.request.expertBytes - 2)
        // What was seen takes its room from experts.
        let row = try MediaRows(
            modality: .image,
            columns: tight.decoder.configuration.hiddenSize,
            values: Array(repeating: 0, count: tight.decoder.configuration.hiddenSize),
            digest: .init(),
            source: "picture"
        )
        try tight.checkRoom(promptTokens: 64, answerTokens: 0, media: [row])
        let left = try #require(tight.decoder.store.limitBytes)
        #expect(left == limit - tight.memoryPlan(tokens: 64, mediaRows: 1).request.mediaBytes && left < limit)
        // What leaves room for nothing is refused where it was asked for, and left to the system where it is so.
        options.freeBytes = 1
        options.memoryBytes = isAsked ? 1 : nil
        let poor = try Runtime(bundleFolder: model.bundle, options: options)
        #expect(poor.decoder.store.limitBytes == nil)
        if isAsked {
            #expect(throws: MemoryRefusal.self) { try poor.checkRoom(promptTokens: 64, answerTokens: 0) }
        } else {
            try poor.checkRoom(promptTokens: 64, answerTokens: 0)
            #expect(poor.decoder.store.limitBytes == nil)
        }
    }
}

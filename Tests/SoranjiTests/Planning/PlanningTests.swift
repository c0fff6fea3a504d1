import KVCache
import Testing

@testable import Soranji

/// The arithmetic of plans, with numbers that no machine has.
struct PlanningTests {
    /// SmolLM2-135M: 30 layers of 3 KV heads of 64.
    private func context(_ element: ContextBytes.Element) -> ContextBytes {
        ContextBytes(layerCount: 30, kvHeadCount: 3, keyWidth: 64, valueWidth: 64, element: element)
    }

    private func request(_ tokens: Int, _ element: ContextBytes.Element, budget: Int) -> MemoryPlan.Request {
        MemoryPlan.Request(
            tokens: tokens,
            trunkBytes: 40 << 20,
            expertBytes: 800 << 20,
            activeExpertBytes: 100 << 20,
            context: context(element),
            scratchBytes: 10 << 20,
            budgetBytes: budget,
            budgetSource: "--memory",
            trainedTokens: 8192
        )
    }

    @Test func bytesPerTokenAreThoseOfTheShape() {
        #expect(context(.f32).bytesPerToken == 46_080)
        #expect(context(.f16).bytesPerToken == 23_040)
        // Codes of 8 bits, and scales: 8 bytes for each channel of a page's keys, 4 for each 32 values of a position.
        #expect(context(.q8).bytesPerToken == Double(90 * (128 * 64 + 8 * 64 + 128 * 64 + 128 * 2 * 4)) / 128)
        #expect(context(.q8v4).bytesPerToken == Double(90 * (128 * 64 + 8 * 64 + 128 * 32 + 128 * 2 * 4)) / 128)
        #expect(context(.q8).bytesPerToken < 12_700 && context(.q8v4).bytesPerToken < 9_800)
    }

    /// Equal to what the cache itself says, for the types that it has.
    @Test(arguments: [1, 63, 64, 65, 127, 128, 129, 1000], [16, 24, 64, 100])
    func bytesEqualTheLayout(_ tokens: Int, _ width: Int) {
        for (element, own) in [(PageLayout.Element.f32, ContextBytes.Element.f32), (.f16, .f16)] {
            let layout = PageLayout(
                layerCount: 5,
                kvHeadCount: 2,
                keyWidth: width,
                valueWidth: width + 3,
                ropeColumns: 0..<8,
                element: element
            )
            let bytes = ContextBytes(
                layerCount: 5,
                kvHeadCount: 2,
                keyWidth: width,
                valueWidth: width + 3,
                element: own
            )
            #expect(bytes.pageBytes(tokens: tokens) == layout.bytes(positions: tokens))
            #expect(bytes.indexBytes(tokens: tokens) == 0)
        }
    }

    @Test func hugeNumbersDoNotOverflow() {
        let huge = ContextBytes(
            layerCount: .max,
            kvHeadCount: .max,
            keyWidth: .max,
            valueWidth: .max,
            element: .q8
        )
        #expect(huge.pageBytes(tokens: .max) == .max)
        #expect(huge.indexBytes(tokens: .max) == .max)
        #expect(context(.f16).pageBytes(tokens: .max) == .max)
        #expect(context(.f16).pageBytes(tokens: -5) == 0)
        #expect(context(.f16).pageBytes(tokens: 0) == 0)
        for tokens in [0, 1, Int.max, Int.max - 1, 1 << 60] {
            for budget in [0, 1, Int.max] {
                let plan = MemoryPlan(request(tokens, .q8, budget: budget))
                #expect(plan.neededBytes > 0)
                _ = (plan.rows, plan.json, plan.remedies, plan.longestTokens, MemoryRefusal(plan: plan).description)
            }
        }
        var greedy = request(8192, .f16, budget: .max)
        greedy.trunkBytes = .max
        greedy.expertBytes = .max
        greedy.activeExpertBytes = .max
        greedy.scratchBytes = .max
        #expect(MemoryPlan(greedy).neededBytes == .max)
    }

    @Test func expertsTakeWhatIsLeft() throws {
        // Needed: 40 of trunk, 100 of experts, 10 of scratch, 180 of pages (8192 x 23,040 bytes).
        let needed = (150 << 20) + 8192 * 23_040
        let tight = MemoryPlan(request(8192, .f16, budget: needed))
        #expect(tight.fits && tight.neededBytes == needed)
        let experts = try #require(tight.parts.first { $0.name == "experts" })
        #expect(experts.residentBytes == 100 << 20 && experts.mappedBytes == 700 << 20)
        let roomy = MemoryPlan(request(8192, .f16, budget: needed + (250 << 20)))
        #expect(roomy.parts.first { $0.name == "experts" }?.residentBytes == 350 << 20)
        let rich = MemoryPlan(request(8192, .f16, budget: 8 << 30))
        #expect(rich.parts.first { $0.name == "experts" }?.mappedBytes == 0)
        let short = MemoryPlan(request(8192, .f16, budget: needed - 1))
        #expect(!short.fits)
        #expect(short.longestTokens < 8192 && short.longestTokens > 8192 - 129)
        #expect(short.changed { $0.tokens = short.longestTokens }.fits)
    }

    @Test func refusalsSayWhatHelps() {
        let plan = MemoryPlan(request(1 << 20, .f16, budget: 14 << 30))
        #expect(!plan.fits)
        #expect(plan.remedies.map(\.flag).prefix(2) == ["--kv q8", "--kv q8v4"])
        #expect(plan.remedies[0].effect.hasSuffix("which fits"))
        #expect(plan.remedies.contains { $0.flag == "--memory 23G" })
        #expect(plan.remedies.contains { $0.flag.hasPrefix("--tokens 6") })
        let refusal = MemoryRefusal(plan: plan)
        #expect(refusal.description.contains("1,048,576 tokens") && refusal.description.contains("pages"))
        #expect(!MemoryRefusal(plan: plan, isShort: true).description.contains("\n"))
        #expect(refusal.hint?.contains("--kv q8") == true)
        #expect(MemoryPlan.flagText(700 << 20) == "700M" && MemoryPlan.flagText((700 << 20) + 1) == "701M")
        #expect(MemoryPlan.flagText(.max) == "8589934592G")
    }

    // MARK: Free memory

    private func system(_ files: [String: String]) -> FreeMemory? { FreeMemory.measure { files[$0] } }

    @Test func theTightestBoundCounts() {
        let machine = "MemTotal: 24684096 kB\nMemFree: 1 kB\nMemAvailable:   16777216 kB\n"
        #expect(system(["/proc/meminfo": machine]) == FreeMemory(availableBytes: 16 << 30, source: "the machine"))
        #expect(system([:]) == nil)
        #expect(system(["/proc/meminfo": "MemAvailable: nonsense kB"]) == nil)
        #expect(system(["/proc/meminfo": "MemAvailable: 99999999999999999999 kB"]) == nil)
        #expect(system(["/proc/meminfo": "MemAvailable: \(Int.max) kB"]) == nil)
        // Version 2: the group around the process's own is the tighter one.
        let unified = [
            "/proc/meminfo": machine, "/proc/self/cgroup": "0::/user/work\n",
            "/sys/fs/cgroup/user/work/memory.max": "max\n", "/sys/fs/cgroup/user/work/memory.current": "5\n",
            "/sys/fs/cgroup/user/memory.max": "\(4 << 30)\n", "/sys/fs/cgroup/user/memory.high": "\(3 << 30)\n",
            "/sys/fs/cgroup/user/memory.current": "\(2 << 30)\n",
            "/sys/fs/cgroup/user/memory.stat": "anon 1\ninactive_file \(512 << 20)\nactive_file 7\n",
        ]
        #expect(
            system(unified)
                == FreeMemory(availableBytes: (3 << 30) - (2 << 30) + (512 << 20), source: "the control group")
        )
        // Version 1, in a container that shows its group as the root.
        let legacy = [
            "/proc/meminfo": machine, "/proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/outer/a1b2\n0::/\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "\(2 << 30)\n",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes": "\(3 << 30)\n",
        ]
        #expect(system(legacy) == FreeMemory(availableBytes: 0, source: "the control group"))
        // "No limit" of version 1 is a very large number.
        var unlimited = legacy
        unlimited["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n"
        #expect(system(unlimited)?.source == "the machine")
        #expect(FreeMemory.folders("/a/b") == ["/a/b", "/a", ""])
        #expect(FreeMemory.folders("/") == [""] && FreeMemory.folders("") == [""])
    }

    @Test func thisMachineHasMemory() throws {
        let free = try #require(FreeMemory.measure())
        #expect(free.availableBytes > 0)
        #expect(free.budgetBytes < free.availableBytes)
        #expect(FreeMemory.reserve(of: 0) == 256 << 20)
    }

    // MARK: Speed

    @Test func timesFollowTheLines() {
        let probe = SpeedProbe(
            prefillBase: 1e-3,
            prefillSlope: 1e-7,
            decodeBase: 5e-3,
            decodeSlope: 1e-6,
            memoryBytesPerSecond: 1e10
        )
        #expect(abs(probe.prefillSeconds(tokens: 10_000) - (10 + 5)) < 1e-9)
        // Attending to 1,000 at most: the triangle up to there, then a band.
        #expect(abs(probe.prefillSeconds(tokens: 10_000, attended: 1000) - (10 + 0.05 + 0.9)) < 1e-9)
        #expect(probe.prefillSeconds(tokens: 500, attended: 1000) == probe.prefillSeconds(tokens: 500))
        #expect(abs(probe.decodeTokensPerSecond(depth: 5000) - 100) < 1e-9)
        #expect(abs(probe.decodeTokensPerSecond(depth: 1 << 40, attended: 5000) - 100) < 1e-9)
        #expect(probe.prefillSeconds(tokens: .max).isFinite && probe.decodeTokensPerSecond(depth: .max) >= 0)
        let line = SpeedProbe.line([(0, 1), (2, 5), (4, 9)])
        #expect(abs(line.base - 1) < 1e-12 && abs((line.slope ?? 0) - 2) < 1e-12)
        #expect(SpeedProbe.line([(3, 1), (3, 2)]).slope == nil)
        #expect(SpeedProbe.line([]).slope == nil)
    }
}

import KVCache
import Testing

@testable import Soranji

/// The arithmetic of plans, with numbers that no machine has.
struct PlanningTests {
    /// SmolLM2-135M: 30 layers of 3 KV heads of 64.
    private func layout(_ element: PageLayout.Element) -> PageLayout {
        PageLayout(
            layerCount: 30,
            kvHeadCount: 3,
            keyWidth: 64,
            valueWidth: 64,
            ropeColumns: 0..<64,
            element: element
        )
    }

    private func request(_ tokens: Int, _ element: PageLayout.Element, budget: Int) -> MemoryPlan.Request {
        MemoryPlan.Request(
            tokens: tokens,
            trunkBytes: 40 << 20,
            expertBytes: 800 << 20,
            activeExpertBytes: 100 << 20,
            layout: layout(element),
            scratchBytes: 10 << 20,
            budgetBytes: budget,
            budgetSource: "--memory",
            trainedTokens: 8192
        )
    }

    @Test func pagesTakeWhatTheLayoutSays() {
        #expect(MemoryPlan.pageBytes(tokens: 1, layout(.f16)) == 128 * 23_040)
        #expect(MemoryPlan.pageBytes(tokens: 128, layout(.f32)) == 128 * 46_080)
        #expect(MemoryPlan.pageBytes(tokens: 129, layout(.f32)) == 256 * 46_080)
        #expect(MemoryPlan.pageBytes(tokens: 0, layout(.f16)) == 0)
        #expect(MemoryPlan.pageBytes(tokens: -5, layout(.f16)) == 0)
        for tokens in [1, 127, 128, 129, 1000, 8192] {
            #expect(MemoryPlan.pageBytes(tokens: tokens, layout(.f16)) == layout(.f16).bytes(positions: tokens))
        }
    }

    @Test func programAndIndexAreNeeded() throws {
        var whole = request(8192, .f16, budget: 8 << 30)
        let plain = MemoryPlan(whole).neededBytes
        whole.programBytes = 64 << 20
        whole.indexBlockBytes = 1000
        // 64 pages are four blocks of 16, and one is begun.
        #expect(MemoryPlan(whole).neededBytes == plain + (64 << 20) + 5000)
        #expect(MemoryPlan(whole).parts.map(\.name) == ["trunk", "experts", "pages", "index", "scratch", "program"])
        #expect(MemoryPlan.indexBytes(tokens: .max, blockBytes: .max) == .max)
        #expect(MemoryPlan.indexBytes(tokens: -1, blockBytes: 10) == 10)
    }

    /// Pages in a session's files take no memory.
    @Test func storedPagesAreMapped() throws {
        var stored = request(8192, .f16, budget: 8 << 30)
        stored.mappedTokens = 8192 - 128
        // All of it is there where there is room.
        #expect(MemoryPlan(stored).parts.first { $0.name == "pages" }?.mappedBytes == 0)
        let needed = (150 << 20) + 128 * 23_040
        stored.budgetBytes = needed
        let plan = MemoryPlan(stored)
        #expect(plan.neededBytes == needed && plan.fits && plan.residentStoredBytes == 0)
        let pages = try #require(plan.parts.first { $0.name == "pages" })
        #expect(pages.bytes == 8192 * 23_040 && pages.residentBytes == 128 * 23_040)
        #expect(pages.mappedBytes == pages.bytes - pages.residentBytes)
        // What one token attends to has to be there; experts go before more than that.
        stored.attendedTokens = 1000
        stored.budgetBytes = needed + 1024 * 23_040 + (100 << 20)
        let recalled = MemoryPlan(stored)
        #expect(recalled.neededBytes == needed + 1024 * 23_040)
        #expect(recalled.residentExpertBytes == 200 << 20 && recalled.residentStoredBytes == 1024 * 23_040)
        stored.budgetBytes = needed + 1024 * 23_040 + (750 << 20)
        #expect(MemoryPlan(stored).residentStoredBytes == 1024 * 23_040 + (50 << 20))
        stored.attendedTokens = nil
        stored.mappedTokens = .max
        #expect(MemoryPlan(stored).neededBytes == 150 << 20)
        #expect(MemoryPlan(stored).fileBytes == 64 * ((128 * 23_040 + 4095) & ~4095))
    }

    /// Pages in memory hold what ranking knows of them; those in files leave it to the index.
    @Test func filesHoldNoRankings() {
        var sealed = request(8192, .q8v4, budget: 8 << 30)
        let own = MemoryPlan(sealed)
        #expect(own.fileBytes == 0)
        sealed.mappedTokens = 8192
        sealed.indexBlockBytes = 1000
        let stored = MemoryPlan(sealed)
        let layout = layout(.q8v4)
        #expect(own.parts.first { $0.name == "pages" }?.bytes == 64 * layout.recordBytes)
        #expect(stored.parts.first { $0.name == "pages" }?.bytes == 64 * layout.pageBytes)
        #expect(stored.fileBytes == 64 * layout.fileBytes + 5 * 1000)
        // A disk that is too small is a reason of its own.
        let short = stored.changed { $0.disk = .init(folder: "/there", freeBytes: stored.fileBytes - 1) }
        #expect(!short.fits && short.neededBytes <= short.request.budgetBytes)
        #expect(short.longestTokens < 8192 && short.remedies.contains { $0.flag == "SORANJI_SESSIONS" })
        #expect(!short.remedies.contains { $0.flag.hasPrefix("--memory") })
        #expect(MemoryRefusal(plan: short).description.hasSuffix("are free in /there"))
        #expect(stored.changed { $0.disk = .init(folder: "/there", freeBytes: stored.fileBytes) }.fits)
    }

    /// The longest context does not depend on the one that was asked about, and sessions need room on the disk.
    @Test func theLongestContextIsThatOfTheBudget() throws {
        let growth = ContextGrowth(
            fixedBytes: 1e7,
            bytesPerPage: 5000,
            bytesPerGroup: 1e5,
            recall: .fitting(trainedPositions: 8192)
        )
        func plan(_ tokens: Int) -> MemoryPlan {
            var request = request(tokens, .f16, budget: 1 << 30)
            request.growth = growth
            request.scratchBytes = growth.scratchBytes(tokens: tokens)
            request.attendedTokens = growth.attendedTokens(of: tokens)
            request.disk = .init(folder: "/there", freeBytes: 3 << 30)
            return MemoryPlan(request)
        }
        let longest = plan(1 << 20).longestTokens
        #expect(longest > 8192)
        for tokens in [1, 8192, 100_000, 1 << 24] { #expect(plan(tokens).longestTokens == longest) }
        #expect(plan(longest).fits && !plan(longest + PageLayout.positions).fits)
        // 1.1 GiB of pages have room on the disk, 22 GiB have not.
        #expect(plan(50_000).remedies.contains { $0.flag == "ask --session NAME" && $0.fits })
        #expect(plan(1 << 20).remedies.contains { $0.flag == "ask --session NAME" && !$0.fits })
    }

    @Test func hugeNumbersDoNotOverflow() {
        #expect(MemoryPlan.pageBytes(tokens: .max, layout(.f16)) == .max)
        for tokens in [0, 1, Int.max, Int.max - 1, 1 << 60] {
            for budget in [0, 1, Int.max] {
                let plan = MemoryPlan(request(tokens, .f16, budget: budget))
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
        let plan = MemoryPlan(request(1 << 20, .f32, budget: 24 << 30))
        #expect(!plan.fits)
        // Types that take more help nobody.
        #expect(plan.remedies.first?.flag == "--kv f16" && !plan.remedies.contains { $0.flag == "--kv f32" })
        #expect(plan.remedies[0].effect.hasSuffix("which fits"))
        #expect(plan.remedies.contains { $0.flag == "--memory 46G" })
        #expect(plan.remedies.contains { $0.flag.hasPrefix("at most 55") && $0.flag.hasSuffix(" tokens") })
        let refusal = MemoryRefusal(plan: plan)
        #expect(refusal.description.contains("1,048,576 tokens") && refusal.description.contains("pages"))
        #expect(!MemoryRefusal(plan: plan, isShort: true).description.contains("\n"))
        // Only what makes it fit.
        let tight = MemoryRefusal(plan: MemoryPlan(request(1 << 20, .f32, budget: 1 << 30)))
        #expect(tight.plan.remedies.contains { $0.flag == "--kv f16" && !$0.fits })
        #expect(tight.hint?.contains("--kv") == false && tight.hint?.contains("--memory 46G") == true)
        // Nor what the machine has not.
        let poor = MemoryRefusal(plan: tight.plan.changed { $0.freeBytes = 8 << 30 })
        #expect(poor.hint?.contains("--memory") == false && poor.hint?.contains("at most") == true)
        let none = MemoryRefusal(plan: tight.plan.changed { $0.budgetBytes = 1 })
        #expect(none.hint?.contains("what 128 tokens need") == true || none.hint?.contains("46G") == true)
        #expect(refusal.hint?.contains("--kv f16") == true)
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
        // Attending to 640 and 9 pages at most: the triangle up to 1,792, then a band.
        var recall = RecallSettings(firstPosition: 0, localPositions: 640, retrievedPages: 8)
        let band = 1792.0 * 1792 / 2 + 1792 * 8208
        #expect(abs(probe.prefillSeconds(tokens: 10_000, recall: recall) - (10 + 1e-7 * band)) < 1e-9)
        #expect(probe.prefillSeconds(tokens: 500, recall: recall) == probe.prefillSeconds(tokens: 500))
        // All of 4,096 positions first: a larger triangle, the same band behind it.
        recall.firstPosition = 4096
        let both = 4096.0 * 4096 / 2 + 1792 * 5904
        #expect(abs(probe.prefillSeconds(tokens: 10_000, recall: recall) - (10 + 1e-7 * both)) < 1e-9)
        #expect(probe.prefillSeconds(tokens: 4096, recall: recall) == probe.prefillSeconds(tokens: 4096))
        #expect(SpeedProbe.attendedPositions(at: 4095, recall) == 4095)
        #expect(SpeedProbe.attendedPositions(at: 4096, recall) == 1792)
        #expect(abs(probe.decodeTokensPerSecond(depth: 5000) - 100) < 1e-9)
        #expect(abs(probe.decodeTokensPerSecond(depth: 1 << 40, recall: recall) - 1 / 0.006792) < 1e-9)
        // Ranking looks at all positions, from the first that is recalled on.
        var ranking = probe
        ranking.prefillRanking = 1e-9
        ranking.decodeRanking = 1e-8
        let more =
            ranking.prefillSeconds(tokens: 10_000, recall: recall)
            - probe.prefillSeconds(tokens: 10_000, recall: recall)
        #expect(abs(more - 1e-9 * (1e8 - 4096 * 4096) / 2) < 1e-9)
        #expect(ranking.prefillSeconds(tokens: 10_000) == probe.prefillSeconds(tokens: 10_000))
        #expect(abs(ranking.decodeTokensPerSecond(depth: 100_000, recall: recall) - 1 / 0.007792) < 1e-9)
        #expect(probe.prefillSeconds(tokens: .max).isFinite && probe.decodeTokensPerSecond(depth: .max) >= 0)
        let line = SpeedProbe.line([(0, 1), (2, 5), (4, 9)])
        #expect(abs(line.base - 1) < 1e-12 && abs((line.slope ?? 0) - 2) < 1e-12)
        #expect(SpeedProbe.line([(3, 1), (3, 2)]).slope == nil)
        #expect(SpeedProbe.line([]).slope == nil)
    }
}

import JSONText
import KVCache
import ModelFiles

/// What a model and a context take, and where it goes: computed before any work.
package struct MemoryPlan: Sendable, Equatable {
    /// What a plan is made from.
    package struct Request: Sendable, Equatable {
        package var tokens: Int
        /// Of these, whose pages lie in a session's files: mapped, and read as they are needed.
        package var mappedTokens = 0
        /// How many tokens one token attends to at most; nil: all. Mapped pages then come from the disk for every token
        /// where memory has no room for them.
        package var attendedTokens: Int?
        package var trunkBytes: Int
        /// Of all experts, and of those that one token uses.
        package var expertBytes: Int
        package var activeExpertBytes: Int
        /// Encoders of pictures and sound; mapped, and needed while media are read.
        package var encoderBytes = 0
        /// How keys and values are kept.
        package var layout: PageLayout
        /// What ranking knows of 16 pages; 0 where nothing is ranked.
        package var indexBlockBytes = 0
        package var scratchBytes: Int
        /// Rows of what was seen and heard; 0 where the context has none.
        package var mediaBytes = 0
        /// The program itself, its libraries and a tokenizer.
        package var programBytes = 0
        package var budgetBytes: Int
        package var budgetSource: String
        package var trainedTokens: Int
        /// How ``scratchBytes`` and ``attendedTokens`` follow from ``tokens``; nil where they do not.
        package var growth: ContextGrowth?
        /// What is free, whatever may be used of it.
        package var freeBytes = Int.max
        /// What is free on the disk for a session's files, and where; nil where that does not matter or is not known.
        package var disk: Disk?

        package init(
            tokens: Int,
            mappedTokens: Int = 0,
            attendedTokens: Int? = nil,
            trunkBytes: Int,
            expertBytes: Int,
            activeExpertBytes: Int,
            encoderBytes: Int = 0,
            layout: PageLayout,
            indexBlockBytes: Int = 0,
            scratchBytes: Int,
            programBytes: Int = 0,
            budgetBytes: Int,
            budgetSource: String,
            trainedTokens: Int
        ) {
            self.tokens = tokens
            self.mappedTokens = mappedTokens
            self.attendedTokens = attendedTokens
            self.trunkBytes = trunkBytes
            self.expertBytes = expertBytes
            self.activeExpertBytes = activeExpertBytes
            self.encoderBytes = encoderBytes
            self.layout = layout
            self.indexBlockBytes = indexBlockBytes
            self.scratchBytes = scratchBytes
            self.programBytes = programBytes
            self.budgetBytes = budgetBytes
            self.budgetSource = budgetSource
            self.trainedTokens = trainedTokens
        }
    }

    /// Where a session's files would lie.
    package struct Disk: Sendable, Equatable {
        package var folder: String
        package var freeBytes: Int

        package init(folder: String, freeBytes: Int) {
            self.folder = folder
            self.freeBytes = freeBytes
        }

        /// The user's own folder of sessions; nil where there is none, or the system does not say.
        package static var ofSessions: Disk? {
            guard let folder = UserFolders.sessions(), let freeBytes = FreeDisk.bytes(in: folder) else { return nil }
            return Disk(folder: folder, freeBytes: freeBytes)
        }
    }

    /// One thing that takes memory.
    package struct Part: Sendable, Equatable {
        package var name: String
        package var bytes: Int
        /// In memory all the time.
        package var residentBytes: Int
        /// On disk, read when it is needed; costs time, not memory.
        package var mappedBytes: Int
        package var note: String
    }

    package let request: Request
    package let parts: [Part]
    /// What cannot do without memory.
    package let neededBytes: Int
    /// What the budget leaves to experts, and then to pages in a session's files: as much as one token attends to is sure.
    package let residentExpertBytes: Int
    package let residentStoredBytes: Int
    /// What a session's files take on the disk.
    package let fileBytes: Int

    package var fits: Bool { neededBytes <= request.budgetBytes && fitsDisk }
    /// Whether all pages in files may stay in memory.
    package var holdsStoredPages: Bool { residentStoredBytes == Self.mappedBytes(request) }
    package var fitsDisk: Bool { request.disk.map { fileBytes <= $0.freeBytes } ?? true }

    package init(_ request: Request) {
        self.request = request
        let pages = Self.pageBytes(tokens: request.tokens, request.layout)
        let mapped = min(request.mappedTokens, request.tokens)
        let mappedPages = Self.mappedBytes(request)
        let ownPages = pages - min(Self.pageBytes(tokens: mapped, request.layout), pages)
        let attended = request.attendedTokens.map { Self.pageBytes(tokens: $0, request.layout, in: \.pageBytes) } ?? 0
        let index = Self.indexBytes(tokens: request.tokens, blockBytes: request.indexBlockBytes)
        let firm =
            Capped(ownPages) + Capped(min(mappedPages, attended)) + Capped(index) + Capped(request.scratchBytes)
            + Capped(request.mediaBytes) + Capped(request.programBytes)
        // The trunk is read for every token: without room for it every token would wait for the disk. Experts may come and
        // go, down to those of one token.
        let needed = firm + Capped(request.trunkBytes) + Capped(request.activeExpertBytes)
        let room = max(0, request.budgetBytes - min(needed.value, request.budgetBytes))
        let experts = min(request.expertBytes, (Capped(request.activeExpertBytes) + Capped(room)).value)
        neededBytes = needed.value
        residentExpertBytes = experts
        let left = room - min(room, experts - min(experts, request.activeExpertBytes))
        let stored = min(mappedPages, (Capped(min(mappedPages, attended)) + Capped(left)).value)
        residentStoredBytes = stored
        let residentPages = (Capped(ownPages) + Capped(stored)).value
        let records = Self.pageBytes(tokens: mapped, request.layout, in: \.fileBytes)
        let ranking =
            request.indexBlockBytes == 0 ? 0 : Self.indexBytes(tokens: mapped, blockBytes: request.indexBlockBytes)
        fileBytes = mapped > 0 ? (Capped(records) + Capped(ranking)).value : 0
        var parts = [
            Part(
                name: "trunk",
                bytes: request.trunkBytes,
                residentBytes: request.trunkBytes,
                mappedBytes: 0,
                note: "every token reads it"
            )
        ]
        if request.expertBytes > 0 {
            let isDense = request.activeExpertBytes == request.expertBytes
            parts.append(
                Part(
                    name: isDense ? "MLPs" : "experts",
                    bytes: request.expertBytes,
                    residentBytes: experts,
                    mappedBytes: request.expertBytes - experts,
                    note: isDense
                        ? "every token reads them"
                        : "a token reads \(FixedPoint.bytes(request.activeExpertBytes))"
                )
            )
        }
        if request.encoderBytes > 0 {
            parts.append(
                Part(
                    name: "encoders",
                    bytes: request.encoderBytes,
                    residentBytes: 0,
                    mappedBytes: request.encoderBytes,
                    note: "only media read them"
                )
            )
        }
        parts.append(
            Part(
                name: "pages",
                bytes: (Capped(ownPages) + Capped(mappedPages)).value,
                residentBytes: residentPages,
                mappedBytes: mappedPages - stored,
                note: "keys and values as \(request.layout.element.rawValue)"
            )
        )
        if request.indexBlockBytes > 0 {
            parts.append(
                Part(
                    name: "index",
                    bytes: index,
                    residentBytes: index,
                    mappedBytes: 0,
                    note: "what ranking knows of the pages"
                )
            )
        }
        parts.append(
            Part(
                name: "scratch",
                bytes: request.scratchBytes,
                residentBytes: request.scratchBytes,
                mappedBytes: 0,
                note: "buffers of a run"
            )
        )
        if request.mediaBytes > 0 {
            parts.append(
                Part(
                    name: "media",
                    bytes: request.mediaBytes,
                    residentBytes: request.mediaBytes,
                    mappedBytes: 0,
                    note: "rows of what was seen and heard"
                )
            )
        }
        if request.programBytes > 0 {
            parts.append(
                Part(
                    name: "program",
                    bytes: request.programBytes,
                    residentBytes: request.programBytes,
                    mappedBytes: 0,
                    note: "with libraries and tokenizer"
                )
            )
        }
        self.parts = parts
    }

    /// Bytes of the pages that lie in files, which hold what ranking knows of them apart, once: it is the index.
    private static func mappedBytes(_ request: Request) -> Int {
        pageBytes(tokens: min(request.mappedTokens, request.tokens), request.layout, in: \.pageBytes)
    }

    /// Bytes of the records that ranking keeps of `tokens` tokens: blocks of 16 pages.
    static func indexBytes(tokens: Int, blockBytes: Int) -> Int {
        let pages = max(0, tokens) / PageLayout.positions
        return (Capped(pages / PageIndexBlock.pages + 1) * Capped(blockBytes)).value
    }

    /// Bytes of the pages that hold `tokens` tokens, by those that one page takes somewhere.
    static func pageBytes(
        tokens: Int,
        _ layout: PageLayout,
        in place: KeyPath<PageLayout, Int> = \.recordBytes
    ) -> Int {
        let tokens = max(0, tokens)
        let pages = tokens / PageLayout.positions + (tokens % PageLayout.positions == 0 ? 0 : 1)
        return (Capped(pages) * Capped(layout[keyPath: place])).value
    }

    /// The same with another number of tokens, type or budget.
    package func changed(_ change: (inout Request) -> Void) -> MemoryPlan {
        var request = request
        change(&request)
        if let growth = request.growth, request.tokens != self.request.tokens {
            request.scratchBytes = growth.scratchBytes(tokens: request.tokens)
            request.attendedTokens = growth.attendedTokens(of: request.tokens)
        }
        return MemoryPlan(request)
    }

    /// The longest context that fits; 0 where not even one page does.
    package var longestTokens: Int {
        let isStored = request.mappedTokens >= request.tokens
        var low = 0
        var high = 1 << 34
        while low < high {
            let middle = low + (high - low + 1) / 2
            let other = changed {
                $0.tokens = middle
                if isStored { $0.mappedTokens = middle }
            }
            if other.fits { low = middle } else { high = middle - 1 }
        }
        return low / PageLayout.positions * PageLayout.positions
    }

    /// Something that changes what a plan needs.
    package struct Remedy: Sendable, Equatable {
        package var flag: String
        package var effect: String
        /// Whether the context fits with it alone.
        package var fits: Bool
    }

    /// What would help, each with its effect: shown when a plan does not fit, and when it does as what else there is.
    package var remedies: [Remedy] {
        var remedies: [Remedy] = []
        func add(_ flag: String, _ prefix: String, _ other: MemoryPlan) {
            let sizes = "\(FixedPoint.bytes(other.neededBytes)) instead of \(FixedPoint.bytes(neededBytes))"
            let end = fits ? "" : other.fits ? ", which fits" : ", which does not fit either"
            remedies.append(Remedy(flag: flag, effect: prefix + sizes + end, fits: other.fits))
        }
        for element in PageLayout.Element.allCases where element != request.layout.element {
            let other = changed { $0.layout = $0.layout.with(element) }
            guard other.neededBytes < neededBytes else { continue }
            add("--kv \(element.rawValue)", "", other)
        }
        if request.mappedTokens == 0, request.attendedTokens != nil {
            let stored = changed { $0.mappedTokens = $0.tokens }
            if stored.neededBytes < neededBytes / 4 * 3 { add("ask --session NAME", "pages lie in files, ", stored) }
        }
        if !fits {
            if neededBytes > request.budgetBytes, neededBytes <= request.freeBytes, fitsDisk {
                let flag = "--memory \(Self.flagText(neededBytes))"
                remedies.append(Remedy(flag: flag, effect: "what this context needs", fits: true))
            }
            if !fitsDisk, neededBytes <= request.budgetBytes {
                remedies.append(Remedy(flag: "SORANJI_SESSIONS", effect: "a folder on a larger disk", fits: true))
            }
            let longest = longestTokens
            if longest > 0 {
                let flag = "at most \(FixedPoint.grouped(longest)) tokens"
                remedies.append(Remedy(flag: flag, effect: "the longest context that fits", fits: true))
            } else if remedies.allSatisfy({ !$0.fits }) {
                let least = changed { $0.tokens = PageLayout.positions }.neededBytes
                let flag = "--memory \(Self.flagText(least))"
                remedies.append(Remedy(flag: flag, effect: "what \(PageLayout.positions) tokens need", fits: true))
            }
        }
        return remedies
    }

    /// Bytes as a flag takes them, rounded up: "6G", "700M".
    static func flagText(_ bytes: Int) -> String {
        if bytes >= 10 << 30 { return "\(bytes / (1 << 30) + (bytes % (1 << 30) == 0 ? 0 : 1))G" }
        return "\(bytes / (1 << 20) + (bytes % (1 << 20) == 0 ? 0 : 1))M"
    }

    // MARK: Output

    /// The table: a heading, the parts, their sum, and the budget.
    package var rows: [[String]] {
        func size(_ bytes: Int) -> String { bytes == 0 ? "-" : FixedPoint.bytes(bytes) }
        var rows = [["", "bytes", "resident", "mapped", ""]]
        for part in parts {
            rows.append([
                part.name, size(part.bytes), size(part.residentBytes), size(part.mappedBytes),
                part.note,
            ])
        }
        func sum(_ path: KeyPath<Part, Int>) -> String {
            size(parts.reduce(Capped(0)) { $0 + Capped($1[keyPath: path]) }.value)
        }
        rows.append(["in all", sum(\.bytes), sum(\.residentBytes), sum(\.mappedBytes), ""])
        rows.append([
            "needed", size(neededBytes), "", "",
            "of \(FixedPoint.bytes(request.budgetBytes)) (\(request.budgetSource))"
                + (neededBytes <= request.budgetBytes ? "" : ": does not fit"),
        ])
        return rows
    }

    package var json: JSON {
        var object = JSON.Object([
            ("tokens", .integer(Int64(request.tokens))), ("kv", .string(request.layout.element.rawValue)),
            ("fits", .bool(fits)), ("needed_bytes", .integer(Int64(neededBytes))),
            ("budget_bytes", .integer(Int64(request.budgetBytes))), ("budget_source", .string(request.budgetSource)),
            ("file_bytes", .integer(Int64(fileBytes))),
            ("disk_free_bytes", request.disk.map { .integer(Int64($0.freeBytes)) } ?? .null),
            ("longest_tokens", .integer(Int64(longestTokens))),
            ("trained_tokens", .integer(Int64(request.trainedTokens))),
        ])
        object["parts"] = .array(
            parts.map {
                [
                    "name": .string($0.name), "bytes": .integer(Int64($0.bytes)),
                    "resident_bytes": .integer(Int64($0.residentBytes)),
                    "mapped_bytes": .integer(Int64($0.mappedBytes)),
                ]
            }
        )
        object["remedies"] = .array(
            remedies.map { ["flag": .string($0.flag), "effect": .string($0.effect)] }
        )
        return .object(object)
    }
}

/// A context that does not fit into the memory that may be used: refused before any work, with the plan.
package struct MemoryRefusal: HintedError, Equatable {
    package var plan: MemoryPlan
    /// Whether a table was shown already.
    package var isShort = false

    package init(plan: MemoryPlan, isShort: Bool = false) {
        self.plan = plan
        self.isShort = isShort
    }

    package var description: String {
        if !plan.fitsDisk, let disk = plan.request.disk {
            return
                "a context of \(FixedPoint.count(plan.request.tokens, "token")) needs \(FixedPoint.bytes(plan.fileBytes)) "
                + "of files, but \(FixedPoint.bytes(disk.freeBytes)) are free in \(disk.folder)"
        }
        let line =
            "a context of \(FixedPoint.count(plan.request.tokens, "token")) needs "
            + "\(FixedPoint.bytes(plan.neededBytes)), but \(FixedPoint.bytes(plan.request.budgetBytes)) may be used "
            + "(\(plan.request.budgetSource))"
        if isShort { return line }
        let sizes = plan.parts.filter { $0.residentBytes > 0 }.map { part in
            "  " + part.name + String(repeating: " ", count: max(1, 10 - part.name.count))
                + FixedPoint.bytes(part.residentBytes)
        }
        return ([line] + sizes).joined(separator: "\n")
    }

    /// What makes it fit, each on a line of its own.
    package var hint: String? {
        let remedies = plan.remedies.filter(\.fits).map { "\($0.flag): \($0.effect)" }
        return remedies.isEmpty ? nil : remedies.joined(separator: "\n      ")
    }
}

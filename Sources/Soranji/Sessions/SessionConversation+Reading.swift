import KVCache
import Models
import Sessions

extension SessionConversation {
    /// Brings the context to where the question begins: stored pages, and what is not stored yet.
    func read(_ work: inout Work, _ onProgress: (PrefillProgress) throws -> Void) throws -> PageTable {
        guard let session else { return runtime.makePageTable() }
        var table = try runtime.storedTable(session, limit: work.prompt.count - 1)
        work.cachedTokens = table.count
        receipt.promptTokens = work.prompt.count
        receipt.reusedTokens = table.count
        receipt.storedTokens = 0
        let end = work.stableTokens
        if !receipt.isNew, table.count < end, receipt.misses.isEmpty {
            receipt.misses.append(
                "\(FixedPoint.count(end - table.count, "token")) after the first \(FixedPoint.grouped(table.count)) "
                    + "were not stored yet"
            )
        }
        let clock = ContinuousClock()
        let start = clock.now
        defer { work.seconds = seconds(start.duration(to: clock.now)) }
        while table.count < end {
            // Chunks end where pages do, so that each is stored whole.
            let chunk = runtime.runner.chunkTokens
            let next = min(end, (table.count / chunk + 1) * chunk)
            try runtime.prefill(
                work.prompt,
                table.count..<next,
                table: &table,
                onProgress: { _ in },
                onLogits: { _ in }
            )
            if session.access == .writing {
                try session.store(&table, upTo: end, runtime: runtime)
                receipt.storedTokens = session.storedTokens - work.cachedTokens
            }
            try onProgress(
                PrefillProgress(
                    doneTokens: table.count,
                    promptTokens: work.prompt.count,
                    cachedTokens: work.cachedTokens,
                    seconds: seconds(start.duration(to: clock.now))
                )
            )
        }
        return table
    }

    func tellingForgottenMedia(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch StreamError.forgotten(let source) {
            throw SessionUseError.mediaForgotten(session: name, source: source)
        }
    }

    /// Computes a damaged page anew from the tokens. When it comes out as it was, what follows it stays; else that is read
    /// anew as well.
    func heal(_ damage: PageDamage, _ prompt: TokenStream) throws {
        // Computing a page may come to a damaged one before it, which goes first then.
        var open = [damage]
        while let next = open.last {
            do {
                try healPage(next, prompt)
                receipt.misses.append("page \(next.page) was damaged, and is read anew")
                open.removeLast()
            } catch let earlier as PageDamage where earlier.page < next.page {
                open.append(earlier)
            }
        }
    }

    private func healPage(_ damage: PageDamage, _ prompt: TokenStream) throws {
        guard let known = session, damage.page < known.pages.count else { throw damage }
        if known.access != .writing {
            session = nil
            try reopen(.writing)
        }
        guard let session, damage.page < session.pages.count else { return }
        let first = damage.page * PageLayout.positions
        let entry = session.pages[damage.page]
        var table = try runtime.storedTable(session, limit: first)
        try runtime.prefill(
            prompt,
            first..<first + entry.filled,
            table: &table,
            onProgress: { _ in },
            onLogits: { _ in }
        )
        let new = NewPage(table.pages[damage.page], page: damage.page, filled: entry.filled)
        if session.checksums(of: new) == entry.checksums {
            try session.append(pages: [new])
        } else {
            try session.forgetPages(from: damage.page)
        }
        try session.drop(entry)
    }
}

import KVCache
import Models
import Sessions

extension SessionConversation {
    /// Brings the context to where the question begins: stored pages, and what is not stored yet.
    func read(_ work: inout Work, _ onProgress: (PrefillProgress) throws -> Void) throws -> PageTable {
        guard session != nil, var table = try storedTable(work) else { return runtime.makePageTable() }
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
            try store(&table, &work)
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

    /// The stored context. What its index lacks is stored, where the session can be written to.
    private func storedTable(_ work: Work) throws -> PageTable? {
        guard let known = session else { return nil }
        var damaged: PageEntry?
        var table = try runtime.storedTable(known, limit: work.prompt.count - 1) { damaged = $0 }
        if let damaged {
            let first = damaged.page * PageIndexBlock.pages
            receipt.misses.append(
                "the index of pages \(first) to \(first + damaged.filled - 1) was damaged, and is made anew"
            )
            if known.access != .writing { tryToWrite() }
        }
        do {
            guard let session, session.access == .writing else { return table }
            if let damaged {
                try session.forgetIndex([damaged.page])
                try session.drop(damaged)
            }
            try session.storeIndex(of: &table, isLast: true, runtime: runtime)
        } catch let error as SessionError where error.isOfSystem && !work.mustStore {
            // An index that cannot be stored is made each time.
        }
        return table
    }

    /// Opens the session for writing where that is possible.
    private func tryToWrite() {
        session = nil
        do { try reopen(.writing) } catch { try? reopen(.reading) }
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
        let entry = session.pages[damage.page]
        // A sealed page is made with its whole group.
        let isSealed = entry.form == StoredForm.sealed
        let page = isSealed ? damage.page / PageSealing.groupPages * PageSealing.groupPages : damage.page
        let first = page * PageLayout.positions
        let count = isSealed ? PageSealing.groupPositions : entry.filled
        var table = try runtime.storedTable(session, limit: first)
        guard first + count <= prompt.count else { return try session.forgetPages(from: page) }
        try runtime.prefill(
            prompt,
            table.count..<first + count,
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

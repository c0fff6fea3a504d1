import CKernels
import KVCache
import ModelFiles
import Models
import Sessions

extension Runtime {
    /// The context that a session has stored, mapped: nothing of a page is read before attention comes to it.
    ///
    /// - Parameter limit: tokens that are wanted at most.
    func storedTable(_ session: StoredSession, limit: Int) throws -> PageTable {
        var count = min(session.storedTokens, limit)
        // Where pages are ranked, contexts are cut where one ranking ends: the rest is read again.
        if runner.sealing != nil { count -= count % PageSealing.alignment }
        let pageCount = (count + PageLayout.positions - 1) / PageLayout.positions
        let records = try session.records(count: pageCount)
        let content = session.stream.content
        let pages = try records.enumerated().map { index, record in
            let first = index * PageLayout.positions
            return try Page(
                layout: runner.layout,
                record: record,
                content: content,
                from: first,
                count: min(PageLayout.positions, count - first),
                spectrum: runner.spectrum
            )
        }
        return try runner.makeTable(stored: pages, count: count)
    }
}

extension NewPage {
    init(_ page: Page, page number: Int, filled: Int) {
        self.init(
            page: number,
            filled: filled,
            record: UnsafeRawBufferPointer(start: page.record.bytes, count: page.layout.pageBytes)
        )
    }
}

extension StoredSession {
    /// Stores the full pages of a context that are not stored yet, and the last one when it is as full as it will be.
    ///
    /// - Parameters:
    ///   - table: full pages that were stored are replaced by mapped ones, so that their memory is free.
    ///   - end: tokens that will be stored in the end.
    func store(_ table: inout PageTable, upTo end: Int, runtime: Runtime) throws {
        let stored = storedTokens
        let reached = min(table.count, end)
        let firstPage = stored / PageLayout.positions
        let fullPages = reached / PageLayout.positions
        let lastPage = reached == end ? (reached + PageLayout.positions - 1) / PageLayout.positions : fullPages
        guard reached > stored, firstPage < lastPage else { return }
        let new = (firstPage..<lastPage).map { number in
            NewPage(
                table.pages[number],
                page: number,
                filled: min(PageLayout.positions, reached - number * PageLayout.positions)
            )
        }
        let records = try append(pages: new)
        let content = stream.content
        let mapped = try (firstPage..<max(firstPage, fullPages)).map { number in
            try Page(
                layout: table.layout,
                record: records[number - firstPage],
                content: content,
                from: number * PageLayout.positions,
                count: PageLayout.positions,
                spectrum: runtime.runner.spectrum
            )
        }
        table.replace(mapped, from: firstPage)
    }
}

extension MediaInput {
    /// SHA-256 of the file and of how it is looked at.
    func digest(_ options: MediaOptions) throws -> String {
        var digest = Digest()
        digest.add(kind.rawValue)
        digest.add(
            "\(options.framesPerSecond.map { "\($0)" } ?? "-") \(options.frameCount ?? -1) "
                + "\(options.maximumPixels ?? -1) \(options.usesSound)"
        )
        try MappedFile(path: path).withBytes { digest.add($0) }
        return digest.hexadecimal
    }
}

import CKernels
import KVCache
import ModelFiles
import Models
import Sessions
import Tensor

/// Numbers of the forms that ``Runtime/recordForms`` lists.
enum StoredForm {
    static let open = 0
    static let sealed = 1
}

extension Runtime {
    /// The context that a session has stored, mapped: nothing of a page is read before attention comes to it. Where long
    /// contexts are recalled, the index is read; what it lacks is made from pages, which are read for that.
    ///
    /// - Parameters:
    ///   - limit: tokens that are wanted at most.
    ///   - onDamagedIndex: called with a block of the index that is damaged. It was not used.
    /// - Throws: also ``PageDamage``.
    func storedTable(
        _ session: StoredSession,
        limit: Int,
        onDamagedIndex: (PageEntry) -> Void = { _ in }
    ) throws -> PageTable {
        let count = usableTokens(session, limit: limit)
        let pageCount = (count + PageLayout.positions - 1) / PageLayout.positions
        let records = try session.records(count: pageCount)
        let content = session.stream.content
        let pages = try records.enumerated().map { index, record in
            let first = index * PageLayout.positions
            return try Page(
                layout: layout(form: session.pages[index].form),
                record: record,
                content: content,
                from: first,
                count: min(PageLayout.positions, count - first),
                spectrum: runner.spectrum
            )
        }
        let (index, damaged) = try storedIndex(session)
        if let damaged { onDamagedIndex(damaged) }
        var table = try runner.makeTable(stored: pages, count: count, index: index)
        if let lists = session.lists, lists.tokens == count { try table.decodeLists(lists.numbers) }
        return table
    }

    private func layout(form: Int) -> PageLayout {
        form == StoredForm.sealed ? runner.sealing?.layout ?? runner.layout : runner.layout
    }

    /// Tokens from the first one on that a context can go on from: sealed pages count in whole groups, open ones behind
    /// them up to the end of theirs.
    func usableTokens(_ session: StoredSession, limit: Int) -> Int {
        let count = min(session.storedTokens, limit)
        guard runner.sealing?.layout != nil else { return count }
        let fullPages = count / PageLayout.positions
        let sealed = session.pages.prefix(fullPages)
            .prefix { $0.form == StoredForm.sealed && $0.filled == PageLayout.positions }.count
        let whole = sealed / PageSealing.groupPages * PageSealing.groupPages
        guard whole == sealed else { return whole * PageLayout.positions }
        let open = session.pages.dropFirst(whole).prefix { $0.form == StoredForm.open }.count
        let end = min(count, (whole + open) * PageLayout.positions)
        // A whole group of open pages would have been sealed.
        return min(end, (whole + PageSealing.groupPages - 1) * PageLayout.positions + PageLayout.positions - 1)
    }

    /// What ranking knows of the first pages, mapped and checked, and the first block that is damaged.
    private func storedIndex(_ session: StoredSession) throws -> (index: StoredPageIndex, damaged: PageEntry?) {
        var index = StoredPageIndex()
        guard runner.recall != nil else { return (index, nil) }
        var entries: [PageEntry] = []
        while let entry = session.index[entries.count], session.manifest.forms[entry.form] == indexForm {
            entries.append(entry)
            if entry.filled < PageIndexBlock.pages { break }
        }
        let records = try entries.map { try session.mapped($0) }
        for record in records {
            for layer in 0..<runner.layout.layerCount { record.announce(layer: layer) }
        }
        runner.pool.run(tasks: records.count, IndexCheck(records: records, layerCount: runner.layout.layerCount))
        for (entry, record) in zip(entries, records) {
            guard (0..<runner.layout.layerCount).allSatisfy({ record.isIntact(layer: $0) }) else {
                return (index, entry)
            }
            index.append(PageIndexBlock(layout: runner.layout, record: record), pages: entry.filled)
        }
        return (index, nil)
    }

    /// Whether pages of a session are not described yet that ranking needs, and could be.
    func lacksIndex(_ session: StoredSession) -> Bool {
        guard runner.recall != nil, session.manifest.forms.contains(indexForm) else { return false }
        return session.indexedPages < session.storedTokens / PageSealing.groupPositions * PageSealing.groupPages
    }
}

/// Reads one block of the index per task.
private struct IndexCheck: ParallelWork {
    let records: [any PageRecord]
    let layerCount: Int

    func perform(task: Int, worker: Int) {
        for layer in 0..<layerCount { _ = records[task].isIntact(layer: layer) }
    }
}

extension NewPage {
    init(_ page: Page, page number: Int, filled: Int) {
        self.init(
            page: number,
            filled: filled,
            form: page.isSealed ? StoredForm.sealed : StoredForm.open,
            record: UnsafeRawBufferPointer(start: page.record.bytes, count: page.layout.pageBytes)
        )
    }
}

extension StoredSession {
    /// Stores the full pages of a context that are not stored yet, or not in the form that they have now, and the last one
    /// when it is as full as it will be; and what ranking knows of them.
    ///
    /// - Parameters:
    ///   - table: full pages that were stored are replaced by mapped ones, so that their memory is free.
    ///   - end: tokens that will be stored in the end.
    func store(_ table: inout PageTable, upTo end: Int, runtime: Runtime) throws {
        let stored = storedTokens
        let reached = min(table.count, end)
        let fullPages = reached / PageLayout.positions
        let lastPage = reached == end ? (reached + PageLayout.positions - 1) / PageLayout.positions : fullPages
        // Pages of a group were open until it was complete.
        let changed = zip(pages, table.pages.prefix(fullPages))
            .firstIndexOf { $0.form != ($1.isSealed ? StoredForm.sealed : StoredForm.open) }
        let firstPage = min(changed ?? lastPage, stored / PageLayout.positions)
        guard reached > stored || changed != nil, firstPage < lastPage else {
            return try storeIndex(of: &table, isLast: reached == end, runtime: runtime)
        }
        let new = (firstPage..<lastPage).map { number in
            NewPage(
                table.pages[number],
                page: number,
                filled: min(PageLayout.positions, reached - number * PageLayout.positions)
            )
        }
        let blocks = newBlocks(of: table, isLast: reached == end, runtime: runtime)
        let lists =
            reached == table.count ? table.encodedLists.map { StoredLists(tokens: reached, numbers: $0) } : nil
        let records = try append(pages: new, index: blocks, lists: lists)
        let content = stream.content
        // Open pages of a group are sealed soon, and then serve for the next one.
        let lastMapped = table.sealing?.layout == nil ? fullPages : min(fullPages, table.completedPages)
        let mapped = try (firstPage..<max(firstPage, lastMapped)).map { number in
            try Page(
                layout: table.pages[number].layout,
                record: records.pages[number - firstPage],
                content: content,
                from: number * PageLayout.positions,
                count: PageLayout.positions,
                spectrum: runtime.runner.spectrum
            )
        }
        table.replace(mapped, from: firstPage)
        replace(blocks, by: records.index, in: &table)
    }

    /// Stores what ranking knows of pages that are stored already.
    func storeIndex(of table: inout PageTable, isLast: Bool, runtime: Runtime) throws {
        let blocks = newBlocks(of: table, isLast: isLast, runtime: runtime)
        guard !blocks.isEmpty else { return }
        let records = try append(pages: [], index: blocks)
        replace(blocks, by: records.index, in: &table)
    }

    /// Blocks that describe more pages than the stored ones do: whole ones, and the last one when it will describe no more.
    private func newBlocks(of table: PageTable, isLast: Bool, runtime: Runtime) -> [NewPage] {
        guard let form = manifest.forms.firstIndex(of: runtime.indexForm) else { return [] }
        var blocks: [NewPage] = []
        for number in 0..<(table.completedPages + PageIndexBlock.pages - 1) / PageIndexBlock.pages {
            guard let (block, count) = table.indexBlock(number), isLast || count == PageIndexBlock.pages,
                index[number]?.filled ?? 0 < count
            else { continue }
            blocks.append(NewPage(page: number, filled: count, form: form, record: block.bytes))
        }
        return blocks
    }

    /// Frees the memory of blocks that nothing will be added to.
    private func replace(_ blocks: [NewPage], by records: [any PageRecord], in table: inout PageTable) {
        for (block, record) in zip(blocks, records) where block.filled == PageIndexBlock.pages {
            table.replaceIndexBlock(block.page, with: PageIndexBlock(layout: table.layout, record: record))
        }
    }
}

extension Sequence {
    /// The place of the first element that fulfils a condition.
    fileprivate func firstIndexOf(_ condition: (Element) -> Bool) -> Int? {
        for (index, element) in enumerated() where condition(element) { return index }
        return nil
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

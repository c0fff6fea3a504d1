import JSONText
import KVCache

/// A page, or a block of the index, as it is to be stored.
package struct NewPage {
    /// The page's place in the context, or the block's.
    package var page: Int
    /// Positions that are valid, or pages that are described.
    package var filled: Int
    /// Which of the manifest's forms it has.
    package var form: Int
    /// All parts, one after the other, and the tail.
    package var record: UnsafeRawBufferPointer

    package init(page: Int, filled: Int, form: Int = 0, record: UnsafeRawBufferPointer) {
        self.page = page
        self.filled = filled
        self.form = form
        self.record = record
    }
}

extension StoredSession {
    /// Makes entries durable and takes them over. If that fails, the session is as it was, here and on the disk.
    func commit(_ entries: [JournalEntry]) throws(SessionError) {
        precondition(access == .writing)
        // What could not be read again is never written.
        if let problem = problem(with: entries) { throw SessionError(.malformed, name, problem) }
        var next = journal
        var bytes: [UInt8] = []
        for entry in entries {
            let (encoded, checksum) = next.encoded(entry)
            bytes += encoded
            next.advance(bytes: encoded.count, checksum: checksum)
        }
        do throws(SessionError) {
            try journalFile.write(bytes, at: journal.byteCount)
            try journalFile.synchronise()
        } catch {
            // Readers would cut it off as well. It must be gone before the records that it names.
            try? journalFile.truncate(to: journal.byteCount)
            try? journalFile.synchronise()
            throw named(error)
        }
        for entry in entries { _ = apply(entry) }
        journal = next
    }

    private func problem(with entries: [JournalEntry]) -> String? {
        var sourceCount = sources.count
        var pageCount = pages.count
        for entry in entries {
            switch entry {
            case .stream(let entry):
                var probe = stream
                if let problem = probe.append(entry) { return problem }
            case .pages(let pages, _):
                for page in pages {
                    if let problem = problem(with: page, pageCount: pageCount, sourceCount: sourceCount) {
                        return problem
                    }
                    pageCount = max(pageCount, page.page + 1)
                }
            case .source(let source):
                guard source.identifier != manifest.identifier else { return "a session that uses its own pages" }
                sourceCount += 1
            case .index(let blocks):
                for block in blocks {
                    if let problem = problem(withBlock: block, pageCount: pageCount, sourceCount: sourceCount) {
                        return problem
                    }
                }
            case .dropped, .forgotten, .unindexed: break
            }
        }
        return nil
    }

    /// Appends to the stream, cutting it first where the entry begins before its end.
    package func append(_ entry: StreamEntry) throws(SessionError) {
        try commit([.stream(entry)])
    }

    /// Stores pages: the records first, and when they are on the disk, the entries that make them visible, all at once.
    ///
    /// - Parameters:
    ///   - blocks: of the index.
    ///   - lists: what the token after these pages needs.
    /// - Returns: the records of pages and blocks, mapped.
    @discardableResult
    package func append(
        pages new: [NewPage],
        index blocks: [NewPage] = [],
        lists: StoredLists? = nil
    ) throws(SessionError) -> (pages: [any PageRecord], index: [any PageRecord]) {
        guard !new.isEmpty || !blocks.isEmpty else { return ([], []) }
        var entries: [PageEntry] = []
        let begin = recordEnd
        var offset = begin
        do throws(SessionError) {
            for record in new + blocks { entries.append(try write(record, at: &offset)) }
            try recordFile.synchronise()
        } catch {
            giveBackUnrecorded()
            throw named(error)
        }
        let pageEntries = Array(entries.prefix(new.count))
        let blockEntries = Array(entries.dropFirst(new.count))
        do throws(SessionError) {
            try commit(
                (pageEntries.isEmpty ? [] : [.pages(pageEntries, lists: lists)])
                    + (blockEntries.isEmpty ? [] : [.index(blockEntries)])
            )
        } catch {
            giveBackUnrecorded()
            throw error
        }
        let region = try recordFile.map(at: begin, count: offset - begin)
        func mapped(_ entry: PageEntry) -> any PageRecord {
            StoredRecord(
                region: region,
                offset: entry.offset - begin,
                form: manifest.forms[entry.form],
                checksums: entry.checksums,
                isFresh: true
            )
        }
        return (pageEntries.map(mapped), blockEntries.map(mapped))
    }

    private func write(_ new: NewPage, at offset: inout Int) throws(SessionError) -> PageEntry {
        let form = manifest.forms[new.form]
        precondition(new.record.count == form.usedBytes)
        let entry = PageEntry(
            page: new.page,
            filled: new.filled,
            source: 0,
            form: new.form,
            offset: offset,
            checksums: checksums(of: new)
        )
        try recordFile.write(new.record, at: offset)
        let fill = [UInt8](repeating: 0, count: form.recordBytes - form.usedBytes)
        if !fill.isEmpty { try recordFile.write(fill, at: offset + form.usedBytes) }
        offset += form.recordBytes
        return entry
    }

    /// Takes over the first `count` pages of another session by reference; nothing is copied. The stream has their tokens.
    package func adopt(_ other: StoredSession, pages count: Int) throws(SessionError) {
        precondition(other.pages.count >= count && other.manifest.fingerprint == manifest.fingerprint)
        var entries: [JournalEntry] = []
        var numbers: [Int: Int] = [:]
        var known = sources
        func number(_ source: SessionSource) -> Int {
            if let index = known.firstIndex(where: { $0.identifier == source.identifier }) { return index + 1 }
            known.append(source)
            entries.append(.source(source))
            return known.count
        }
        /// The same record, as this session knows it.
        func adopted(_ entry: PageEntry) -> PageEntry {
            var entry = entry
            if let number = numbers[entry.source] {
                entry.source = number
            } else {
                let source =
                    entry.source == 0
                    ? SessionSource(identifier: other.manifest.identifier, name: other.name)
                    : other.sources[entry.source - 1]
                // Pages that were this session's own come home.
                let found = source.identifier == manifest.identifier ? 0 : number(source)
                numbers[entry.source] = found
                entry.source = found
            }
            return entry
        }
        let pages = other.pages.prefix(count).map { entry in
            var entry = adopted(entry)
            entry.filled = min(entry.filled, stream.count - entry.page * PageLayout.positions)
            return entry
        }
        // Blocks that describe other pages too are of no use here, nor are those of another form.
        let blocks = other.indexBlocks.filter {
            $0.page * PageIndexBlock.pages + $0.filled <= count && $0.form < manifest.forms.count
                && manifest.forms[$0.form] == other.manifest.forms[$0.form]
        }.map(adopted)
        let lists = count == other.pages.count ? other.lists : nil
        try commit(entries + [.pages(pages, lists: lists)] + (blocks.isEmpty ? [] : [.index(blocks)]))
        forgetRegions()
    }

    /// Cuts off what was written and has no entry.
    private func giveBackUnrecorded() {
        try? recordFile.truncate(to: recordEnd)
    }

    /// The same error with the session's name.
    private func named(_ error: SessionError) -> SessionError {
        var error = error
        error.reason = "the session could not be written: \(error.subject): \(error.reason)"
        error.subject = name
        return error
    }
}

extension StoredSession {
    /// The checksums that a page's parts would be stored with.
    package func checksums(of page: NewPage) -> [UInt32] {
        let form = manifest.forms[page.form]
        let fill = [UInt8](repeating: 0, count: form.recordBytes - form.usedBytes)
        return (0..<form.checksumCount).map { part in
            let range = form.range(part).clamped(to: 0..<form.usedBytes)
            let checksum = Checksum.of(UnsafeRawBufferPointer(rebasing: page.record[range]))
            return part + 1 == form.checksumCount ? Checksum.of(fill, after: checksum) : checksum
        }
    }
}

extension StoredSession {
    /// Notes that a record of the session's own is not to be read again.
    package func drop(_ entry: PageEntry) throws(SessionError) {
        guard entry.source == 0 else { return }
        try commit([.dropped([entry.offset])])
    }
}

extension StoredSession {
    /// How far the journal reached at some time.
    package struct Mark: Sendable, Equatable {
        fileprivate let journalBytes: Int
        fileprivate let recordEnd: Int
    }

    package var mark: Mark { Mark(journalBytes: journal.byteCount, recordEnd: recordEnd) }

    /// Whether records were stored since a mark; nil stands for a session that had none.
    package func hasNewRecords(since mark: Mark?) -> Bool { recordEnd != mark?.recordEnd ?? 0 }

    /// Takes back every entry since a mark. There must be no new records since: others may have come to use them.
    ///
    /// This value still knows what is gone: open the session anew.
    package func rollBack(to mark: Mark) throws(SessionError) {
        precondition(access == .writing && mark.journalBytes <= journal.byteCount && !hasNewRecords(since: mark))
        do throws(SessionError) {
            try journalFile.truncate(to: mark.journalBytes)
            try journalFile.synchronise()
        } catch {
            throw named(error)
        }
    }
}

import JSONText
import KVCache
import Tensor

/// A session on the disk: what it has read, and where the pages of that lie.
///
/// Opening reads the manifest and the journal; records are mapped, and checked part by part when attention first comes to
/// them. Any number of processes may read a session, one may write to it. Not for use by several threads at once.
package final class StoredSession {
    package enum Access: Sendable {
        case reading, writing
        /// Reading, whatever state the journal is in: for those who look after damage.
        case inspecting
    }

    package let name: String
    package let folder: String
    package let manifest: SessionManifest
    package internal(set) var stream = SessionStream()
    /// By the page's place in the context; there is no gap, but the last ones of the stream may be missing.
    package internal(set) var pages: [PageEntry] = []
    /// What ranking knows of pages, by blocks of 16 of them. Any may be missing: it can be made from the pages.
    package internal(set) var index: [Int: PageEntry] = [:]
    /// What beside pages the token after the last stored one needs; nil where it needs nothing.
    package internal(set) var lists: StoredLists?
    package internal(set) var sources: [SessionSource] = []
    /// Records of the own file that were replaced.
    package internal(set) var retired: [PageEntry] = []
    /// Offsets of records that were given back.
    package internal(set) var dropped: Set<Int> = []
    package let access: Access

    var journal = Journal()
    let journalFile: SessionFile
    let recordFile: SessionFile
    /// Where the next record goes.
    var recordEnd = 0
    private let library: SessionLibrary
    private let useLock: FileLock
    private let writeLock: FileLock?
    /// Mapped record files by source, and how far; each keeps its session from being given back.
    private var regions: [Int: MappedRegion] = [:]
    private var borrowed: [Int: StoredSession] = [:]

    static let recordName = "pages"
    static let useLockName = "use.lock"
    static let writeLockName = "write.lock"

    /// - Parameter lock: the lock on its use where someone holds it already.
    /// - Throws: ``SessionError`` that names the session.
    init(
        folder: String,
        name: String,
        access: Access,
        library: SessionLibrary,
        lock: FileLock? = nil
    ) throws(SessionError) {
        self.name = name
        self.folder = folder
        self.access = access
        self.library = library
        var held = lock
        if held == nil { held = try FileLock(path: folder + "/" + Self.useLockName, .shared) }
        guard let held else {
            throw SessionError(.busy, name, "it is being tidied up by another process", hint: "try again in a moment")
        }
        useLock = held
        writeLock =
            access == .writing ? try FileLock(path: folder + "/" + Self.writeLockName, .exclusive) : nil
        guard access != .writing || writeLock != nil else {
            throw SessionError(
                .busy,
                name,
                "another process is writing to it",
                hint: "wait for it to end, or fork the session: soranji session fork \(name) OTHER"
            )
        }
        do throws(SessionError) {
            manifest = try SessionManifest(folder: folder)
            let writes = access == .writing
            journalFile = try SessionFile(path: folder + "/" + Journal.name, writing: writes)
            recordFile = try SessionFile(path: folder + "/" + Self.recordName, writing: writes)
        } catch {
            throw Self.named(error, name: name, folder: folder)
        }
        var journal = Journal()
        try journal.read(journalFile) { entry throws(SessionError) in apply(entry) }
        self.journal = journal
        if access != .inspecting, case .damaged(let why) = journal.ending {
            throw SessionError(
                .damaged,
                name,
                "its journal is damaged (\(why)); nothing after that is used",
                hint: "look at it with 'soranji session verify \(name)'; with --repair the rest is cut off"
            )
        }
        guard access == .writing else { return }
        // What a killed writer left without an entry.
        if case .torn = journal.ending {
            try journalFile.truncate(to: journal.byteCount)
            try journalFile.synchronise()
        }
        if try recordFile.byteCount() > recordEnd { try recordFile.truncate(to: recordEnd) }
    }

    /// The same error about a session one of whose files is missing or is none.
    private static func named(_ error: SessionError, name: String, folder: String) -> SessionError {
        guard [.missing, .malformed, .damaged].contains(error.kind) else { return error }
        let canBeMended = error.kind == .missing && error.subject == folder + "/" + recordName
        return SessionError(
            .damaged,
            name,
            "\(error.subject): \(error.reason)",
            hint: canBeMended
                ? "with 'soranji session verify \(name) --repair' what is lost is read anew"
                : error.hint ?? "it cannot be mended: remove it with 'soranji session rm \(name)', and make it anew"
        )
    }

    /// Tokens from the beginning on whose keys and values are stored.
    package var storedTokens: Int {
        var count = 0
        for (index, page) in pages.enumerated() {
            guard count == index * PageLayout.positions else { break }
            count += page.filled
        }
        return count
    }

    /// Bytes of the session's own files on the disk.
    package var diskBytes: Int {
        journalFile.allocatedBytes() + recordFile.allocatedBytes()
    }

    /// What is wrong with the journal; nil for one that can be read to its end.
    package var problem: String? {
        if case .damaged(let why) = journal.ending { return "its journal is damaged (\(why))" }
        return nil
    }

    /// When the journal was written to last, in seconds since 1970.
    package var lastChange: Double { journalFile.changeTime() }

    /// The sessions whose pages are used, by the names that they had then.
    package var parents: [SessionSource] {
        let used = Set(usedRecords.map(\.source))
        return sources.indices.filter { used.contains($0 + 1) }.map { sources[$0] }
    }

    /// All records that are in use: pages and blocks of the index, in order.
    package var usedRecords: [PageEntry] { pages + indexBlocks }

    /// Blocks of the index in order.
    package var indexBlocks: [PageEntry] { index.values.sorted { $0.page < $1.page } }

    /// Pages from the first one on that blocks of the index describe.
    package var indexedPages: Int {
        var count = 0
        while let block = index[count / PageIndexBlock.pages], count % PageIndexBlock.pages == 0 {
            count += block.filled
        }
        return count
    }

    /// What follows the last entry of the journal.
    var ending: Journal.Ending { journal.ending }

    // MARK: Entries

    /// - Returns: why an entry cannot be; nil when it was taken.
    func apply(_ entry: JournalEntry) -> String? {
        switch entry {
        case .stream(let entry):
            if let problem = stream.append(entry) { return problem }
            clipPages(to: entry.firstToken)
        case .pages(let entries, let new):
            for entry in entries {
                if let problem = problem(with: entry, pageCount: pages.count, sourceCount: sources.count) {
                    return problem
                }
                if entry.page < pages.count {
                    retire(pages[entry.page])
                    pages[entry.page] = entry
                } else {
                    pages.append(entry)
                }
                guard entry.source == 0 else { continue }
                recordEnd = max(recordEnd, end(of: entry))
            }
            lists = new ?? lists
            if let known = lists, known.tokens != storedTokens { lists = nil }
        case .source(let source):
            guard sources.count < 1 << 16, source.identifier != manifest.identifier else {
                return "a source that cannot be"
            }
            sources.append(source)
        case .dropped(let offsets):
            dropped.formUnion(offsets)
            retired.removeAll { dropped.contains($0.offset) }
        case .forgotten(let first): clipPages(to: first * PageLayout.positions)
        case .index(let entries):
            for entry in entries {
                if let problem = problem(withBlock: entry, pageCount: pages.count, sourceCount: sources.count) {
                    return problem
                }
                if let former = index.updateValue(entry, forKey: entry.page) { retire(former) }
                if entry.source == 0 { recordEnd = max(recordEnd, end(of: entry)) }
            }
        case .unindexed(let blocks):
            for block in blocks { if let entry = index.removeValue(forKey: block) { retire(entry) } }
        }
        return nil
    }

    func problem(with entry: PageEntry, pageCount: Int, sourceCount: Int) -> String? {
        guard entry.page <= pageCount else { return "page \(entry.page) comes after \(pageCount) pages" }
        guard entry.filled > 0, entry.page * PageLayout.positions + entry.filled <= stream.count else {
            return "page \(entry.page) holds more than was read"
        }
        guard entry.source <= sourceCount else { return "page \(entry.page) lies nowhere" }
        guard hasForm(entry, isPage: true) else { return "page \(entry.page) has another form" }
        return nil
    }

    func problem(withBlock entry: PageEntry, pageCount: Int, sourceCount: Int) -> String? {
        guard entry.page * PageIndexBlock.pages + entry.filled <= pageCount else {
            return "block \(entry.page) of the index describes more than \(pageCount) pages"
        }
        guard entry.source <= sourceCount else { return "block \(entry.page) of the index lies nowhere" }
        guard hasForm(entry, isPage: false) else { return "block \(entry.page) of the index has another form" }
        return nil
    }

    private func hasForm(_ entry: PageEntry, isPage: Bool) -> Bool {
        guard entry.form < manifest.forms.count, entry.offset % 4096 == 0, entry.offset < 1 << 50 else { return false }
        let form = manifest.forms[entry.form]
        return form.isPage == isPage && entry.checksums.count == form.checksumCount
    }

    private func clipPages(to count: Int) {
        while let last = pages.last, last.page * PageLayout.positions >= count {
            retire(last)
            pages.removeLast()
        }
        if var last = pages.last, last.page * PageLayout.positions + last.filled > count {
            last.filled = count - last.page * PageLayout.positions
            pages[pages.count - 1] = last
        }
        let fullPages = count / PageLayout.positions
        for block in indexBlocks where block.page * PageIndexBlock.pages + block.filled > fullPages {
            retire(block)
            index[block.page] = nil
        }
        if let known = lists, known.tokens > count { lists = nil }
    }

    private func retire(_ entry: PageEntry) {
        if entry.source == 0, !dropped.contains(entry.offset) { retired.append(entry) }
    }

    // MARK: Records

    /// The first `count` pages' records, mapped.
    package func records(count: Int) throws(SessionError) -> [any PageRecord] {
        var records: [any PageRecord] = []
        records.reserveCapacity(count)
        for entry in pages.prefix(count) { records.append(try record(entry)) }
        return records
    }

    /// The record of a page or a block of the index, mapped.
    package func mapped(_ entry: PageEntry) throws(SessionError) -> any PageRecord { try record(entry) }

    /// The byte after an entry's record.
    func end(of entry: PageEntry) -> Int { entry.offset + manifest.forms[entry.form].recordBytes }

    func record(_ entry: PageEntry, isFresh: Bool = false) throws(SessionError) -> StoredRecord {
        StoredRecord(
            region: try region(source: entry.source, end: end(of: entry)),
            offset: entry.offset,
            form: manifest.forms[entry.form],
            checksums: entry.checksums,
            isFresh: isFresh
        )
    }

    private func region(source: Int, end: Int) throws(SessionError) -> MappedRegion {
        if let region = regions[source], region.count >= end { return region }
        let owner = try session(source: source)
        // As far as any page needs it, so that there is one mapping per file.
        let needed = usedRecords.reduce(end) { $1.source == source ? max($0, self.end(of: $1)) : $0 }
        let region: MappedRegion
        do throws(SessionError) {
            region = try owner.recordFile.map(at: 0, count: needed)
        } catch {
            guard error.kind == .damaged else { throw error }
            throw SessionError(
                .damaged,
                name,
                "\(owner.recordFile.path) is shorter than the journal says",
                hint: "look at it with 'soranji session verify \(name)'; with --repair what is lost is read anew"
            )
        }
        regions[source] = region
        return region
    }

    private func session(source: Int) throws(SessionError) -> StoredSession {
        guard source > 0 else { return self }
        if let known = borrowed[source] { return known }
        let wanted = sources[source - 1]
        guard let other = try library.find(identifier: wanted.identifier, access: .inspecting) else {
            throw SessionError(
                .missing,
                name,
                "it uses pages of the session '\(wanted.name)', which is gone",
                hint: "'soranji session verify \(name) --repair' cuts off what is lost"
            )
        }
        // Later versions add forms behind the ones before.
        guard other.manifest.fingerprint == manifest.fingerprint,
            zip(other.manifest.forms, manifest.forms).allSatisfy({ $0 == $1 })
        else {
            throw SessionError(.damaged, name, "the pages of '\(wanted.name)' are of another form")
        }
        borrowed[source] = other
        return other
    }

    /// Forgets mappings, after files have grown.
    func forgetRegions() { regions = [:] }
}

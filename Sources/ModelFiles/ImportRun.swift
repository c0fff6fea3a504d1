import Glibc
import Synchronization

/// The threads of one import and what they share.
final class ImportRun: Sendable {
    private let files: [OutputFile]
    private let hashed: [String]
    private let folder: String
    private let units: [Unit]
    private let bytesTotal: Int

    private let nextUnit = Atomic<Int>(0)
    private let bytesDone = Atomic<Int>(0)
    private let activeThreads = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let shared: Mutex<Shared>

    /// A piece of work: some panels of a matrix, or all vectors of a file.
    private struct Unit: Sendable {
        var file: Int
        /// Nil: the header and the vectors.
        var matrix: Int?
        var panels: Range<Int>
    }

    private struct Shared {
        var open: [Int: OutputDescriptor] = [:]
        var unitsLeft: [Int]
        var error: ModelFileError?
        var name = ""
        var hashes: [BundleManifest.SourceFile] = []
    }

    init(files: [OutputFile], hashed: [String], folder: String) {
        self.files = files
        self.hashed = hashed
        self.folder = folder
        var units: [Unit] = []
        var unitsLeft = [Int](repeating: 0, count: files.count)
        for (number, file) in files.enumerated() {
            let before = units.count
            units.append(Unit(file: number, matrix: nil, panels: 0..<0))
            for (index, matrix) in file.matrices.enumerated() {
                let panels = matrix.shape.panels / matrix.parts.count
                let step = PanelPacker.panelsPerChunk(columns: matrix.shape.columns)
                for first in Swift.stride(from: 0, to: panels, by: step) {
                    units.append(Unit(file: number, matrix: index, panels: first..<min(panels, first + step)))
                }
            }
            unitsLeft[number] = units.count - before
        }
        self.units = units
        let sources = hashed.reduce(0) { $0 + (Paths.byteCount($1) ?? 0) }
        bytesTotal = files.reduce(sources) { $0 + $1.byteCount }
        shared = Mutex(Shared(unitsLeft: unitsLeft))
    }

    /// Makes the folders that the files go into.
    func makeFolders(_ staging: StagingFolder) throws(ModelFileError) {
        for folder in Set(files.map { Paths.folder($0.path) }).sorted() where folder != "." {
            try staging.makeFolder(folder)
        }
    }

    /// Packs and hashes everything; returns the hashes.
    func perform(
        threadCount: Int,
        isCancelled: () -> Bool,
        progress: (ImportProgress) -> Void
    ) throws(ModelFileError) -> [BundleManifest.SourceFile] {
        let threads = WorkerThreads()
        let count = min(max(1, threadCount), 64)
        activeThreads.store(count + 1, ordering: .sequentiallyConsistent)
        threads.start { self.runHashing() }
        for _ in 0..<count { threads.start { self.runPacking() } }
        var pause: UInt32 = 500
        while activeThreads.load(ordering: .acquiring) > 0 {
            usleep(pause)
            pause = min(pause * 2, 50_000)
            if isCancelled() { stop(ModelFileError(.cancelled, folder, "the import was cancelled")) }
            report(progress)
        }
        threads.join()
        report(progress)
        let (error, hashes) = shared.withLock { ($0.error, $0.hashes) }
        if let error { throw error }
        return hashes
    }

    private func report(_ progress: (ImportProgress) -> Void) {
        let name = shared.withLock { $0.name }
        progress(
            ImportProgress(bytesDone: bytesDone.load(ordering: .relaxed), bytesTotal: bytesTotal, name: name)
        )
    }

    /// The first error counts; everybody stops at their next step.
    private func stop(_ error: ModelFileError) {
        shared.withLock { if $0.error == nil { $0.error = error } }
        isStopped.store(true, ordering: .releasing)
    }

    private func add(_ bytes: Int) { bytesDone.add(bytes, ordering: .relaxed) }

    private func runHashing() {
        defer { activeThreads.subtract(1, ordering: .acquiringAndReleasing) }
        for path in hashed {
            do throws(ModelFileError) {
                let (bytes, sum) = try SourceHasher.hash(path) { count in
                    add(count)
                    return !isStopped.load(ordering: .acquiring)
                }
                shared.withLock { $0.hashes.append(.init(name: Paths.name(path), bytes: bytes, sha256: sum)) }
            } catch {
                stop(error)
                return
            }
        }
    }

    private func runPacking() {
        defer { activeThreads.subtract(1, ordering: .acquiringAndReleasing) }
        let packer = PanelPacker()
        let output = ScratchBuffer()
        while !isStopped.load(ordering: .acquiring) {
            let number = nextUnit.add(1, ordering: .relaxed).oldValue
            guard number < units.count else { return }
            do throws(ModelFileError) {
                try perform(units[number], packer, output)
            } catch {
                stop(error)
            }
        }
    }

    private func perform(_ unit: Unit, _ packer: PanelPacker, _ output: ScratchBuffer) throws(ModelFileError) {
        let file = files[unit.file]
        let descriptor = try open(unit.file)
        if let matrix = unit.matrix {
            try write(file.matrices[matrix], unit.panels, packer, output, to: descriptor)
        } else {
            try file.header.withUnsafeBytesTyped { bytes throws(ModelFileError) in try descriptor.write(bytes, at: 0) }
            add(file.header.count)
            for vector in file.vectors { try write(vector, to: descriptor) }
        }
        let isLast = shared.withLock { shared in
            shared.unitsLeft[unit.file] -= 1
            if shared.unitsLeft[unit.file] == 0 { shared.open[unit.file] = nil }
            return shared.unitsLeft[unit.file] == 0
        }
        if isLast { try descriptor.finish() }
    }

    /// The file's descriptor, opened by whoever comes first.
    private func open(_ number: Int) throws(ModelFileError) -> OutputDescriptor {
        let path = folder + "/" + files[number].path
        let result: Result<OutputDescriptor, ModelFileError> = shared.withLock { shared in
            if let descriptor = shared.open[number] { return .success(descriptor) }
            shared.name = files[number].path
            do throws(ModelFileError) {
                let descriptor = try OutputDescriptor(path: path)
                shared.open[number] = descriptor
                return .success(descriptor)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func write(
        _ matrix: OutputFile.OutputMatrix,
        _ panels: Range<Int>,
        _ packer: PanelPacker,
        _ output: ScratchBuffer,
        to descriptor: OutputDescriptor
    ) throws(ModelFileError) {
        let panelBytes = (matrix.shape.byteCount ?? 0) / matrix.shape.panels
        let stride = panelBytes * matrix.parts.count
        let buffer = output.reserve(stride * panels.count)
        guard let start = buffer.baseAddress else { return }
        for (index, part) in matrix.parts.enumerated() {
            try packer.pack(
                part,
                as: matrix.shape.type,
                panels: panels,
                into: start + index * panelBytes,
                stride: stride
            )
        }
        let count = stride * panels.count
        try descriptor.write(
            UnsafeRawBufferPointer(start: start, count: count),
            at: matrix.offset + panels.lowerBound * stride
        )
        add(count)
    }

    private func write(
        _ vector: OutputFile.OutputVector,
        to descriptor: OutputDescriptor
    ) throws(ModelFileError) {
        let tensor = vector.slice.tensor
        guard let values = vector.slice.vectorValues() else {
            throw ModelFileError(
                .unsupported,
                tensor.path,
                "tensor '\(tensor.name)' of type \(tensor.type) cannot be read"
            )
        }
        if let position = values.firstIndex(where: { !$0.isFinite }) {
            throw ModelFileError(
                .nonFinite,
                tensor.path,
                "tensor '\(tensor.name)' holds \(values[position]) at element \(vector.slice.sourceRow(position))",
                hint: "The checkpoint is damaged: fetch it again."
            )
        }
        let bytes = values.withUnsafeBytes { Array($0) }
        try bytes.withUnsafeBytesTyped { buffer throws(ModelFileError) in
            try descriptor.write(buffer, at: vector.offset)
        }
        add(bytes.count)
    }
}

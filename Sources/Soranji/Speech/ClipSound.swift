import Media

/// The sound of a file: any recording or clip that libav reads, as mono at 16 kHz.
public struct ClipSound: SoundSource {
    private let reader: SoundReader
    private var rest: ArraySlice<Float> = []

    /// Opens the file's best sound stream.
    ///
    /// - Throws: an error that names the file: unreadable, no sound, or a codec that is not there.
    public init(path: String) throws { reader = try MediaFile(path: path).sound() }

    public mutating func read(maximum: Int) throws -> [Float] {
        if rest.isEmpty, let piece = try reader.next() { rest = piece[...] }
        let count = min(max(1, maximum), rest.count)
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

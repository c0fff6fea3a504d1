/// Writes a two-dimensional float32 array as a NumPy `.npy` file (format version 1.0), row by row.
///
/// The number of rows need not be known before. The file appears under its name when ``finish()`` returns, or never.
public struct NumpyWriter: ~Copyable {
    /// Elements of each row.
    public let columns: Int
    /// Rows written so far.
    public private(set) var rows = 0
    private let file: AtomicFile

    /// - Parameter path: the final name; a file of that name is replaced when the array is complete.
    public init(path: String, columns: Int) throws(SystemError) {
        let file = try AtomicFile(path: path)
        try file.write(Self.header(rows: 0, columns: columns))
        self.columns = columns
        self.file = file
    }

    /// Appends one row of ``columns`` elements.
    ///
    /// - Precondition: `row.count == columns`.
    public mutating func append(_ row: UnsafeBufferPointer<Float>) throws(SystemError) {
        precondition(row.count == columns, "a row of \(row.count) elements in an array of \(columns) columns")
        #if _endian(little)
            try file.write(UnsafeRawBufferPointer(row))
        #else
            #error("rows are written as they lie in memory, and the header says little-endian")
        #endif
        rows += 1
    }

    public mutating func append(_ row: [Float]) throws(SystemError) {
        var failure: SystemError?
        row.withUnsafeBufferPointer { buffer in
            do throws(SystemError) {
                try append(buffer)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Writes the shape and gives the file its name.
    public consuming func finish() throws(SystemError) {
        try file.rewriteStart(Self.header(rows: rows, columns: columns))
        try file.commit()
    }

    /// 128 bytes whatever the shape, so that it can be written over once the rows are counted.
    private static func header(rows: Int, columns: Int) -> [UInt8] {
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
        let magic: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        let length = 128 - magic.count - 2
        // Two numbers of 64 bits take at most 38 digits: the dictionary always fits.
        let padding = String(repeating: " ", count: length - dictionary.utf8.count - 1)
        return magic + [UInt8(length), 0] + Array((dictionary + padding + "\n").utf8)
    }
}

import Glibc

/// Reads documents of any supported kind; what they are is decided by their content before their name.
///
/// Text and Markdown must be UTF-8, or UTF-16 with a byte order mark. HTML is reduced to text, PDF goes through
/// poppler's `pdftotext`.
public struct DocumentReader: Sendable {
    /// Larger files are refused before they are read whole.
    public var maximumBytes: Int
    /// Seconds that `pdftotext` may take.
    public var pdfTimeout: Double
    /// The program that reads PDF, looked up in PATH.
    public var pdfReader = "pdftotext"

    public init(maximumBytes: Int = 256 << 20, pdfTimeout: Double = 120) {
        self.maximumBytes = maximumBytes
        self.pdfTimeout = pdfTimeout
    }

    /// Reads the file at `path`; "-" is standard input.
    ///
    /// Memory: proportional to the file. Time: linear in it (a PDF also takes its program's time).
    public func read(_ path: String) throws(DocumentError) -> Document {
        try read(contents(of: path), source: path)
    }

    /// The bytes of a file as they are; "-" is standard input.
    package func contents(of path: String) throws(DocumentError) -> [UInt8] {
        try path == "-" ? contents(of: STDIN_FILENO, source: path) : contents(ofFile: path)
    }

    /// The bytes of a file as they are, once they are known to be UTF-8.
    package func utf8(of path: String) throws(DocumentError) -> [UInt8] {
        let bytes = try contents(of: path)
        guard String(validating: bytes, as: UTF8.self) == nil else { return bytes }
        throw .notUTF8(source: path, offset: TextDecoding.firstInvalidUTF8(bytes, from: 0), declared: nil)
    }

    /// Reads a document that is in memory already; `source` names it in errors and gives its extension.
    public func read(_ bytes: [UInt8], source: String) throws(DocumentError) -> Document {
        guard bytes.count <= maximumBytes else {
            throw .tooLarge(source: source, bytes: bytes.count, maximum: maximumBytes)
        }
        let format = DocumentFormat.detect(bytes, source: source)
        let document: Document
        switch format {
        case .binary(let name): throw .binary(source: source, format: name)
        case .pdf: document = try readPDF(bytes, source: source)
        case .html: document = try readHTML(bytes, source: source)
        case .markdown, .text:
            let text = try TextDecoding.decode(bytes, source: source)
            let isMarkdown = format == .markdown
            document = Document(
                title: (isMarkdown ? MarkdownTitle.find(in: text) : nil) ?? Self.fileName(source),
                text: text,
                kind: isMarkdown ? .markdown : .text,
                source: source
            )
        }
        guard document.text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            throw document.kind == .pdf ? .noTextInPDF(source: source) : .empty(source: source)
        }
        return document
    }

    private func readHTML(_ bytes: [UInt8], source: String) throws(DocumentError) -> Document {
        let reduced = HTMLText.reduce(try TextDecoding.decodeHTML(bytes, source: source))
        return Document(
            title: reduced.title ?? Self.fileName(source),
            text: reduced.text,
            kind: .html,
            source: source,
            sourceLines: reduced.lines
        )
    }

    static func fileName(_ source: String) -> String {
        if source == "-" { return "standard input" }
        return source.split(separator: "/").last.map(String.init) ?? source
    }

    // MARK: Files

    private func contents(ofFile path: String) throws(DocumentError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable(SystemError("open", path)) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .unreadable(SystemError("read", path)) }
        if status.st_mode & S_IFMT == S_IFDIR { throw .isFolder(source: path) }
        if status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) > maximumBytes {
            throw .tooLarge(source: path, bytes: Int(status.st_size), maximum: maximumBytes)
        }
        return try contents(of: descriptor, source: path)
    }

    /// Everything until the end of a file or pipe, but not more than the limit.
    private func contents(of descriptor: Int32, source: String) throws(DocumentError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = chunk.withUnsafeMutableBytes { buffer in
                retryingInterrupts { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
            }
            guard count >= 0 else {
                throw .unreadable(SystemError("read", source == "-" ? "standard input" : source))
            }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= maximumBytes else { throw .tooLarge(source: source, bytes: 0, maximum: maximumBytes) }
        }
    }
}

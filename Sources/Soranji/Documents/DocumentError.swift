/// Why a document cannot be read. The description names the document; the hint says what helps.
public enum DocumentError: HintedError, Equatable {
    case unreadable(SystemError)
    case isFolder(source: String)
    case empty(source: String)
    case tooLarge(source: String, bytes: Int, maximum: Int)
    /// Not UTF-8, first at byte `offset`. `declared` is the encoding that the document says it has.
    case notUTF8(source: String, offset: Int, declared: String?)
    /// A UTF-16 text that stops inside a character, or pairs surrogates wrongly, at byte `offset`.
    case invalidUTF16(source: String, offset: Int)
    /// A known format that is no text.
    case binary(source: String, format: String)
    case noTextInPDF(source: String)
    case missingPDFReader(source: String)
    case failedPDFReader(source: String, reason: String)

    public var description: String {
        switch self {
        case .unreadable(let error): error.description
        case .isFolder(let source): "\(source) is a folder, not a document"
        case .empty(let source): "\(name(source)) holds no text"
        case .tooLarge(let source, let bytes, let maximum):
            bytes > maximum
                ? "\(name(source)) is \(FixedPoint.bytes(bytes)), more than the limit of \(FixedPoint.bytes(maximum))"
                : "\(name(source)) is larger than the limit of \(FixedPoint.bytes(maximum))"
        case .notUTF8(let source, let offset, let declared):
            "\(name(source)) is not UTF-8: invalid at byte \(offset)"
                + (declared.map { " (it declares \($0))" } ?? "")
        case .invalidUTF16(let source, let offset): "\(name(source)) is not valid UTF-16: invalid at byte \(offset)"
        case .binary(let source, let format): "\(name(source)) is \(format), not text"
        case .noTextInPDF(let source): "\(name(source)) is a PDF without text: its pages are pictures"
        case .missingPDFReader(let source): "\(name(source)) is a PDF, and the program pdftotext is not installed"
        case .failedPDFReader(let source, let reason): "pdftotext cannot read \(name(source)): \(reason)"
        }
    }

    public var hint: String? {
        switch self {
        case .unreadable(let error): error.hint
        case .isFolder: "name its files one by one"
        case .empty(let source):
            source == "-"
                ? "pipe a text into it, for example: soranji ask --doc - QUESTION < notes.txt"
                : "name a file with text in it"
        case .tooLarge: "split it, or keep the part that the question is about"
        case .notUTF8(let source, _, let declared):
            "convert it: iconv -f \(declared ?? "ISO-8859-1") -t UTF-8 \(path(source)) > converted.txt"
        case .invalidUTF16(let source, _): "convert it: iconv -c -f UTF-16 -t UTF-8 \(path(source)) > converted.txt"
        case .binary(_, let format):
            format.contains("UTF-") ? "convert it with iconv" : "export it as text, Markdown, HTML or PDF"
        case .noTextInPDF: "recognise its text first, for example with ocrmypdf"
        case .missingPDFReader: "apt-get install poppler-utils"
        case .failedPDFReader: nil
        }
    }

    private func name(_ source: String) -> String { source == "-" ? "standard input" : source }

    private func path(_ source: String) -> String { source == "-" ? "FILE" : source }
}

extension DocumentReader {
    /// Text of a PDF by poppler's `pdftotext`, its pages one after the other.
    func readPDF(_ bytes: [UInt8], source: String) throws(DocumentError) -> Document {
        let output: Subprocess.Output
        do throws(Subprocess.Failure) {
            output = try Subprocess.run(
                pdfReader,
                ["-layout", "-enc", "UTF-8", "/dev/stdin", "-"],
                input: bytes,
                timeout: pdfTimeout,
                maximumOutput: maximumBytes
            )
        } catch {
            switch error {
            case .notFound: throw .missingPDFReader(source: source)
            case .timedOut:
                throw .failedPDFReader(
                    source: source,
                    reason: "not done after \(FixedPoint.duration(pdfTimeout)), so it was ended"
                )
            case .tooMuchOutput: throw .tooLarge(source: source, bytes: 0, maximum: maximumBytes)
            case .system(let error): throw .unreadable(error)
            }
        }
        guard output.status == 0 else {
            throw .failedPDFReader(source: source, reason: Self.reason(for: output))
        }
        let (text, pageStarts) = PDFText.arrange(String(decoding: output.standardOutput, as: UTF8.self))
        return Document(
            title: Self.fileName(source),
            text: text,
            kind: .pdf,
            source: source,
            pageStarts: pageStarts
        )
    }

    /// The last line that the program printed, which is the one that says why it gave up.
    private static func reason(for output: Subprocess.Output) -> String {
        let lines = String(decoding: output.standardError, as: UTF8.self).split { $0.isNewline }
        guard let last = lines.last else { return "exit status \(output.status)" }
        let needsPassword = lines.contains { $0.contains("Incorrect password") }
        return needsPassword ? "it is protected by a password" : String(last.prefix(200))
    }
}

/// Tidies the output of `pdftotext -layout`.
enum PDFText {
    /// Pages end with form feeds; they become line breaks, and the offset of each page's first byte is kept.
    ///
    /// The margin that all lines of a page share is dropped, so are spaces at line ends and runs of blank lines: they
    /// carry nothing and cost tokens. Cost: linear.
    static func arrange(_ output: String) -> (text: String, pageStarts: [Int]) {
        var text: [UInt8] = []
        var starts: [Int] = []
        var pages = Array(output.utf8).split(separator: 0x0C, omittingEmptySubsequences: false)
        // What follows the last form feed is no page.
        if let last = pages.last, pages.count > 1, last.allSatisfy(isSpace) { pages.removeLast() }
        for page in pages {
            if !text.isEmpty { text.append(0x0A) }
            starts.append(text.count)
            append(page, to: &text)
        }
        return (String(decoding: text, as: UTF8.self), starts)
    }

    private static func append(_ page: ArraySlice<UInt8>, to text: inout [UInt8]) {
        var lines = page.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            line[..<(line.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? line.startIndex)]
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        let margins: [Int] = lines.filter { !$0.isEmpty }.map { line in line.prefix { $0 == 0x20 }.count }
        let margin = margins.min() ?? 0
        var isBlank = true
        for line in lines {
            // A blank line stands for any number of them, and none begins a page.
            if line.isEmpty, isBlank { continue }
            isBlank = line.isEmpty
            text.append(contentsOf: line.dropFirst(margin))
            text.append(0x0A)
        }
    }
}

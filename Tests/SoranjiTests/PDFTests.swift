import Testing

@testable import Soranji

struct PDFTests {
    /// A PDF of one line of text per page, written object by object.
    static func pdf(_ pages: [String]) -> [UInt8] {
        var bytes = Array("%PDF-1.4\n".utf8)
        var offsets: [Int] = []
        func add(_ body: String) {
            offsets.append(bytes.count)
            bytes += Array("\(offsets.count) 0 obj\n\(body)\nendobj\n".utf8)
        }
        let kids = pages.indices.map { "\(4 + 2 * $0) 0 R" }.joined(separator: " ")
        add("<< /Type /Catalog /Pages 2 0 R >>")
        add("<< /Type /Pages /Kids [\(kids)] /Count \(pages.count) >>")
        add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
        for (index, text) in pages.enumerated() {
            let stream = text.isEmpty ? "" : "BT /F1 12 Tf 72 700 Td (\(text)) Tj ET"
            add(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents \(5 + 2 * index) 0 R"
                    + " /Resources << /Font << /F1 3 0 R >> >> >>"
            )
            add("<< /Length \(stream.utf8.count) >>\nstream\n\(stream)\nendstream")
        }
        let start = bytes.count
        bytes += Array("xref\n0 \(offsets.count + 1)\n0000000000 65535 f \n".utf8)
        for offset in offsets {
            let digits = String(offset)
            bytes += Array((String(repeating: "0", count: 10 - digits.count) + digits + " 00000 n \n").utf8)
        }
        bytes += Array("trailer\n<< /Size \(offsets.count + 1) /Root 1 0 R >>\nstartxref\n\(start)\n%%EOF\n".utf8)
        return bytes
    }

    @Test(.enabled(if: isInstalled("pdftotext"), "needs poppler-utils"))
    func readsPagesInOrder() throws {
        let document = try DocumentReader().read(Self.pdf(["The first page.", "The second page."]), source: "a/b.pdf")
        #expect(document.kind == .pdf)
        #expect(document.title == "b.pdf")
        #expect(document.text == "The first page.\n\nThe second page.\n")
        #expect(document.page(at: 3) == 1)
        #expect(document.page(at: 20) == 2)
        #expect(document.passage(at: 20..<24)?.pages == 2...2)
    }

    @Test(.enabled(if: isInstalled("pdftotext"), "needs poppler-utils"))
    func saysWhyAPDFCannotBeRead() {
        #expect(throws: DocumentError.noTextInPDF(source: "scan.pdf")) {
            try DocumentReader().read(Self.pdf([""]), source: "scan.pdf")
        }
        let error = #expect(throws: DocumentError.self) {
            try DocumentReader().read(Array("%PDF-1.4 and nothing else".utf8), source: "torn.pdf")
        }
        #expect(error?.description.hasPrefix("pdftotext cannot read torn.pdf: ") == true)
    }

    @Test func saysWhatToInstall() {
        var reader = DocumentReader()
        reader.pdfReader = "soranji-no-such-program"
        let error = #expect(throws: DocumentError.missingPDFReader(source: "a.pdf")) {
            try reader.read(Self.pdf(["x"]), source: "a.pdf")
        }
        #expect(error?.hint == "apt-get install poppler-utils")
    }

    @Test func arrangesPages() {
        let output = "\n\n    Title  \n\n\n      indented\n\u{C}   b\n\u{C}"
        let (text, starts) = PDFText.arrange(output)
        #expect(text == "Title\n\n  indented\n\nb\n")
        #expect(starts == [0, 19])
    }
}

struct SubprocessTests {
    private func run(
        _ script: String,
        input: String = "",
        timeout: Double = 30,
        maximumOutput: Int = 1 << 20
    ) throws(Subprocess.Failure) -> Subprocess.Output {
        try Subprocess.run(
            "sh",
            ["-c", script],
            input: Array(input.utf8),
            timeout: timeout,
            maximumOutput: maximumOutput
        )
    }

    @Test func collectsBothStreamsAndTheStatus() throws {
        let output = try run("cat; echo oops >&2; exit 3", input: "hello")
        #expect(
            output
                == Subprocess.Output(
                    standardOutput: Array("hello".utf8),
                    standardError: Array("oops\n".utf8),
                    status: 3
                )
        )
        #expect(try run("kill -TERM $$").status == 143)
        let big = String(repeating: "0123456789abcdef", count: 20_000)
        #expect(try run("cat", input: big).standardOutput == Array(big.utf8))
    }

    @Test func boundsTimeAndOutput() {
        #expect(throws: Subprocess.Failure.timedOut) { try run("sleep 60", timeout: 0.2) }
        #expect(throws: Subprocess.Failure.tooMuchOutput) { try run("yes", maximumOutput: 100_000) }
        #expect(throws: Subprocess.Failure.notFound) {
            try Subprocess.run("soranji-no-such-program", [], input: [], timeout: 1, maximumOutput: 1)
        }
    }
}

import Testing

@testable import Soranji

struct DocumentTests {
    private func read(_ text: String, _ source: String = "notes.txt") throws -> Document {
        try DocumentReader().read(Array(text.utf8), source: source)
    }

    @Test func textStaysAsItIs() throws {
        let text = "\t First line\r\n\r\nsecond  line \n"
        let document = try read(text, "folder/notes.txt")
        #expect(document.text == text)
        #expect(document.kind == .text)
        #expect(document.title == "notes.txt")
        #expect(document.lineCount == 3)
    }

    @Test func stripsTheByteOrderMark() throws {
        let document = try DocumentReader().read([0xEF, 0xBB, 0xBF] + Array("été".utf8), source: "a")
        #expect(document.text == "été")
    }

    @Test(arguments: [true, false])
    func decodesUTF16(bigEndian: Bool) throws {
        let text = "Größe: 5 µm, 日本, 😀"
        var bytes: [UInt8] = bigEndian ? [0xFE, 0xFF] : [0xFF, 0xFE]
        for unit in text.utf16 {
            let high = UInt8(unit >> 8)
            let low = UInt8(unit & 0xFF)
            bytes += bigEndian ? [high, low] : [low, high]
        }
        #expect(try DocumentReader().read(bytes, source: "a").text == text)
        // Cut in the middle of the last surrogate pair, and in the middle of a unit.
        #expect(throws: DocumentError.invalidUTF16(source: "a", offset: bytes.count - 4)) {
            try DocumentReader().read(Array(bytes.dropLast(2)), source: "a")
        }
        #expect(throws: DocumentError.invalidUTF16(source: "a", offset: bytes.count - 2)) {
            try DocumentReader().read(Array(bytes.dropLast(1)), source: "a")
        }
    }

    @Test(arguments: [
        ([UInt8]("Caf".utf8) + [0xE9, 0x20], 3), ([0x61, 0xC3], 1), ([0xC0, 0x80], 0), ([0x61, 0xED, 0xA0, 0x80], 1),
        ([0xF4, 0x90, 0x80, 0x80], 0), ([0xE2, 0x82, 0x41], 0), (Array("ok é ".utf8) + [0xFF, 0xFE], 6),
    ])
    func namesTheFirstInvalidByte(_ bytes: [UInt8], _ offset: Int) {
        #expect(throws: DocumentError.notUTF8(source: "a.txt", offset: offset, declared: nil)) {
            try DocumentReader().read(bytes, source: "a.txt")
        }
        let error = DocumentError.notUTF8(source: "a.txt", offset: offset, declared: nil)
        #expect(error.description == "a.txt is not UTF-8: invalid at byte \(offset)")
        #expect(error.hint == "convert it: iconv -f ISO-8859-1 -t UTF-8 a.txt > converted.txt")
    }

    @Test func readsTheEncodingThatAPageDeclares() throws {
        let latin = Array("<html><meta charset=\"ISO-8859-1\"><p>caf".utf8) + [0xE9, 0x20, 0x80]
        #expect(try DocumentReader().read(latin, source: "a").text == "café €")
        let greek = Array("<html><meta charset=ISO-8859-7><p>".utf8) + [0xE1]
        #expect(throws: DocumentError.notUTF8(source: "a", offset: greek.count - 1, declared: "iso-8859-7")) {
            try DocumentReader().read(greek, source: "a")
        }
    }

    @Test(arguments: [
        ("  <!-- x -->\n<!DOCTYPE HTML><p>x", "a.txt", Document.Kind.html),
        ("<?xml version=\"1.0\"?><html xmlns=\"x\"><p>x</p></html>", "a", .html),
        ("<p>x", "a.HTML", .html), ("<p>x", "a.txt", .text), ("# x", "b.md", .markdown), ("# x", ".md", .text),
        ("<htmlish> is no element", "a.txt", .text), ("A PDF begins with %PDF-1.4.", "a.txt", .text),
    ])
    func detectsByContentBeforeExtension(_ text: String, _ source: String, _ kind: Document.Kind) throws {
        #expect(try read(text, source).kind == kind)
    }

    @Test(arguments: [
        ([UInt8]([0x50, 0x4B, 3, 4, 0, 0]), "a ZIP archive (as .docx, .odt and .epub are)"),
        ([0x89, 0x50, 0x4E, 0x47, 13], "a PNG picture"), ([0x61, 0, 0xFF, 1, 2, 3], "a binary file"),
        (Array("plain text".utf16.map { [UInt8($0), 0] }.joined()), "a UTF-16LE text without a byte order mark"),
    ])
    func refusesWhatIsNoText(_ bytes: [UInt8], _ format: String) {
        #expect(throws: DocumentError.binary(source: "a.txt", format: format)) {
            try DocumentReader().read(bytes, source: "a.txt")
        }
    }

    @Test func refusesEmptyAndLargeDocuments() {
        #expect(throws: DocumentError.empty(source: "a.txt")) { try read("", "a.txt") }
        #expect(throws: DocumentError.empty(source: "a.txt")) { try read(" \n\t\u{2003}\n", "a.txt") }
        #expect(throws: DocumentError.empty(source: "a.html")) { try read("<script>x</script>", "a.html") }
        let folder = TemporaryFolder()
        let path = folder.file("large.txt", Array(repeating: 0x61, count: 2000))
        #expect(throws: DocumentError.tooLarge(source: path, bytes: 2000, maximum: 1999)) {
            try DocumentReader(maximumBytes: 1999).read(path)
        }
        #expect(throws: DocumentError.tooLarge(source: "/dev/zero", bytes: 0, maximum: 100_000)) {
            try DocumentReader(maximumBytes: 100_000).read("/dev/zero")
        }
    }

    @Test func namesUnreadablePaths() throws {
        let error = #expect(throws: DocumentError.self) { try DocumentReader().read("/nonexistent/a.txt") }
        #expect(error?.description == "cannot open /nonexistent/a.txt: No such file or directory")
        #expect(throws: DocumentError.isFolder(source: "/tmp")) { try DocumentReader().read("/tmp") }
    }

    @Test(arguments: [
        ("intro\n\n# The *Title* #\n\n## Other", "The *Title*"), ("```\n# code\n```\n# Real", "Real"),
        ("---\ntitle: \"Front\"\n---\n# Body", "Front"), ("Under\n=====\ntext", "Under"), ("no title\n#hash", "b.md"),
        ("---\n---\n# Body", "Body"), ("---\ntitle:\n", "b.md"), ("#  \n", "b.md"),
    ])
    func findsMarkdownTitles(_ text: String, _ title: String) throws {
        #expect(try read(text, "b.md").title == title)
    }

    @Test func numbersLines() throws {
        let document = try read("a\nb\r\nc\rd")
        let lines = (0...8).map { document.line(at: $0) }
        #expect(lines == [1, 1, 2, 2, 2, 3, 3, 4, 4])
        #expect(document.line(at: -5) == 1)
        #expect(document.line(at: 1000) == 4)
        #expect(document.page(at: 0) == nil)
    }
}

import Testing

@testable import SoranjiCLI

struct KeyDecoderTests {
    private func keys(_ bytes: [UInt8]) -> [Key] {
        var decoder = KeyDecoder()
        return bytes.compactMap { decoder.feed($0) }
    }

    private func keys(_ text: String) -> [Key] { keys(Array(text.utf8)) }

    @Test(arguments: [
        ("a", [Key.text("a")]), ("é日😀", [.text("é"), .text("日"), .text("😀")]), ("\r", [.enter]), ("\n", [.enter]),
        ("\u{1}\u{5}\u{B}\u{15}\u{17}\u{19}", [.home, .end, .killToEnd, .killToStart, .killWord, .yank]),
        ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
        ("\u{1B}OA\u{1B}OH\u{1B}OF", [.up, .home, .end]),
        ("\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~", [.home, .end, .home, .end, .home, .end]),
        ("\u{1B}[3~\u{7F}\u{8}", [.delete, .backspace, .backspace]),
        (
            "\u{1B}[1;5C\u{1B}[1;5D\u{1B}[1;3C\u{1B}b\u{1B}f",
            [.wordRight, .wordLeft, .wordRight, .wordLeft, .wordRight]
        ),
        ("\u{1B}d\u{1B}\u{7F}", [.killWordForward, .killWord]),
        ("\u{3}\u{4}\u{C}\t", [.interrupt, .endOfInput, .clearScreen, .tab]),
        // Unknown sequences vanish whole.
        ("\u{1B}[15~\u{1B}[?25hx\u{1B}[Zy", [.text("x"), .text("y")]),
        ("\u{1B}[200~a\r\nb\rc\td\u{7}\u{1B}[201~e", [.paste("a\nb\nc    d"), .text("e")]),
        ("\u{1B}[200~\u{1B}[201~", [.paste("")]),
    ])
    func decodes(_ text: String, _ expected: [Key]) {
        #expect(keys(text) == expected)
    }

    @Test func brokenUTF8IsPassedOver() {
        #expect(keys([0xC3, 0x61]) == [.text("a")])
        #expect(keys([0xFF, 0x80, 0xE2, 0x82, 0x0D]) == [.enter])
        #expect(keys([0xED, 0xA0, 0x80, 0x62]) == [.text("b")])
        #expect(keys([0xE2, 0x82, 0xC3, 0xA9]) == [.text("é")])
    }

    @Test func loneEscapeWaitsForMore() {
        var decoder = KeyDecoder()
        let escape = decoder.feed(0x1B)
        #expect(escape == nil)
        #expect(decoder.isPending)
        decoder.timeOut()
        #expect(!decoder.isPending)
        let letter = decoder.feed(UInt8(ascii: "b"))
        #expect(letter == .text("b"))
    }

    @Test func longPastesAreBoundedAndFast() {
        let text = String(repeating: "0123456789", count: 200_000)
        let found = keys("\u{1B}[200~" + text + "\u{1B}[201~z")
        guard found.count == 2, case .paste(let pasted) = found[0] else {
            Issue.record("expected a paste and a key, got \(found.count) keys")
            return
        }
        #expect(pasted.utf8.count <= 1 << 20)
        #expect(text.hasPrefix(pasted.prefix(1_000_000)))
        #expect(found[1] == .text("z"))
    }

    @Test func anyBytesAreSafe() {
        var state: UInt64 = 9
        var decoder = KeyDecoder()
        var buffer = LineBuffer()
        for _ in 0..<200_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let choices: [UInt8] = [0x1B, 0x5B, 0x7E, 0x32, 0x30, 0x31, UInt8(truncatingIfNeeded: state >> 40)]
            guard let key = decoder.feed(choices[Int(state >> 33) % choices.count]) else { continue }
            _ = buffer.apply(key)
            _ = buffer.moveRow(up: state >> 60 & 1 == 0)
            #expect(0...buffer.characters.count ~= buffer.cursor)
            if buffer.characters.count > 300 { buffer.set("") }
        }
    }
}

struct LineBufferTests {
    /// Types `text`, applies the keys, and shows the line with "|" at the cursor.
    private func edit(_ text: String, _ keys: [Key]) -> String {
        var buffer = LineBuffer()
        buffer.set(text)
        let edits = keys.map { buffer.apply($0) }
        #expect(edits.allSatisfy { $0 })
        return buffer.textBeforeCursor + "|" + String(buffer.characters[buffer.cursor...])
    }

    @Test(arguments: [
        ("abc", [Key.left, .left, .text("x")], "ax|bc"), ("abc", [.home, .delete, .right], "b|c"),
        ("abc", [.home, .backspace, .left], "|abc"), ("abc", [.delete, .right], "abc|"),
        ("one two_2  three", [.wordLeft, .wordLeft], "one |two_2  three"),
        ("one two", [.home, .wordRight], "one| two"),
        ("one two, ", [.killWord], "one |"), ("one two", [.home, .killWordForward], "| two"),
        ("one two", [.wordLeft, .killToEnd, .home, .yank], "two|one "),
        ("one two", [.wordLeft, .killToStart, .end, .yank], "twoone |"),
        ("été", [.backspace, .text("e"), .text("\u{301}")], "été|"), ("日本", [.left, .backspace], "|本"),
        ("👩‍👩‍👧x", [.left, .backspace], "|x"), ("a", [.paste("x\ny")], "ax\ny|"),
        ("ab\ncd\nef", [.left, .home, .killToEnd], "ab\ncd\n|"), ("ab\ncd", [.home, .killToStart], "ab\n|cd"),
        ("ab\ncd", [.home, .left, .killToEnd], "ab|cd"),
    ])
    func edits(_ text: String, _ keys: [Key], _ expected: String) {
        #expect(edit(text, keys) == expected)
    }

    @Test func movesBetweenRows() {
        var buffer = LineBuffer()
        buffer.set("long row\nab\nlast row")
        let steps = [true, true, true, false, false, false].map { up in
            (buffer.moveRow(up: up), buffer.textBeforeCursor)
        }
        #expect(steps.map(\.0) == [true, true, false, true, true, false])
        #expect(
            steps.map(\.1) == [
                "long row\nab", "lo", "lo", "long row\nab", "long row\nab\nla", "long row\nab\nla",
            ]
        )
    }

    @Test func otherKeysDoNotEdit() {
        var buffer = LineBuffer()
        let edits = [Key.enter, .tab, .up, .down, .interrupt, .endOfInput, .clearScreen].map { buffer.apply($0) }
        #expect(edits.allSatisfy { !$0 })
    }
}

struct EditorLayoutTests {
    private func layout(_ text: String, cursorBack: Int = 0, columns: Int = 10, rows: Int = 100) -> EditorLayout {
        var buffer = LineBuffer()
        buffer.set(text)
        for _ in 0..<cursorBack { _ = buffer.apply(.left) }
        return EditorLayout(prompt: "> ", continuation: ". ", buffer: buffer, columns: columns, maximumRows: rows)
    }

    @Test func breaksAtTheEdge() {
        let short = layout("abc", cursorBack: 1)
        #expect(short.rows == ["> abc"] && short.cursorRow == 0 && short.cursorColumn == 4)
        let full = layout("12345678")
        #expect(full.rows == ["> 12345678", ""] && full.cursorRow == 1 && full.cursorColumn == 0)
        let long = layout("123456789ab", cursorBack: 3)
        #expect(long.rows == ["> 12345678", "9ab"] && long.cursorRow == 1 && long.cursorColumn == 0)
    }

    @Test func wideCharactersAreNotSplit() {
        let wide = layout("1234567日本", cursorBack: 2)
        #expect(wide.rows == ["> 1234567", "日本"] && wide.cursorRow == 1 && wide.cursorColumn == 0)
        #expect(layout("e\u{301}😀").cursorColumn == 5)
    }

    @Test func rowsOfPastedTextAreShown() {
        let pasted = layout("ab\ncd\n", cursorBack: 2)
        #expect(pasted.rows == ["> ab", ". cd", ". "] && pasted.cursorRow == 1 && pasted.cursorColumn == 3)
    }

    @Test func showsTheRowsAroundTheCursor() {
        let text = (0..<50).map { "row\($0)" }.joined(separator: "\n")
        let bottom = layout(text, rows: 5)
        #expect(bottom.rows == (45..<50).map { ". row\($0)" } && bottom.cursorRow == 4)
        let middle = layout(text, cursorBack: 6 * 20, rows: 5)
        #expect(middle.rows.count == 5 && middle.rows[middle.cursorRow] == ". row29")
        let top = layout(text, cursorBack: 1000, rows: 5)
        #expect(top.rows.first == "> row0" && top.cursorRow == 0)
    }

    @Test(arguments: [
        ("a", 1), ("é", 1), ("e\u{301}", 1), ("日", 2), ("한", 2), ("ｱ", 1), ("！", 2), ("😀", 2), ("👩‍👩‍👧", 2), ("🇫🇷", 2),
        ("❤️", 2), ("❤", 1), ("\u{200B}", 0), ("\u{1B}[1mab\u{1B}[0m", 2), ("½", 1), ("\u{AD}", 0),
    ])
    func measuresCharacters(_ text: String, _ columns: Int) {
        #expect(CharacterWidth.columns(text) == columns)
    }
}

struct MessageAssemblerTests {
    /// The messages that come of lines; an open one at the end is marked.
    private func messages(_ lines: [String]) -> [String] {
        var assembler = MessageAssembler()
        var messages = lines.compactMap { assembler.feed($0) }
        if let rest = assembler.finish() { messages.append("open:" + rest) }
        return messages
    }

    @Test(arguments: [
        (["one", "", "two"], ["one", "", "two"]), (["a \\", "b\\", "c"], ["a \nb\nc"]),
        (["ends in two \\\\", "x"], ["ends in two \\\\", "x"]),
        (["\"\"\"", "a", "", "b\\", "\"\"\"", "c"], ["a\n\nb\\", "c"]),
        (["\"\"\"a", "b\"\"\" ignored", "c"], ["a\nb", "c"]), (["\"\"\"one line\"\"\""], ["one line"]),
        (["\"\"\"\"\"\""], [""]), (["a\\"], ["open:a"]), (["\"\"\"a", "b"], ["open:a\nb"]),
        (["say \"\"\"x\"\"\""], ["say \"\"\"x\"\"\""]),
    ])
    func joinsLines(_ lines: [String], _ expected: [String]) {
        #expect(messages(lines) == expected)
    }
}

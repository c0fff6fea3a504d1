import JSONText
import Testing

struct JSONTests {
    @Test func readsEveryKindOfValue() throws {
        let value = try JSON.parse(#" {"a": [1, -2.5e3, true, null, "x\né😀"], "b": {}} "#)
        let expected: JSON = ["a": [1, .number(-2500), true, .null, "x\né😀"], "b": .object(.init())]
        #expect(value == expected)
    }

    @Test func writesWhatItReads() throws {
        let value: JSON = ["q": "\"\\\u{1}", "list": [1, 2.5, false, .null], "empty": []]
        #expect(try JSON.parse(value.text()) == value)
        #expect(try JSON.parse(value.text(indented: true)) == value)
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\"}", "01", "1.", "-", "nul", "\"\u{1}\"", "\"\\x\"", "\"\\u12\"", "[1] 2", "{\"a\":1,}",
        "\"abc", "1e", "+1",
    ])
    func refusesWithAnOffset(_ text: String) {
        #expect(throws: JSONError.self) { try JSON.parse(text) }
    }

    @Test func boundsDepth() {
        let text = String(repeating: "[", count: 100_000)
        #expect(throws: JSONError.self) { try JSON.parse(text) }
    }

    @Test func refusesInvalidUTF8() {
        #expect(throws: JSONError.self) { try JSON.parse([0x22, 0xC3, 0x28, 0x22]) }
    }

    @Test func loneSurrogatesBecomeReplacementCharacters() throws {
        #expect(try JSON.parse(#""\ud800x""#) == "\u{FFFD}x")
    }

    @Test(arguments: [2, 40])
    func namesAreComparedByTheirBytes(_ count: Int) throws {
        // One letter in two spellings, among few and among many members.
        let filler = (2..<count).map { ",\"k\($0)\":0" }.joined()
        let value = try JSON.parse("{\"\u{E9}\":1,\"e\u{301}\":2\(filler)}")
        #expect(value.objectValue?.count == count)
        #expect(value["\u{E9}"] == 1)
        #expect(value["e\u{301}"] == 2)
    }

    @Test func largeObjectsAreFoundByKey() throws {
        let text = "{" + (0..<1000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}"
        let value = try JSON.parse(text)
        #expect(value["k999"]?.intValue == 999)
        #expect(value.objectValue?.count == 1000)
    }
}

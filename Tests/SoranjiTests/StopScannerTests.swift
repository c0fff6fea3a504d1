import Testing

@testable import Soranji

struct StopScannerTests {
    /// What a scanner lets through of `text`, given in pieces of `length` characters.
    private func shown(_ text: String, _ stops: [String], length: Int) -> (text: String, isStopped: Bool) {
        var scanner = StopScanner(stops)
        var result = ""
        var rest = Substring(text)
        while !rest.isEmpty {
            result += scanner.push(String(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return (result + scanner.flush(), scanner.isStopped)
    }

    @Test(arguments: [
        ("one two three", ["two"], "one ", true), ("one two three", ["four"], "one two three", false),
        ("aaab", ["aab"], "a", true), ("abcabd", ["abd"], "abc", true),
        ("ends with sto", ["stop"], "ends with sto", false),
        ("b then a", ["a", "b"], "", true), ("größe — äh", ["— ä"], "größe ", true), ("x", [], "x", false),
        ("日本語", ["本"], "日", true), ("a\n\nb", ["\n\n"], "a", true), ("xyz", [""], "xyz", false),
    ])
    func endsBeforeTheFirstText(_ text: String, _ stops: [String], _ expected: String, _ isStopped: Bool) {
        for length in 1...8 {
            let found = shown(text, stops, length: length)
            #expect(found.text == expected && found.isStopped == isStopped, "pieces of \(length)")
        }
    }

    @Test func holdsBackNoMoreThanItMust() {
        var scanner = StopScanner(["###"])
        #expect(scanner.push("text #") == "text ")
        #expect(scanner.push("#") == "")
        #expect(scanner.push(" no") == "## no")
        #expect(scanner.push("###") == "")
        #expect(scanner.push("more") == "")
    }
}

import Glibc
import Testing

@testable import SoranjiCLI

struct HistoryTests {
    @Test func goesBackAndForth() {
        var history = History()
        for line in ["one", "two", "two", "", "  ", " secret", "three"] { history.add(line) }
        #expect(history.entries == ["one", "two", "three"])
        let forward = history.next()
        let back = ["draft", "three", "two", "one"].map { history.previous(current: $0) }
        let again = (0..<4).map { _ in history.next() }
        #expect(forward == nil)
        #expect(back == ["three", "two", "one", nil])
        #expect(again == ["two", "three", "draft", nil])
    }

    @Test func isBounded() {
        var history = History(maximumCount: 3)
        for number in 0..<10 { history.add("line \(number)") }
        #expect(history.entries == ["line 7", "line 8", "line 9"])
    }

    @Test func survivesItsFile() throws {
        var template = Array("/tmp/soranji-history-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        let path = folder + "/state/soranji/history"
        defer {
            unlink(path)
            for name in ["/state/soranji", "/state", ""] { rmdir(folder + name) }
        }
        #expect(History(path: path).entries.isEmpty)
        var history = History()
        let lines = ["plain", "two\nrows", "back\\slash \\n", "<html>日本", "%PDF-1.4"]
        for line in lines { history.add(line) }
        try history.save(to: path)
        #expect(History(path: path).entries == lines)
        #expect(History(path: path, maximumCount: 2).entries == Array(lines.suffix(2)))
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }
}

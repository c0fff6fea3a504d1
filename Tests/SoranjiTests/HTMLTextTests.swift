import Tensor
import Testing

@testable import Soranji

struct HTMLTextTests {
    @Test func keepsWhatAReaderSees() {
        let html = """
            <!DOCTYPE html>
            <html><head><meta charset="utf-8"><title>Tides &amp; Moons</title><style>p { color: red }</style>
            <script>if (a < b) document.write("<p>no</p>")</script></head>
            <body class='x > y'><!-- hidden <p>text</p> -->
            <h1>Tides</h1><p>The sea   rises
            twice a day<br>on most coasts.</p><p>See <a href="/moon">the moon</a>.</p>
            <svg><title>no</title><text>drawn</text></svg><noscript>Turn it on!</noscript>
            <ul><li>spring<li>neap <ul><li>deep</ul></ul><ol><li>one<li>two</ol>
            <table><tr><th>Port<th>Range</tr><tr><td>Brest</td><td>7.2&nbsp;m</td></tr></table>
            <pre>
              keep   this
            as it is</pre><p>1.3 × 10<sup>−6</sup> and H<sub>2</sub>O, 1<sup>st</sup></p>
            <img src=a.png alt="a small boat"></body></html>
            """
        let reduced = HTMLText.reduce(html)
        #expect(reduced.title == "Tides & Moons")
        #expect(
            reduced.text == """
                Tides

                The sea rises twice a day
                on most coasts.

                See the moon.

                - spring
                - neap
                  - deep

                1. one
                2. two

                Port | Range
                Brest | 7.2 m

                  keep   this
                as it is

                1.3 × 10^−6 and H2O, 1st

                a small boat
                """
        )
    }

    @Test(arguments: [
        ("a &lt;b&gt; &amp;amp; &quot;c&#39;", "a <b> &amp; \"c'"),
        ("&eacute;&Eacute;&copy 2024 &notit; &AElig", "éÉ© 2024 ¬it; Æ"),
        ("&#233;&#xE9;&#XE9 &#128512; &#x1F600;", "ééé 😀 😀"),
        // Windows-1252 in the C1 range, as browsers read it.
        ("&#128;&#151;", "€—"),
        // No character: zero, a surrogate, beyond Unicode, absurdly long.
        ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ("fish & chips &unknown; &; &#; &#x; AT&T", "fish & chips &unknown; &; &#; &#x; AT&T"),
        ("&hearts;&forall;&Omega;&rang;&thetasym;", "♥∀Ω⟩ϑ"),
        ("soft&shy;ly&#8203;", "softly"),
    ])
    func decodesEntities(_ html: String, _ text: String) {
        #expect(HTMLText.reduce("<p>" + html).text == text)
    }

    @Test(arguments: [
        ("5 < 6 and 7 > 6", "5 < 6 and 7 > 6"),
        ("<p>open <b>bold", "open bold"),
        ("a</p></div></li>b", "a\n\nb"),
        ("<a title='<b>'>x</a>", "x"),
        ("<p/>x<br/>y", "x\ny"),
        ("x<script>never closed </scriptx> <p>y", "x"),
        ("x<!-- never closed <p>y", "x"),
        ("x<a href=\"never closed>y", "x"),
        ("x<!-->y<!--->z<!-- -- >w", "xyz"),
        ("</>x</ y>z<?php echo ?>w", "xzw"),
        ("<head><meta x>no head end <p>text", "no head end\n\ntext"),
        ("<head><title>T</title><p>text", "text"),
        ("<svg><circle><p>after an open drawing", "after an open drawing"),
        ("<SCRIPT>x</ScRiPt >y", "y"),
        ("a<br><br><br><br>b", "a\n\nb"),
        ("<textarea><p>typed</textarea>x", "x"),
        ("\u{1}a\u{1F}b\u{7F}", "ab"),
    ])
    func toleratesBrokenMarkup(_ html: String, _ text: String) {
        #expect(HTMLText.reduce(html).text == text)
    }

    @Test func layoutTablesBecomeBlocks() {
        let html = """
            <table><tr><td><p>Menu<p>Home</td><td><h2>News</h2>
            <table><tr><td>a<td>b<tr><td><td></tr></table></td></tr></table>after
            """
        #expect(HTMLText.reduce(html).text == "Menu\n\nHome\nNews\n\na | b\n\nafter")
    }

    @Test func fallsBackToTheFirstHeading() {
        #expect(HTMLText.reduce("<p>x<h1>A <i>great</i>\n title</h1><h1>Other</h1>").title == "A great title")
        #expect(HTMLText.reduce("<title>  </title><p>x").title == nil)
    }

    /// Each pattern drives one place that a careless reader would visit again and again.
    @Test(arguments: [
        "<", "<a ", "<a b=\"", "<!--", "</", "&", "&#", "&amp", "<ul>", "<table><tr><td>", "<td>x", "<tr>", "<pre>\n",
        "<script>", "<svg>", "<li>", "<title>", "<sup>", "<h1>", "<table>", "<br>", "<p>x", "<![CDATA[", "</script",
        "<script></", "<!-- --", "<a b='c'", "<template>", "a ", "\u{A0}", "<td><table><tr><td>x<td>y",
    ])
    func takesLinearTime(_ pattern: String) {
        let size = 1 << 20
        let html = String(repeating: pattern, count: size / pattern.utf8.count)
        let clock = ContinuousClock()
        let elapsed = clock.measure { #expect(HTMLText.reduce(html).text.utf8.count <= 8 * size) }
        // Linear is a few hundredths of a second; quadratic would be hours.
        #expect(elapsed < .seconds(20))
    }

    @Test func survivesMutations() {
        let seed = """
            <html><head><title>T&amp;x</title></head><body><h1 a="b">H</h1><ul><li>1<ol><li>2</ol></ul>
            <table><tr><td>a<td>b<table><tr><th>c</table></table><pre> x
            y</pre><script>z</script><!-- c --><img alt="é&#233;"><svg><p>d</svg><sup>2</sup>&nbsp;日本語😀
            """
        let fragments = [
            "<", ">", "</", "\"", "'", "&", ";", "<!--", "-->", "<table>", "<td>", "<pre>", "\0", "&#x", "</svg>",
        ]
        var generator = SplitMix64(state: 7)
        for _ in 0..<2_000 {
            var bytes = Array(seed.utf8)
            for _ in 0..<Int.random(in: 1...12, using: &generator) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                let end = min(bytes.count, at + Int.random(in: 1...24, using: &generator))
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.removeSubrange(at..<end)
                case 2: bytes.insert(contentsOf: Array(bytes[at..<end]), at: at)
                case 3: bytes.removeSubrange(at...)
                default:
                    let fragment = fragments.randomElement(using: &generator) ?? "<"
                    bytes.insert(contentsOf: fragment.utf8, at: at)
                }
            }
            let reduced = HTMLText.reduce(String(decoding: bytes, as: UTF8.self))
            #expect(!reduced.text.utf8.contains(TextFlow.cellSeparator))
            #expect(reduced.text.utf8.count <= 4 * bytes.count + 64)
            // Through the whole reader, where invalid UTF-8 is an error and nothing else.
            do throws(DocumentError) {
                _ = try DocumentReader().read(bytes, source: "page.html")
            } catch {
                #expect(!error.description.isEmpty)
            }
        }
    }

    /// Each line of the reduced text, with the line of the page that its first character comes from.
    @Test(arguments: [
        ("<p>a\n<p>\nb", [(1, "a"), (3, "b")]),
        ("\n\n<h1>Title</h1>\n<ul>\n<li>one\n<li>two</ul>", [(3, "Title"), (5, "- one"), (6, "- two")]),
        ("<script>\n\n</script><p>x &amp;\r\ny<br>\rz", [(3, "x & y"), (5, "z")]),
        (
            "<table>\n<tr>\n<td>a</td>\n<td>b</td></tr>\n<tr><td></td></tr>\n<tr><td>c<td>\nd</table>\nend",
            [(3, "a | b"), (6, "c | d"), (8, "end")]
        ),
        ("<table><tr><td><p>a\n<p>b</td>\n<td>c</table>", [(1, "a"), (2, "b"), (3, "c")]),
        ("<pre>\n1\n 2\n</pre>\n<p>3", [(2, "1"), (3, " 2"), (5, "3")]),
    ])
    func knowsTheLinesOfThePage(_ html: String, _ expected: [(Int, String)]) throws {
        let document = try DocumentReader().read(Array("<html>\(html)".utf8), source: "page.html")
        var offset = 0
        var found: [(Int, String)] = []
        for line in document.text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !line.isEmpty { found.append((document.line(at: offset), String(line))) }
            offset += line.utf8.count + 1
        }
        #expect(found.map(\.0) == expected.map(\.0) && found.map(\.1) == expected.map(\.1), "\(found)")
    }
}

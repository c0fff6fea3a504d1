/// HTML reduced to the text that a reader sees.
///
/// Scripts, styles and the head are dropped; block elements begin new lines; list items get "- " or their number,
/// table cells " | " between them; `pre` keeps its white space; pictures give their alternative text.
enum HTMLText {
    /// Cost: linear in the input, whatever it holds; never traps.
    ///
    /// - Returns: `lines`: from which offset of the text on it comes from which line of the page.
    static func reduce(_ html: String) -> (title: String?, text: String, lines: [SourceLine]) {
        var reducer = HTMLReducer(Array(html.utf8))
        return reducer.reduce()
    }
}

private struct HTMLReducer {
    private var tokenizer: HTMLTokenizer
    private var flow = TextFlow()
    private var title: String?
    private var firstHeading: String?
    private var headingStart: Int?
    private var isInHead = false
    /// The element whose contents are being dropped, and how deep it is nested in itself.
    private var dropped: (name: String, depth: Int)?
    private var preDepth = 0
    private var skipsLineBreak = false
    /// For each open list the number of its next item, nil for bullets.
    private var lists: [Int?] = []
    private var tables = TableStack()

    init(_ bytes: [UInt8]) { tokenizer = HTMLTokenizer(bytes) }

    mutating func reduce() -> (title: String?, text: String, lines: [SourceLine]) {
        while let token = tokenizer.next() {
            switch token {
            case .text(let range): text(range)
            case .start(let tag): start(tag)
            case .end(let name): end(name)
            }
        }
        tables.closeAll(&flow)
        let text = flow.bytes
        let end = text.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? 0
        return (title ?? firstHeading, String(decoding: text[..<end], as: UTF8.self), flow.lines)
    }

    private mutating func text(_ range: Range<Int>) {
        guard dropped == nil else { return }
        if isInHead {
            // Text cannot stand in a head: it begins the body of a page that marks neither.
            guard !tokenizer.bytes[range].allSatisfy(isSpace) else { return }
            isInHead = false
        }
        var range = range
        if skipsLineBreak {
            skipsLineBreak = false
            if tokenizer.bytes[range.lowerBound] == 0x0D { range = (range.lowerBound + 1)..<range.upperBound }
            if let first = range.first, tokenizer.bytes[first] == 0x0A { range = (first + 1)..<range.upperBound }
        }
        flow.append(tokenizer.bytes, range, preformatted: preDepth > 0)
    }

    // MARK: Start tags

    private mutating func start(_ tag: HTMLTokenizer.Tag) {
        skipsLineBreak = false
        if Self.rawElements.contains(tag.name) {
            let contents = tokenizer.rawText(of: tag.name)
            if tag.name == "title", dropped == nil, title == nil { title = line(of: contents) }
            return
        }
        if let (name, depth) = dropped {
            if tag.name == name, !tag.isSelfClosing { dropped = (name, depth + 1) }
            // Browsers leave a drawing when ordinary markup begins in it.
            guard name == "svg", Self.breaks[tag.name] != nil else { return }
            dropped = nil
        }
        if tag.name == "head" {
            isInHead = true
            return
        }
        if isInHead, !Self.headElements.contains(tag.name) { isInHead = false }
        if Self.droppedElements.contains(tag.name) {
            if !tag.isSelfClosing { dropped = (tag.name, 1) }
            return
        }
        startVisible(tag)
    }

    private mutating func startVisible(_ tag: HTMLTokenizer.Tag) {
        switch tag.name {
        case "br": flow.addBreak()
        case "img":
            if let alternative = tag.alternative { flow.append(tokenizer.bytes, alternative, preformatted: false) }
        case "sup": flow.raise()
        case "ul", "ol", "menu":
            flow.need(breaks: lists.isEmpty ? 2 : 1)
            lists.append(tag.name == "ol" ? 1 : nil)
        case "li": startItem()
        case "table":
            flow.need(breaks: 2)
            tables.open()
        case "tr": tables.startRow(&flow)
        case "td", "th": tables.startCell(&flow)
        case "pre":
            flow.need(breaks: 2)
            preDepth += 1
            skipsLineBreak = true
        case "h1":
            flow.need(breaks: 2)
            if firstHeading == nil { headingStart = flow.bytes.count }
        default:
            if let count = Self.breaks[tag.name] { flow.need(breaks: count) }
        }
    }

    private mutating func startItem() {
        flow.need(breaks: 1)
        // Deep nesting does not indent further, so that the text stays in proportion to the source.
        let indentation = String(repeating: "  ", count: min(max(lists.count - 1, 0), 8))
        if let last = lists.last, let number = last {
            flow.setMarker("\(indentation)\(number). ")
            lists[lists.count - 1] = number + 1
        } else {
            flow.setMarker(indentation + "- ")
        }
    }

    // MARK: End tags

    private mutating func end(_ name: String) {
        skipsLineBreak = false
        if let (element, depth) = dropped {
            if name == element { dropped = depth > 1 ? (element, depth - 1) : nil }
            return
        }
        switch name {
        case "head": isInHead = false
        case "ul", "ol", "menu":
            _ = lists.popLast()
            flow.setMarker("")
            flow.need(breaks: lists.isEmpty ? 2 : 1)
        case "li":
            flow.setMarker("")
            flow.need(breaks: 1)
        case "table":
            tables.close(&flow)
            flow.need(breaks: 2)
        case "tr": tables.endRow(&flow)
        case "td", "th": flow.needSpace()
        case "pre":
            preDepth = max(0, preDepth - 1)
            flow.need(breaks: 2)
        case "h1":
            if let start = headingStart, start <= flow.bytes.count {
                firstHeading = Self.line(flow.bytes[start...])
                headingStart = nil
            }
            flow.need(breaks: 2)
        default:
            if let count = Self.breaks[name] { flow.need(breaks: count) }
        }
    }

    // MARK: Titles

    /// Character data as one line.
    private func line(of range: Range<Int>) -> String? {
        var line = TextFlow()
        line.append(tokenizer.bytes, range, preformatted: false)
        return Self.line(line.bytes[...])
    }

    /// At most 200 characters, white space collapsed; nil if nothing is left.
    private static func line(_ bytes: ArraySlice<UInt8>) -> String? {
        let words = bytes.prefix(4096).split { isSpace($0) || $0 == TextFlow.cellSeparator }
        let text = String(decoding: Array(words.joined(separator: [0x20])), as: UTF8.self).prefix(200)
        return text.isEmpty ? nil : String(text)
    }

    // MARK: Elements

    /// Elements whose contents are not markup; all but `title` are dropped.
    private static let rawElements: Set<String> = [
        "script", "style", "title", "textarea", "iframe", "noembed", "noframes",
    ]
    private static let droppedElements: Set<String> = [
        "template", "noscript", "svg", "object", "select", "audio", "video", "canvas", "datalist",
    ]
    /// Elements that may stand in a head; any other one ends a head that was not closed.
    private static let headElements: Set<String> = ["meta", "link", "base", "basefont", "noscript", "template"]

    /// Line breaks around elements that are not handled one by one.
    private static let breaks: [String: Int] = {
        let single = [
            "address", "article", "aside", "body", "caption", "center", "dd", "details", "dir", "div", "dt", "fieldset",
            "figcaption", "footer", "form", "header", "hgroup", "legend", "li", "main", "nav", "option", "search",
            "section", "summary", "tbody", "tfoot", "thead", "tr",
        ]
        let double = [
            "blockquote", "dl", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table", "ul",
        ]
        return Dictionary(uniqueKeysWithValues: single.map { ($0, 1) } + double.map { ($0, 2) })
    }()
}

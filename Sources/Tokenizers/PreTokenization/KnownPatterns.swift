/// The expressions of known vocabularies, their scanners, and the names that GGUF files give to them.
enum KnownPatterns {
    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    static let llama3 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
    static let qwen2 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
    static let qwen35 =
        contractions + #"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"# + spaces
    static let gpt4o = o200k(contractions: contractions + "?", digits: #"\p{N}{1,3}"#)
    static let tekken = o200k(contractions: "", digits: #"\p{N}"#)
    static let youtu = o200k(contractions: contractions + "?", digits: #"\p{N}"#)
    static let bailing =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
    static let seedCoder =
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"#
    static let miniCPM5 = contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
    static let jais2 =
        contractions + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"#
        + #"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|"#
        + #"\s{1,2}(?!\S)|\s{1}"#
    static let exaoneMoE =
        contractions + #"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|"#
        + #"\s*[\r\n]|\s+(?!\S)|\s+"#
    static let deepSeekV3 =
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"##
        + spaces
    /// Ideographs and kana.
    static let deepSeekCJK =
        #"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+"#
    /// Cased letters of Unicode 11.
    static let deepSeekLetters =
        #"\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF"#
        + #"\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5"#
        + #"\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA"#
        + #"\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45"#
        + #"\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-"#
        + #"\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107"#
        + #"\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F"#
        + #"\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D"#
        + #"\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17"#
        + #"\uFF21-\uFF3A\uFF41-\uFF5A\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-"#
        + #"\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+"#
    static let deepSeekPunctuation =
        #"\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"#
    static let deepSeekIdeographs =
        #"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"#
    static let finnishWords = #" ?[^(\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+"#
    static let youtuScripts =
        #"[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C"#
        + #"\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+"#

    private static func o200k(contractions: String, digits: String) -> String {
        let upper = #"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"#
        let lower = #"\p{Ll}\p{Lm}\p{Lo}\p{M}"#
        return #"[^\r\n\p{L}\p{N}]?[\#(upper)]*[\#(lower)]+\#(contractions)|"#
            + #"[^\r\n\p{L}\p{N}]?[\#(upper)]+[\#(lower)]*\#(contractions)|"#
            + #"\#(digits)| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
    }

    /// The expressions that have a hand-written scanner.
    static let scanners: [String: WordScanner] = [
        gpt2: WordScanner(family: .gpt2),
        llama3: WordScanner(family: .cl100k, maximumDigits: 3),
        qwen2: WordScanner(family: .cl100k, maximumDigits: 1),
        qwen35: WordScanner(family: .cl100k, maximumDigits: 1, joinsMarks: true),
        miniCPM5: WordScanner(family: .cl100k, maximumDigits: .max),
        String(qwen2.dropFirst(contractions.count + 1)):
            WordScanner(family: .cl100k, maximumDigits: 1, splitsContractions: false),
        gpt4o: WordScanner(family: .o200k, maximumDigits: 3),
        youtu: WordScanner(family: .o200k, maximumDigits: 1),
        tekken: WordScanner(family: .o200k, maximumDigits: 1, splitsContractions: false),
    ]
}

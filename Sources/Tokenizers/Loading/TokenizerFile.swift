import JSONText

/// A JSON file being read, for errors that name the file and the member.
struct TokenizerFile {
    let name: String

    func parse(_ bytes: [UInt8]) throws(TokenizerError) -> JSON {
        do throws(JSONError) {
            return try JSON.parse(bytes)
        } catch {
            throw .invalidJSON(file: name, reason: error.description)
        }
    }

    func invalid(_ path: String, _ reason: String) -> TokenizerError {
        .invalid(file: name, path: path, reason: reason)
    }

    func unsupported(_ path: String, _ what: String) -> TokenizerError {
        .unsupported(file: name, path: path, what: what)
    }

    /// A member that may be missing or null but has the right type otherwise.
    func string(_ value: JSON?, _ path: String) throws(TokenizerError) -> String? {
        switch value {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw invalid(path, "must be a string")
        }
    }

    func bool(_ value: JSON?, _ path: String, default fallback: Bool) throws(TokenizerError) -> Bool {
        switch value {
        case nil, .null: return fallback
        case .bool(let value): return value
        default: throw invalid(path, "must be true or false")
        }
    }

    func array(_ value: JSON?, _ path: String) throws(TokenizerError) -> [JSON] {
        switch value {
        case nil, .null: return []
        case .array(let elements): return elements
        default: throw invalid(path, "must be an array")
        }
    }

    /// A token id: 0…2³¹-1.
    func id(_ value: JSON?, _ path: String) throws(TokenizerError) -> Int32? {
        switch value {
        case nil, .null: return nil
        default:
            guard let number = value?.intValue, let id = Int32(exactly: number), id >= 0 else {
                throw invalid(path, "must be a token id")
            }
            return id
        }
    }

    func required<Value>(_ value: Value?, _ path: String) throws(TokenizerError) -> Value {
        guard let value else { throw invalid(path, "is missing") }
        return value
    }

    /// What finds the matches of an expression: a hand-written scanner where there is one.
    func splitter(expression source: String) throws(TokenizerError) -> PreTokenizer.Splitter {
        if let scanner = KnownPatterns.scanners[source] { return .scanner(scanner) }
        do throws(PatternError) {
            return .pattern(try Pattern(source))
        } catch {
            throw .pattern(error)
        }
    }

    /// The number of ids that a table needs, refusing ids far beyond the number of tokens: a table by id must stay in
    /// proportion to the file.
    func tableCount(highest: Int32, tokens: Int, _ path: String) throws(TokenizerError) -> Int {
        guard Int(highest) < 4 * tokens + 65_536 else {
            throw invalid(path, "has the id \(highest) among only \(tokens) tokens")
        }
        return Int(highest) + 1
    }
}

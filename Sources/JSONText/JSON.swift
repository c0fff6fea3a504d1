/// A JSON value. Objects keep their order and their keys' first spelling.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that fits 64 bits.
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object(Object)

    /// An ordered dictionary of members, found by key in constant time.
    public struct Object: Sendable, Equatable {
        /// Members in the order of the text.
        public private(set) var members: [(key: String, value: JSON)] = []
        /// Where each name stands; empty for small objects, which are the rule (thousands of them in a tokenizer).
        private var index = NameIndex()

        public init() {}

        public init(_ members: [(String, JSON)]) {
            for (key, value) in members { self[key] = value }
        }

        public var count: Int { members.count }
        public var keys: [String] { members.map(\.key) }

        public subscript(key: String) -> JSON? {
            get { position(of: key).map { members[$0].value } }
            set {
                switch (position(of: key), newValue) {
                case (let position?, let value?):
                    members[position].value = value
                case (nil, let value?):
                    members.append((key, value))
                    if !index.isEmpty {
                        index.add(key, at: members.count - 1)
                    } else if members.count > 12 {
                        rebuildIndex()
                    }
                case (let position?, nil):
                    members.remove(at: position)
                    index = NameIndex()
                    if members.count > 12 { rebuildIndex() }
                case (nil, nil):
                    break
                }
            }
        }

        private mutating func rebuildIndex() {
            for (offset, member) in members.enumerated() { index.add(member.key, at: offset) }
        }

        /// By the bytes of the name: Swift's own equality is canonical equivalence, by which "\u{E9}" in two spellings
        /// would be one member.
        private func position(of key: String) -> Int? {
            if index.isEmpty { return members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) } }
            return index.find(key) { members[$0].key }
        }

        public static func == (left: Object, right: Object) -> Bool {
            left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
        }
    }
}

extension JSON {
    /// The member of an object; nil for other values and missing keys.
    public subscript(key: String) -> JSON? {
        if case .object(let object) = self { return object[key] }
        return nil
    }

    public var isNull: Bool { self == .null }

    public var boolValue: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// An integer, also when it is written as `8.0`.
    public var intValue: Int? {
        switch self {
        case .integer(let value): Int(exactly: value)
        case .number(let value): Int(exactly: value)
        default: nil
        }
    }

    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    public var stringValue: String? {
        if case .string(let value) = self { return value }
        return nil
    }

    public var arrayValue: [JSON]? {
        if case .array(let value) = self { return value }
        return nil
    }

    public var objectValue: Object? {
        if case .object(let value) = self { return value }
        return nil
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(Object(elements)) }
}

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
        private var index: [Key: Int] = [:]

        /// A name compared by its bytes: Swift's own equality is canonical equivalence, by which "é" in two spellings
        /// would be one member.
        private struct Key: Hashable, Sendable {
            var text: String

            static func == (left: Key, right: Key) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

            func hash(into hasher: inout Hasher) {
                var text = text
                text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
            }
        }

        public init() {}

        public init(_ members: [(String, JSON)]) {
            for (key, value) in members { self[key] = value }
        }

        public var count: Int { members.count }
        public var keys: [String] { members.map(\.key) }

        public subscript(key: String) -> JSON? {
            get {
                // Small objects are the rule (thousands of them in a tokenizer): no dictionary for those.
                if index.isEmpty { return position(of: key).map { members[$0].value } }
                return index[Key(text: key)].map { members[$0].value }
            }
            set {
                let position = index.isEmpty ? position(of: key) : index[Key(text: key)]
                switch (position, newValue) {
                case (let position?, let value?):
                    members[position].value = value
                case (nil, let value?):
                    members.append((key, value))
                    if !index.isEmpty {
                        index[Key(text: key)] = members.count - 1
                    } else if members.count > 12 {
                        for (offset, member) in members.enumerated() { index[Key(text: member.key)] = offset }
                    }
                case (let position?, nil):
                    members.remove(at: position)
                    if !index.isEmpty {
                        index = [:]
                        if members.count > 12 {
                            for (offset, member) in members.enumerated() { index[Key(text: member.key)] = offset }
                        }
                    }
                case (nil, nil):
                    break
                }
            }
        }

        private func position(of key: String) -> Int? {
            members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
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

/// What a person does at the keyboard.
enum Key: Equatable {
    case text(Unicode.Scalar)
    /// Text that was pasted at once, line breaks as LF.
    case paste(String)
    case enter, tab, backspace, delete
    case left, right, wordLeft, wordRight, home, end, up, down
    case killToEnd, killToStart, killWord, killWordForward, yank
    case clearScreen, interrupt, endOfInput
}

/// Turns the bytes of a terminal in raw mode into keys, one byte at a time.
struct KeyDecoder {
    private enum State {
        case ground, escape
        /// After ESC [ with the parameter bytes so far.
        case control([UInt8])
        /// After ESC O.
        case application
        case utf8([UInt8], missing: Int)
        case paste
    }

    private var state = State.ground
    private var pasted: [UInt8] = []
    /// A paste beyond this many bytes loses its rest.
    private let maximumPaste = 1 << 20

    /// Whether the bytes so far may be a key by themselves: a lone ESC.
    var isPending: Bool { if case .escape = state { true } else { false } }

    /// What waits is no beginning of a longer sequence after all.
    mutating func timeOut() { if isPending { state = .ground } }

    /// - Returns: the key that this byte completes; nil while a sequence is open or when it means nothing.
    mutating func feed(_ byte: UInt8) -> Key? {
        switch state {
        case .ground: return ground(byte)
        case .escape: return escape(byte)
        case .control(let parameters): return control(parameters, byte)
        case .application:
            state = .ground
            return Self.arrow(byte, hasModifier: false)
        case .utf8(let bytes, let missing): return utf8(bytes + [byte], missing: missing - 1)
        case .paste: return paste(byte)
        }
    }

    private mutating func ground(_ byte: UInt8) -> Key? {
        switch byte {
        case 0x1B: state = .escape
        case 0x01: return .home
        case 0x02: return .left
        case 0x03: return .interrupt
        case 0x04: return .endOfInput
        case 0x05: return .end
        case 0x06: return .right
        case 0x08, 0x7F: return .backspace
        case 0x09: return .tab
        case 0x0A, 0x0D: return .enter
        case 0x0B: return .killToEnd
        case 0x0C: return .clearScreen
        case 0x0E: return .down
        case 0x10: return .up
        case 0x15: return .killToStart
        case 0x17: return .killWord
        case 0x19: return .yank
        case 0x20...0x7E: return .text(Unicode.Scalar(byte))
        case 0xC2...0xDF: state = .utf8([byte], missing: 1)
        case 0xE0...0xEF: state = .utf8([byte], missing: 2)
        case 0xF0...0xF4: state = .utf8([byte], missing: 3)
        default: break
        }
        return nil
    }

    /// After ESC: a control sequence, or a key held with Alt.
    private mutating func escape(_ byte: UInt8) -> Key? {
        state = .ground
        switch byte {
        case UInt8(ascii: "["): state = .control([])
        case UInt8(ascii: "O"): state = .application
        case 0x1B: state = .escape
        case UInt8(ascii: "b"): return .wordLeft
        case UInt8(ascii: "f"): return .wordRight
        case UInt8(ascii: "d"): return .killWordForward
        case 0x08, 0x7F: return .killWord
        default: break
        }
        return nil
    }

    private mutating func control(_ parameters: [UInt8], _ byte: UInt8) -> Key? {
        // Parameters and intermediates are below 0x40; longer sequences than any known one are dropped.
        if 0x20...0x3F ~= byte, parameters.count < 16 {
            state = .control(parameters + [byte])
            return nil
        }
        state = .ground
        guard byte == UInt8(ascii: "~") else { return Self.arrow(byte, hasModifier: parameters.contains(0x3B)) }
        switch String(decoding: parameters.prefix { $0 != 0x3B }, as: UTF8.self) {
        case "1", "7": return .home
        case "4", "8": return .end
        case "3": return .delete
        case "200":
            state = .paste
            pasted = []
            return nil
        default: return nil
        }
    }

    /// The last byte of an arrow key; with Ctrl or Alt it moves by words.
    private static func arrow(_ byte: UInt8, hasModifier: Bool) -> Key? {
        switch byte {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): hasModifier ? .wordRight : .right
        case UInt8(ascii: "D"): hasModifier ? .wordLeft : .left
        case UInt8(ascii: "H"): .home
        case UInt8(ascii: "F"): .end
        default: nil
        }
    }

    private mutating func utf8(_ bytes: [UInt8], missing: Int) -> Key? {
        guard let last = bytes.last, last & 0xC0 == 0x80 else {
            // The character broke off: what came instead stands for itself.
            state = .ground
            return bytes.last.flatMap { ground($0) }
        }
        guard missing == 0 else {
            state = .utf8(bytes, missing: missing)
            return nil
        }
        state = .ground
        return String(validating: bytes, as: UTF8.self)?.unicodeScalars.first.map(Key.text)
    }

    private mutating func paste(_ byte: UInt8) -> Key? {
        pasted.append(byte)
        guard byte == UInt8(ascii: "~"), pasted.suffix(6).elementsEqual("\u{1B}[201~".utf8) else {
            // The end of the sequence must still be seen, so what goes is the byte before it could begin.
            if pasted.count > maximumPaste { pasted.remove(at: pasted.count - 6) }
            return nil
        }
        let text = String(decoding: pasted.dropLast(6), as: UTF8.self)
        state = .ground
        pasted = []
        var scalars = String.UnicodeScalarView()
        var previous: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            // Terminals send line breaks as CR, LF or both.
            if scalar == "\r" || scalar == "\n" {
                if !(scalar == "\n" && previous == "\r") { scalars.append("\n") }
            } else if scalar == "\t" {
                scalars.append(contentsOf: "    ".unicodeScalars)
            } else if scalar.value >= 0x20, scalar.value != 0x7F {
                scalars.append(scalar)
            }
            previous = scalar
        }
        return .paste(String(scalars))
    }
}

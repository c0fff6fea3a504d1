/// Decimal text without Foundation, whose loading costs more than the rest of a short command.
package enum FixedPoint {
    /// `value` rounded to `places` decimals: `12.30`. Not-a-number and infinities as their names.
    package static func text(_ value: Double, places: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : (value < 0 ? "-inf" : "inf") }
        var scale: UInt64 = 1
        for _ in 0..<places { scale *= 10 }
        let scaled = (value.magnitude * Double(scale)).rounded()
        guard scaled < 9e18 else { return "\(value)" }
        let units = UInt64(scaled)
        let sign = value < 0 && units > 0 ? "-" : ""
        guard places > 0 else { return sign + String(units) }
        let fraction = String(units % scale)
        return sign + String(units / scale) + "." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    /// `1234567` as `1,234,567`.
    package static func grouped(_ value: Int) -> String {
        var digits = String(value.magnitude)
        var groups: [String] = []
        while digits.count > 3 {
            groups.append(String(digits.suffix(3)))
            digits.removeLast(3)
        }
        groups.append(digits)
        return (value < 0 ? "-" : "") + groups.reversed().joined(separator: ",")
    }

    /// A number of things: `1 token`, `1,024 tokens`.
    package static func count(_ value: Int, _ thing: String) -> String {
        grouped(value) + " " + thing + (value == 1 ? "" : "s")
    }

    /// As ``count(_:_:)``, with digits that can be copied into an option.
    package static func plainCount(_ value: Int, _ thing: String) -> String {
        "\(value) " + thing + (value == 1 ? "" : "s")
    }

    /// A count of bytes as people read it: `4.0 GiB`, `512 B`.
    package static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        var value = Double(count)
        var unit = 0
        while value.magnitude >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : text(value, places: 1) + " " + units[unit]
    }

    /// Seconds as people read them: `0.42 s`, `1:07`, `2:03:09`.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds < 1e9 else { return "?" }
        if seconds < 60 { return text(seconds, places: seconds < 10 ? 2 : 1) + " s" }
        let whole = Int(seconds.rounded())
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(whole / 60 % 60)):\(two(whole % 60))"
        return whole >= 3600 ? "\(whole / 3600):\(clock)" : String(clock.drop { $0 == "0" })
    }
}

import Glibc

/// The moment that `strftime_now` formats, as the wall clock shows it.
package struct TemplateDate: Sendable, Equatable {
    package var year: Int
    /// 1 to 12.
    package var month: Int
    /// 1 to 31.
    package var day: Int
    package var hour: Int
    package var minute: Int
    package var second: Int

    package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
        self.year = year
        self.month = min(max(month, 1), 12)
        self.day = day
        self.hour = hour
        self.minute = minute
        self.second = second
    }

    /// This machine's clock in its time zone.
    package static func now() -> TemplateDate {
        var seconds = time(nil)
        var parts = tm()
        localtime_r(&seconds, &parts)
        return TemplateDate(
            year: Int(parts.tm_year) + 1900,
            month: Int(parts.tm_mon) + 1,
            day: Int(parts.tm_mday),
            hour: Int(parts.tm_hour),
            minute: Int(parts.tm_min),
            second: Int(parts.tm_sec)
        )
    }

    private static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// Days since 1 March of year 0 in the proleptic Gregorian calendar: months counted from March put the leap day last.
    private var dayNumber: Int {
        let shiftedYear = month > 2 ? year : year - 1
        let shiftedMonth = (month + 9) % 12
        let leapDays =
            shiftedYear.floorDivided(by: 4) - shiftedYear.floorDivided(by: 100) + shiftedYear.floorDivided(by: 400)
        return shiftedYear * 365 + leapDays + (shiftedMonth * 153 + 2) / 5 + day - 1
    }

    /// 0 is Sunday.
    private var weekday: Int { ((dayNumber + 3) % 7 + 7) % 7 }

    /// 1 is the first of January.
    private var dayOfYear: Int { dayNumber - TemplateDate(year: year, month: 1, day: 1).dayNumber + 1 }

    /// Formats as `strftime` does in the C locale. A directive that is not known stays as it is.
    func formatted(_ format: String) -> String {
        var output = ""
        var scalars = format.unicodeScalars.makeIterator()
        while let scalar = scalars.next() {
            guard scalar == "%" else {
                output.unicodeScalars.append(scalar)
                continue
            }
            guard var directive = scalars.next() else {
                output += "%"
                break
            }
            var flag: Unicode.Scalar?
            if directive == "-" || directive == "_" || directive == "0" {
                guard let next = scalars.next() else {
                    output += "%\(directive)"
                    break
                }
                (flag, directive) = (directive, next)
            }
            output += text(of: directive, flag: flag) ?? "%\(flag.map(String.init) ?? "")\(directive)"
        }
        return output
    }

    private func text(of directive: Unicode.Scalar, flag: Unicode.Scalar?) -> String? {
        func padded(_ value: Int, _ width: Int, _ fill: Character = "0") -> String {
            let digits = String(value)
            let fill = flag == "_" ? " " : flag == "0" ? "0" : fill
            if flag == "-" { return digits }
            return String(repeating: String(fill), count: max(0, width - digits.count)) + digits
        }
        let halfDayHour = hour % 12 == 0 ? 12 : hour % 12
        switch directive {
        case "Y": return String(year)
        case "C": return padded(year / 100, 2)
        case "y": return padded(((year % 100) + 100) % 100, 2)
        case "m": return padded(month, 2)
        case "d": return padded(day, 2)
        case "e": return padded(day, 2, " ")
        case "H": return padded(hour, 2)
        case "I": return padded(halfDayHour, 2)
        case "k": return padded(hour, 2, " ")
        case "l": return padded(halfDayHour, 2, " ")
        case "M": return padded(minute, 2)
        case "S": return padded(second, 2)
        case "f": return "000000"
        case "j": return padded(dayOfYear, 3)
        case "p": return hour < 12 ? "AM" : "PM"
        case "P": return hour < 12 ? "am" : "pm"
        case "B": return Self.months[month - 1]
        case "b", "h": return String(Self.months[month - 1].prefix(3))
        case "A": return Self.days[weekday]
        case "a": return String(Self.days[weekday].prefix(3))
        case "w": return String(weekday)
        case "u": return String(weekday == 0 ? 7 : weekday)
        case "U": return padded((dayOfYear + 6 - weekday) / 7, 2)
        case "W": return padded((dayOfYear + 6 - (weekday + 6) % 7) / 7, 2)
        case "F": return formatted("%Y-%m-%d")
        case "T", "X": return formatted("%H:%M:%S")
        case "R": return formatted("%H:%M")
        case "r": return formatted("%I:%M:%S %p")
        case "D", "x": return formatted("%m/%d/%y")
        case "c": return formatted("%a %b %e %H:%M:%S %Y")
        case "n": return "\n"
        case "t": return "\t"
        case "Z", "z": return ""
        case "%": return "%"
        default: return nil
        }
    }
}

extension Int {
    /// Division rounded down; the divisor is positive.
    fileprivate func floorDivided(by divisor: Int) -> Int {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

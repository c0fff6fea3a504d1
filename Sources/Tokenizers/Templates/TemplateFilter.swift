/// The filters that templates may name.
enum TemplateFilter: String, CaseIterable {
    case abs, attr, batch, capitalize, center, dictsort, escape, first, float, forceescape, format, groupby, indent
    case int, items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe
    case select, selectattr, slice, sort, string, sum, title, tojson, trim, truncate, unique, upper, urlencode
    case wordcount
    case fallback = "default"

    init?(_ name: String) {
        switch name {
        case "count": self = .length
        case "d": self = .fallback
        case "e": self = .escape
        default: self.init(rawValue: name)
        }
    }
}

/// The tests that templates may name after `is`.
enum TemplateTest: String, CaseIterable {
    case boolean, callable, defined, divisibleby, equal = "eq", escaped, even, filter, float, greater = "gt"
    case greaterOrEqual = "ge", contained = "in", integer, iterable, isFalse = "false", isTrue = "true", less = "lt"
    case lessOrEqual = "le", lower, mapping, none, notEqual = "ne", number, odd, sameas, sequence, string, test
    case undefined, upper

    init?(_ name: String) {
        switch name {
        case "==", "equalto": self = .equal
        case "!=": self = .notEqual
        case ">", "greaterthan": self = .greater
        case ">=": self = .greaterOrEqual
        case "<", "lessthan": self = .less
        case "<=": self = .lessOrEqual
        default: self.init(rawValue: name)
        }
    }
}

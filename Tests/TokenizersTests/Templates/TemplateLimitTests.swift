import JSONText
import Testing

@testable import Tokenizers

/// Whatever a template says, it ends: with text within the bounds, or with an error.
struct TemplateLimitTests {
    /// Small enough that reaching them takes milliseconds.
    private static let limits: TemplateLimits = {
        var limits = TemplateLimits()
        limits.steps = 100_000
        limits.allocatedBytes = 8 << 20
        limits.outputBytes = 1 << 20
        return limits
    }()

    private func isRefused(_ source: String) -> Bool {
        do throws(TemplateError) {
            _ = try TemplateFixture.render(source, JSON.Object(), limits: Self.limits)
            return false
        } catch {
            return true
        }
    }

    @Test(arguments: [
        ("{{ ", "(", "1", ")", " }}"), ("{{ ", "[", "1", "]", " }}"), ("{{ ", "{1: ", "1", "}", " }}"),
        ("{{ ", "-", "1", "", " }}"), ("{{ ", "not ", "1", "", " }}"), ("{{ x", ".a", "", "", " }}"),
        ("{{ x", "[0]", "", "", " }}"), ("{{ x", "()", "", "", " }}"), ("{{ x", "|upper", "", "", " }}"),
        ("{{ x", " is odd", "", "", " }}"), ("{{ 1", " if 1", "", "", " }}"), ("{{ 1", " if 1 else 1", "", "", " }}"),
        ("{{ x", "|d(", "1", ")", " }}"), ("", "{% if 1 %}", "x", "{% endif %}", ""),
        ("", "{% for x in [1] %}", "x", "{% endfor %}", ""), ("", "{% macro m() %}", "x", "{% endmacro %}", ""),
        ("{% for ", "(", "x", ")", " in y %}{% endfor %}"),
    ])
    func boundsNesting(_ parts: (before: String, open: String, middle: String, close: String, after: String)) {
        for count in [200, 30_000] {
            let open = String(repeating: parts.open, count: count)
            let close = String(repeating: parts.close, count: count)
            #expect(isRefused(parts.before + open + parts.middle + close + parts.after), "\(count) × \(parts.open)")
        }
    }

    @Test func longChainsAreNotNesting() throws {
        let sum = "{{ 1" + String(repeating: " + 1", count: 1999) + " }}"
        #expect(try TemplateFixture.render(sum, JSON.Object()) == "2000")
        let branches = "{% if 0 %}" + String(repeating: "{% elif 0 %}", count: 2000) + "{% else %}x{% endif %}"
        #expect(try TemplateFixture.render(branches, JSON.Object()) == "x")
    }

    @Test(arguments: [
        // Recursion.
        "{% macro m(x) %}{{ m(x) }}{% endmacro %}{{ m(1) }}",
        "{% macro m(x) %}{% filter upper %}{{ [[m(x)]] }}{% endfilter %}{% endmacro %}{{ m(1) }}",
        "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% macro k() %}{% call m() %}{{ k() }}{% endcall %}{% endmacro %}{{ k() }}",
        // Work.
        "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ range(99999)|sum }}{% endfor %}",
        "{% for a in range(99999) if range(99999)|sum %}{% endfor %}",
        "{% set s = 'x' * 1000000 %}{% for i in range(9999) %}{{ s|length }}{% endfor %}",
        "{% set s = 'x' * 1000000 %}{% for i in range(9999) %}{% set q = s|title %}{% endfor %}",
        "{% set s = 'x' * 1000000 %}{% for i in range(9999) %}{% if s ~ 'a' == s ~ 'b' %}{% endif %}{% endfor %}",
        // Memory.
        "{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% for i in range(9999) %}{{ 'x' * 999 }}{% endfor %}",
        "{{ 'a' * 9223372036854775807 }}", "{{ [1] * 9223372036854775807 }}", "{{ ('a' * 999999)|list }}",
        "{{ ('a' * 99999).replace('', 'b' * 99999) }}", "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
        "{{ (range(9999)|list)|join('b' * 99999) }}", "{{ 'a'.center(9223372036854775807) }}",
        "{{ 'a'.zfill(99999999999) }}", "{{ '\\t'.expandtabs(9223372036854775807) }}",
        "{{ 'a'|indent(9223372036854775807) }}", "{{ [1]|tojson(indent=9223372036854775807) }}",
        "{{ [1]|batch(9223372036854775807, 1)|list }}", "{{ [1]|slice(9223372036854775807)|list }}",
        "{{ '%999999999d' % 1 }}", "{{ '{:999999999}'.format(1) }}", "{{ strftime_now('%c' * 999999) }}",
        "{{ range(100001) }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
        // Shared values that are exponentially large when written out or compared.
        "{% set ns = namespace(s=[]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
        "{% set ns = namespace(s=[]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
        """
        {% set ns = namespace(s=[], t=[]) %}{% for i in range(90) %}{% set ns.s = [ns.s, ns.s] %}\
        {% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}
        """,
        "{% set ns = namespace(s=(1,)) %}{% for i in range(90) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}",
        // Values nested in values.
        "{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}",
        "{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = joiner(ns.s) %}{% endfor %}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
        // Numbers.
        "{{ 9223372036854775807 + 1 }}", "{{ 9223372036854775807 * 2 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1)|abs }}", "{{ 3 ** 99 }}",
        "{{ 1e300|int }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.5 % 0.0 }}",
    ])
    func refuses(_ source: String) {
        #expect(isRefused(source))
    }

    @Test func refusesLongSourcesAndDeepVariables() throws {
        #expect(isRefused(String(repeating: "x", count: Self.limits.sourceBytes + 1)))
        var deep = JSON.array([])
        for _ in 0..<200 { deep = .array([deep]) }
        #expect(throws: TemplateError.self) {
            try TemplateFixture.render("{{ x }}", JSON.Object([("x", deep)]))
        }
    }

    /// Edges of the arithmetic of indices: Python clamps, so must we.
    @Test(arguments: [
        ("{{ [1, 2, 3][9223372036854775807:] }}", "[]"), ("{{ [1, 2, 3][::9223372036854775807] }}", "[1]"),
        ("{{ [1, 2, 3][::-9223372036854775807] }}", "[3]"), ("{{ 'abc'[-9223372036854775807:2] }}", "ab"),
        ("{{ range(0, 9, 9223372036854775807)|list }}", "[0]"), ("{{ 'a'[-9223372036854775807 - 1] }}", ""),
        ("{{ [1][-9223372036854775807 - 1] }}", ""), ("{{ (-9223372036854775807 - 1) % -1 }}", "0"),
        ("{{ 1.5|round(9223372036854775807) }}", "1.5"), ("{{ 1|round(-9223372036854775807) }}", "0"),
        ("{{ 'abc'.startswith('', 9223372036854775807) }}", "False"), ("{{ 'x'.find('x', 5, -9) }}", "-1"),
        ("{{ 'ab'|truncate(9223372036854775807, leeway=9223372036854775807) }}", "ab"),
    ])
    func clamps(_ source: String, _ expected: String) throws {
        #expect(try TemplateFixture.render(source, JSON.Object(), limits: Self.limits) == expected)
    }

    /// Objects that refer to one another, in rings and in long chains, go away without a deep recursion.
    @Test(arguments: [
        "{% set ns.n = namespace(n=ns.n) %}", "{% set ns.me = ns %}{% set ns.f = ns.f %}",
        "{% macro inner() %}{{ ns }}{% endmacro %}{% set ns.f = inner %}",
        "{% for j in [ns.f is defined] %}{% set ns.f = loop %}{% endfor %}",
        "{% for j in [1] %}{% set ns.x = loop.changed(ns.f) %}{% set ns.f = loop %}{% endfor %}",
        "{{ keep(ns.f) }}",
    ])
    func releasesWhatRefersToItself(_ body: String) throws {
        let source = """
            {% set ns = namespace() %}{% macro keep(f) %}{% macro inner() %}{{ f }}{% endmacro %}\
            {% set ns.f = inner %}{% endmacro %}{% for i in range(50000) %}\(body){% endfor %}done
            """
        #expect(try TemplateFixture.render(source, JSON.Object()) == "done")
    }
}

import Foundation
import JSONText
import Testing

@testable import Tokenizers

/// Reads what Fixtures/templates/make_fixtures.py wrote.
enum TemplateFixture {
    /// The moment that the fixtures were rendered at.
    static let date = TemplateDate(year: 2024, month: 7, day: 26, hour: 9, minute: 5, second: 7)

    /// Names of the models whose templates are there.
    static let models: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: Fixture.folder + "/templates/models")) ?? []
        return files.filter { $0.hasSuffix(".jinja") }.map { String($0.dropLast(6)) }.sorted()
    }()

    static func template(_ model: String) throws -> String {
        try #require(String(validating: try Fixture.bytes("templates/models/\(model).jinja"), as: UTF8.self))
    }

    static func render(
        _ template: String,
        _ context: JSON.Object,
        limits: TemplateLimits = TemplateLimits()
    ) throws(TemplateError) -> String {
        try ChatTemplate(source: template, limits: limits).render(context, date: { Self.date })
    }

    /// Holds a rendering against the fixture's `output`, `raised` or `error`.
    static func check(_ template: String, _ context: JSON.Object, _ expected: JSON, _ name: String) {
        do throws(TemplateError) {
            let output = try render(template, context)
            if let wanted = expected["output"]?.stringValue {
                #expect(output.utf8.elementsEqual(wanted.utf8), "\(name): \(difference(output, wanted))")
            } else {
                Issue.record("\(name): gave '\(output)' where Jinja2 fails: \(expected.text())")
            }
        } catch {
            if let raised = expected["raised"]?.stringValue {
                #expect(error.isRaised && error.message == raised, "\(name): \(error)")
            } else {
                #expect(expected["output"] == nil && !error.isRaised, "\(name): \(error)")
            }
            #expect(error.line > 0 && error.column > 0, "\(name): no place in '\(error)'")
        }
    }

    /// Where two texts part.
    private static func difference(_ output: String, _ wanted: String) -> String {
        let common = zip(output.utf8, wanted.utf8).prefix { $0 == $1 }.count
        func around(_ text: String) -> String {
            String(decoding: text.utf8.dropFirst(max(0, common - 40)).prefix(100), as: UTF8.self).debugDescription
        }
        return "at byte \(common): \(around(output)) instead of \(around(wanted))"
    }
}

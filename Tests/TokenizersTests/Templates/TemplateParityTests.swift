import JSONText
import Testing

@testable import Tokenizers

/// The engine against Jinja2, byte for byte.
struct TemplateParityTests {
    @Test func fixturesAreThere() throws {
        #expect(TemplateFixture.models.count >= 21)
    }

    @Test(arguments: TemplateFixture.models)
    func rendersConversationsOfModel(_ model: String) throws {
        let template = try TemplateFixture.template(model)
        let expected = try #require(try Fixture.json("templates/expected/\(model).json").objectValue)
        let conversations = try Fixture.json("templates/conversations.json")
        #expect(expected.count >= 19)
        for member in expected.members {
            let context = try #require(conversations[member.key]?.objectValue)
            TemplateFixture.check(template, context, member.value, "\(model), \(member.key)")
        }
    }

    @Test func evaluatesExpressionsAndStatements() throws {
        let fixture = try Fixture.json("templates/expressions.json")
        let context = try #require(fixture["context"]?.objectValue)
        let cases = try #require(fixture["cases"]?.arrayValue)
        #expect(cases.count > 1100)
        for row in cases {
            let template = try #require(row["template"]?.stringValue)
            TemplateFixture.check(template, context, row, template.debugDescription)
        }
    }

    /// No filter or test is left without a case.
    @Test func fixturesMentionEveryFilterAndTest() throws {
        let fixture = try Fixture.json("templates/expressions.json")
        let cases = try #require(fixture["cases"]?.arrayValue).compactMap { $0["template"]?.stringValue }
        for filter in TemplateFilter.allCases {
            #expect(cases.contains { $0.contains("|\(filter.rawValue)") }, "no case of the filter '\(filter.rawValue)'")
        }
        for test in TemplateTest.allCases {
            #expect(cases.contains { $0.contains("is \(test.rawValue)") }, "no case of the test '\(test.rawValue)'")
        }
    }
}

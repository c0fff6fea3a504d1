import JSONText
import Testing

@testable import Tokenizers

/// The engine's face: conversations in, prompts out, errors that say where.
struct ChatTemplateTests {
    private let date = TemplateDate(year: 2025, month: 2, day: 3)

    @Test func rendersMessages() throws {
        let template = try ChatTemplate(source: try TemplateFixture.template("SmolLM2-135M-Instruct"))
        let messages = [
            ChatMessage(role: "system", content: "Be brief."), ChatMessage(role: "user", content: "What is 2 + 2?"),
        ]
        let prompt = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2 + 2?<|im_end|>\n"
        #expect(try template.render(messages: messages) == prompt + "<|im_start|>assistant\n")
        #expect(try template.render(messages: messages, addGenerationPrompt: false) == prompt)
    }

    @Test func passesTokensToolsExtrasAndDate() throws {
        let template = try ChatTemplate(
            source: """
                {{ bos_token }}{{ messages[0].name }}|{{ tools[0].type }}|{{ tools is none }}|{{ documents is none }}|\
                {{ mood }}|{{ strftime_now('%d %b %Y') }}{{ eos_token }}
                """
        )
        let message = ChatMessage(role: "user", content: "x", extra: JSON.Object([("name", "Ada")]))
        let tools: JSON = [["type": "function"]]
        let prompt = try template.render(
            messages: [message],
            bosToken: "<s>",
            eosToken: "</s>",
            tools: tools,
            extra: JSON.Object([("mood", "calm")]),
            date: { date }
        )
        #expect(prompt == "<s>Ada|function|False|True|calm|03 Feb 2025</s>")
    }

    @Test func extrasWinOverStandardVariables() throws {
        let template = try ChatTemplate(source: "{{ bos_token }}{{ messages[0].content }}")
        let message = ChatMessage(role: "user", content: "x", extra: JSON.Object([("content", ["parts"])]))
        let prompt = try template.render(messages: [message], bosToken: "<s>", extra: JSON.Object([("bos_token", "B")]))
        #expect(prompt == "B['parts']")
    }

    @Test func rendersTheSameTwice() throws {
        let template = try ChatTemplate(
            source:
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"
        )
        let messages = [ChatMessage(role: "user", content: "a"), ChatMessage(role: "user", content: "b")]
        #expect(try template.render(messages: messages) == "2")
        #expect(try template.render(messages: messages) == "2")
    }

    @Test func carriesTheTextOfRaiseException() throws {
        let template = try ChatTemplate(source: "a\n{{ raise_exception('Roles must ' ~ 'alternate') }}")
        #expect {
            try template.render(messages: [])
        } throws: { error in
            let error = error as? TemplateError
            return error?.isRaised == true && error?.message == "Roles must alternate" && error?.line == 2
                && "\(error ?? TemplateError(""))".contains("refuses this conversation (line 2")
        }
    }

    @Test(arguments: [
        ("{{ a }}\n{{ b", 2, 5), ("x\n\n  {% if %}", 3, 9), ("{{ 'abc }}", 1, 4), ("{# never", 1, 1),
        ("{% if a %}\n{% for x in y %}\n{% endfor %}", 1, 4), ("a\n{{ 1 + 'x' }}", 2, 4),
        ("é{{ missing.name }}", 1, 13), ("{% set x = 1 %}\n{% set x.y = 2 %}", 2, 4), ("{{ x|nothing }}", 1, 6),
        ("{% nothing %}", 1, 4), ("\n\n{{ [1][0] / 0 }}", 3, 4),
    ])
    func saysWhere(_ source: String, _ line: Int, _ column: Int) throws {
        do throws(TemplateError) {
            let output = try ChatTemplate(source: source).render(messages: [])
            Issue.record("'\(source)' gave '\(output)'")
        } catch {
            #expect((error.line, error.column) == (line, column), "\(source): \(error)")
        }
    }

    @Test func namesWhatIsMissing() throws {
        #expect {
            try ChatTemplate(source: "{{ speaker.name }}").render(messages: [])
        } throws: {
            "\($0)".contains("'speaker' is undefined")
        }
        #expect {
            try ChatTemplate(source: "{{ 1|shout }}")
        } throws: {
            "\($0)".contains("no filter 'shout'")
        }
    }

    @Test(arguments: [
        ("%Y-%m-%d", "2024-02-29"), ("%A %j %U %W %u", "Thursday 060 08 09 4"), ("%I:%M %p", "12:00 AM"),
        ("%-d/%-m/%y %%", "29/2/24 %"), ("%q %", "%q %"),
    ])
    func formatsDates(_ format: String, _ expected: String) {
        #expect(TemplateDate(year: 2024, month: 2, day: 29).formatted(format) == expected)
    }

    @Test func textIsComparedByScalars() throws {
        // One letter, composed and decomposed: canonically equal, but not the same text.
        let context = JSON.Object([("a", "\u{E9}"), ("b", "e\u{301}")])
        let template = try ChatTemplate(
            source: "{{ a == b }} {{ a|length }} {{ b|length }} {{ b[0] }} {{ {a: 1}.get(b) }}"
        )
        #expect(try template.render(context) == "False 1 2 e None")
    }
}

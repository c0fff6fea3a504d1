import FilmTestSupport
import Foundation
import Glibc
import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// The built program filming with the default model and a decoder of random weights.
struct GenerateTests {
    private static let model = UserFolders.variable("SORANJI_TEST_MODEL")

    /// A folder with a decoder for the default model: three heads of 64, keys and values of two layers.
    private func decoder(_ program: Program) throws -> String {
        let folder = program.folder + "/decoder-folder"
        try TinyDecoder.write(to: folder, trunkLayers: [2, 5], promptWidth: 2 * 2 * 192)
        return folder
    }

    private func bytes(_ path: String) throws -> [UInt8] { try DocumentReader().contents(of: path) }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func filmsAStory() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let story = program.folder + "/story.md"
        try AtomicFile.write(Array("# Night\na cat rises\n# Day\nfade 1s\na dog falls\n".utf8), to: story)
        let arguments = [
            "generate", "-m", model, "--decoder", try decoder(program), "--prompt-file", story, "--steps", "2",
            "--json",
        ]
        var films: [[UInt8]] = []
        for threads in ["1", "2"] {
            let clip = program.folder + "/film-\(threads).mp4"
            let report = try program.json(
                arguments + [
                    "-t", threads, "-o", clip, "--contact-sheet", "\(program.folder)/sheet.png", "--frames",
                    "\(program.folder)/frames-\(threads)",
                ]
            )
            let film = try #require(report["films"]?.arrayValue?.first)
            // Eight frames and four, of which two are shared.
            #expect(film["frames"]?.intValue == 10)
            #expect(film["sound_samples"]?.intValue == 10 * 2000)
            #expect(film["shots"]?.arrayValue?.compactMap { $0["title"]?.stringValue } == ["Night", "Day"])
            #expect(film["shots"]?.arrayValue?.compactMap { $0["start_seconds"]?.doubleValue } == [0, 1.5])
            films.append(try bytes(clip))
        }
        #expect(films[0] == films[1] && films[0].count > 1000)
        #expect(try bytes(program.folder + "/sheet.png").prefix(4) == [0x89, 0x50, 0x4E, 0x47])
        #expect(try bytes(program.folder + "/frames-1/frame-000010.png").prefix(4) == [0x89, 0x50, 0x4E, 0x47])
        // What was filmed is a clip that can be read, and gone on from.
        let longer = try program.json(
            [
                "generate", "-m", model, "--decoder", try decoder(program), "--steps", "1", "--json", "a", "cat",
                "--extend", program.folder + "/film-1.mp4", "-o", program.folder + "/longer.gif", "--seconds", "1",
            ]
        )
        #expect(longer["films"]?.arrayValue?.first?["frames"]?.intValue == 14)
    }

    /// Running text is divided by the model, and reports say what each shot was filmed from.
    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func filmsRunningText() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let story = program.folder + "/story.txt"
        let text =
            "A dog falls in the snow. It then spins. Far away, a rocket rises in the sky.\n\nfade 1s\n\nThe sea is calm."
        try AtomicFile.write(Array(text.utf8), to: story)
        let common = [
            "generate", "-m", model, "--decoder", try decoder(program), "--steps", "1", "--prompt-file", story,
        ]
        let report = try program.json(common + ["-o", program.folder + "/a.mp4", "--json"])
        let shots = try #require(report["films"]?.arrayValue?.first?["shots"]?.arrayValue)
        #expect(
            shots.map { $0["prompt"]?.stringValue } == [
                "A dog falls in the snow.", "A dog falls in the snow. It then spins.",
                "Far away, a rocket rises in the sky.", "The sea is calm.",
            ]
        )
        #expect(shots.map { $0["title"]?.stringValue }[1] == "It then spins.")
        #expect(shots.map { $0["transition"]?.stringValue } == ["cut", "smooth", "cut", "fade"])
        let told = try program.run(common + ["-o", program.folder + "/b.mp4"])
        #expect(told.status == 0 && told.errors.contains("4 shots") && told.errors.contains("smooth  A dog falls"))
        #expect(try bytes(program.folder + "/a.mp4") == bytes(program.folder + "/b.mp4"))
    }

    @Test(.enabled(if: model != nil, "needs SORANJI_TEST_MODEL"))
    func variantsGetNumbersAndFailuresLeaveNothing() throws {
        let program = try Program()
        let model = try #require(Self.model)
        let common = ["generate", "-m", model, "--decoder", try decoder(program), "--steps", "1"]
        let result = try program.run(common + ["a cat", "-o", program.folder + "/cat.png", "--variants", "2"])
        #expect(result.status == 0 && result.output.isEmpty)
        #expect(try bytes(program.folder + "/cat-1.png") != bytes(program.folder + "/cat-2.png"))
        let shown = try program.run(common + ["a cat", "--preview"])
        #expect(shown.status == 2 && shown.errors.contains("--preview needs a terminal"))
        let unseen = try program.run(common + ["a cat", "--preview", "-o", program.folder + "/unseen.png"])
        #expect(unseen.status == 0 && !unseen.errors.contains("▀"))

        let output = program.folder + "/out.mp4"
        for (arguments, message) in [
            (["", "-o", output], "error: the prompt is empty"),
            (["a cat", "-o", output, "--size", "1000000x64"], "1000000x64 cannot be filmed"),
            (["a cat", "-o", output, "--size", "33x32"], "hint: use --size 32x32"),
            (["a cat", "-o", output, "--seconds", "1e9"], "are too long; at most 10:00"),
            (["a cat", "-o", output, "--seconds", "-1"], "the length of a shot is -1.0 s"),
            (["a cat", "-o", output, "--seconds", "inf"], "are too long; at most 10:00"),
            (["a cat", "-o", output, "--steps", "-1"], "the number of steps is -1; it must be from 1 to 1000"),
            (["a cat", "-o", output, "--guidance", "nan"], "guidance is nan; it must be from 0 to 50"),
            (["a cat", "-o", "/nonexistent/out.mp4"], "error: /nonexistent/out.mp4: cannot create"),
            (["a cat", "-o", output, "--extend", "/nonexistent.mp4"], "error: /nonexistent.mp4: cannot open"),
            (["a cat", "-o", output, "--edit", #filePath], "not a clip, recording or picture"),
        ] {
            let result = try program.run(common + arguments)
            #expect(result.status == 1 && result.errors.contains(message), "\(arguments): \(result.errors)")
        }
        for arguments in [
            ["a cat", "-o", output, "--frames", output], ["a cat", "--frames", ""],
            ["a cat", "-o", output, "--extend", ""], ["a cat", "-o", "-"],
            ["a cat", "-o", output, "--seed", "-2"], ["a cat", "-o", "cat.png", "--contact-sheet", "cat.png"],
        ] {
            let result = try program.run(common + arguments)
            #expect(result.status == 2, "\(arguments): \(result.errors)")
        }
        // A long text without headings is refused before the model reads it.
        let story = program.folder + "/long.txt"
        try AtomicFile.write(Array(String(repeating: "A cat rises. ", count: 200_000).utf8), to: story)
        let long = try program.run(common + ["--prompt-file", story, "-o", output])
        #expect(long.status == 1 && long.errors.contains("200000 shots; at most 200 are filmed"), "\(long.errors)")
        let large = try program.run(common + ["-", "-o", output], input: String(repeating: "cat ", count: 2_500_000))
        #expect(large.status == 1 && large.errors.contains("the prompt has 9.5 MiB"))
        #expect(access(output, F_OK) != 0)
        let none = try program.run(["generate", "-m", model, "a cat", "-o", output])
        #expect(none.status == 1 && none.errors.contains("has no decoder"))
    }

    /// The help, the card and the documentation name what the shipped model knows.
    @Test func whatCanBeFilmedIsListed() throws {
        let root = String(#filePath.prefix(upTo: try #require(#filePath.range(of: "/Tests/CLITests")).lowerBound))
        let model = try #require(FileManager.default.contents(atPath: root + "/Experts/model.json"))
        let dims = try #require(try JSON.parse(Array(model))["dims"])
        let things = (dims["things"]?.arrayValue ?? []).compactMap(\.stringValue)
        #expect(things.count > 10)
        let films = try DocumentReader().read(root + "/Docs/films.md").text
        let card = try DocumentReader().read(root + "/Experts/README.md").text.lowercased()
        let help = try Program().run(["generate", "--help"]).output
        let places = (dims["background_phrases"]?.objectValue?.members ?? []).compactMap {
            $0.value.arrayValue?.first?.stringValue
        }
        #expect(places.count > 3)
        for text in [help, films, card] {
            let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            for name in things + places { #expect(words.contains(name), "\(name)") }
        }
    }

    /// Two pixels to a character; what does not fit is left out.
    @Test func previewsFitTheTerminal() {
        let frame = FilmFrame(width: 4, height: 3, pixels: (0..<36).map { UInt8($0) })
        let rows = FilmPreview.rows(frame, columns: 80, rows: 24)
        #expect(rows.count == 2 && rows[0].hasPrefix("\u{1B}[38;2;0;1;2m\u{1B}[48;2;12;13;14m▀"))
        #expect(rows.allSatisfy { $0.filter { $0 == "▀" }.count == 4 })
        let small = FilmPreview.rows(frame, columns: 2, rows: 1)
        #expect(small.count == 1 && small[0].filter { $0 == "▀" }.count == 2)
    }
}

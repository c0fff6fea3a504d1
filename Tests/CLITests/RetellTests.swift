import FilmTestSupport
import Foundation
import JSONText
import MediaFixtures
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// The built program retelling clips: with a tiny model of random weights, and with the default model.
struct RetellTests {
    private static let trunk = UserFolders.variable("SORANJI_TEST_MODEL")

    /// A tiny model that sees, films, and has words for a world of its own.
    private func teller() throws -> MediaModel {
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        // Keys and values of two layers, two heads of sixteen each.
        try TinyDecoder.write(to: model.bundle, trunkLayers: [0, 1], promptWidth: 2 * 2 * 2 * 16)
        guard case .object(var dims) = TinyDecoder.dims(trunkLayers: [0, 1]) else { return model }
        dims["things"] = ["crab"]
        dims["backgrounds"] = ["night"]
        dims["motion_phrases"] = ["rise": ["rises"]]
        dims["background_phrases"] = ["night": ["at night"]]
        try AtomicFile.write(Array((["dims": .object(dims)] as JSON).text().utf8), to: model.bundle + "/model.json")
        return model
    }

    /// Random weights name nothing that is known: the command says so, and measures nothing.
    @Test func saysWhereThereIsNothingToCompare() throws {
        let program = try Program()
        let model = try teller()
        let out = program.folder + "/rounds/of this"
        let common = ["retell", "-m", model.bundle, "--context", "2048", "--steps", "1", MediaModel.clip]
        let plots = ["png", "svg"].map { "\(program.folder)/plot.\($0)" }
        for plot in plots {
            let result = try program.run(common + ["--rounds", "2", "--out", out, "--plot", plot])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.errors.contains("warning: clip.mp4 has "))
            #expect(result.errors.contains("names nothing of the model's world, so there is nothing to compare"))
            #expect(result.output.hasPrefix(MediaModel.clip + "\n  0  "))
            let table = result.output.split(separator: "\n").suffix(4).map { $0.split(separator: " ").map(String.init) }
            #expect(table.first == ["round", "things", "motions", "background"])
            #expect(table.last == ["2", "-", "-", "-"])
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: plots[0])).starts(with: [0x89, 0x50, 0x4E, 0x47]))
        #expect(try String(contentsOfFile: plots[1], encoding: .utf8).contains("What is left of the meaning"))
        let kept = try FileManager.default.contentsOfDirectory(atPath: out).sorted()
        #expect(kept == ["clip-round-1.mp4", "clip-round-2.mp4"])
        // The same again, and without a folder: the same words, and nothing is left behind.
        let again = try program.json(common + ["--rounds", "2", "--json"])
        let first = try program.json(common + ["--rounds", "2", "--json", "--out", out])
        func words(_ json: JSON) throws -> [String?] {
            try #require(json["clips"]?.arrayValue?.first?["rounds"]?.arrayValue).map { $0["description"]?.stringValue }
        }
        #expect(try words(again) == words(first) && words(again).count == 3)
        #expect(again["means"]?.arrayValue?.map { $0["things"] } == [.null, .null, .null])
        #expect(
            first["clips"]?.arrayValue?.first?["rounds"]?.arrayValue?.last?["clip"]
                == .string("\(out)/clip-round-2.mp4")
        )
    }

    @Test func refusesWhatCannotBeRetold() throws {
        let program = try Program()
        let model = try teller()
        let common = ["retell", "-m", model.bundle, "--context", "2048", "--steps", "1"]
        for (arguments, message) in [
            (["/nonexistent.mp4"], "error: /nonexistent.mp4: cannot open"),
            ([#filePath], "not a clip, recording or picture"),
            ([MediaModel.clip, "--plot", "/nonexistent/plot.png"], "/nonexistent/plot.png"),
            ([MediaModel.clip, "--out", #filePath + "/rounds"], "cannot create the folder"),
            ([MediaModel.clip, "--steps", "0"], "the number of steps is 0"),
        ] {
            let result = try program.run(common + arguments)
            #expect(result.status == 1 && result.errors.contains(message), "\(arguments): \(result.errors)")
            #expect(result.output.isEmpty)
        }
        for arguments in [
            [], [""], [MediaModel.clip, "--rounds", "0"], [MediaModel.clip, "--rounds=-1"],
            [MediaModel.clip, "--plot", "plot.jpg"], [MediaModel.clip, "--out", ""],
        ] {
            #expect(try program.run(common + arguments).status == 2, "\(arguments)")
        }
        // A clip that the command itself would write is not taken for one to read.
        let own = program.folder + "/clip-round-1.mp4"
        try FileManager.default.copyItem(atPath: MediaModel.clip, toPath: own)
        let arguments = [MediaModel.clip, own, "--rounds", "1", "--out", program.folder]
        let over = try program.run(common + arguments)
        #expect(over.status == 1 && over.errors.contains("clip-round-1.mp4 is one of the clips"), "\(over.errors)")
        let blind = try program.run(["retell", "-m", checkpoint, MediaModel.clip])
        #expect(blind.status == 1 && blind.errors.contains("hint: "), "\(blind.errors)")
    }

    /// The default model of the repository's parts: what it films of its own description, it describes in its own words.
    @Test(.enabled(if: trunk != nil, "needs SORANJI_TEST_MODEL"))
    func retellsWithTheDefaultModel() throws {
        let program = try Program()
        let trunk = try #require(Self.trunk)
        let models = program.folder + "/cache/models"
        try FileManager.default.createDirectory(atPath: models, withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: models + "/" + ModelLocator.defaultModelName,
            withDestinationPath: trunk
        )
        let clip = program.folder + "/ball.mp4"
        let filmed = try program.run(["generate", "a ball moves right on the grass", "-o", clip, "--steps", "4"])
        #expect(filmed.status == 0, "\(filmed.errors)")
        let arguments = ["retell", clip, "--rounds", "1", "--steps", "4", "--json"]
        // A clip of its world gives nothing to warn of: no prompt is there before it was described.
        #expect(try program.run(arguments).errors.contains("warning: the prompt") == false)
        let report = try program.json(arguments)
        let rounds = try #require(report["clips"]?.arrayValue?.first?["rounds"]?.arrayValue)
        #expect(rounds.count == 2)
        #expect(rounds.first?["things"] == .number(1))
        let certainty = try #require(rounds.first?["certainty"]?.doubleValue)
        #expect(0...1 ~= certainty)
    }
}

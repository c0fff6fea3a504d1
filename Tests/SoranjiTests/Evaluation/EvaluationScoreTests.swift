import Foundation
import JSONText
import Testing

@testable import Soranji

/// Scores against hand-made answers and against sacrebleu.
struct EvaluationScoreTests {
    @Test func containingIsCounted() {
        func score(_ answer: String, _ references: String...) -> Double {
            EvaluationScoring.containsAll.score(answer, references)
        }
        #expect(score("It is 12345.", "12345") == 100)
        #expect(score("It is 1234", "12345") == 0)
        #expect(score("abcde and FGHIJ", "ABCDE", "fghij", "KLMNO", "PQRST") == 50)
        #expect(score("", "x") == 0)
        #expect(score("anything") == 0)
    }

    /// The fixture is what sacrebleu 2.6.0 printed, see Fixtures/chrf_fixture.py.
    @Test func chrFEqualsSacrebleu() throws {
        let folder = String(#filePath.split(separator: "/Evaluation/", maxSplits: 1)[0])
        let path = (folder.hasPrefix("/") ? folder : "/" + folder) + "/Fixtures/chrf.json"
        let fixture = try JSON.parse(Array(Data(contentsOf: URL(fileURLWithPath: path))))
        var corpus = ChrF()
        let pairs = try #require(fixture["pairs"]?.arrayValue)
        #expect(pairs.count == 19)
        for pair in pairs {
            let entry = try #require(pair.arrayValue)
            let hypothesis = try #require(entry[0].stringValue)
            let reference = try #require(entry[1].stringValue)
            let expected = try #require(entry[2].doubleValue)
            #expect(abs(ChrF.score(hypothesis, reference) - expected) < 1e-9, "\(hypothesis) / \(reference)")
            corpus.add(hypothesis, reference)
        }
        #expect(abs(corpus.score - (try #require(fixture["corpus"]?.doubleValue))) < 1e-9)
        #expect(ChrF().score == 0)
    }

    // MARK: Files and reports

    private func record(_ task: EvaluationTask, _ length: Int, _ depth: Double?, _ score: Double) -> EvaluationRecord {
        EvaluationRecord(
            task: task,
            lengthTokens: length,
            depth: depth,
            sample: 0,
            question: 0,
            scoring: "contains",
            answer: "a \"quoted\"\nanswer",
            references: ["x"],
            score: score,
            promptTokens: 100,
            cachedTokens: 0,
            needles: [[3, 9]],
            seconds: 0.5
        )
    }

    @Test func sharesOfAttentionAreKeptAndAveraged() throws {
        var first = record(.passkey, 4096, 0, 100)
        (first.attentionRead, first.farAttentionRead) = (0.9, 0.5)
        var second = record(.passkey, 4096, 1, 100)
        second.attentionRead = 1
        #expect(EvaluationRecord(json: first.json) == first && EvaluationRecord(json: second.json) == second)
        let report = EvaluationReport(
            records: [first, second, record(.needle, 4096, 0, 1)],
            omissions: [],
            lengths: [4096]
        )
        let shares = try #require(report.attention(.init(task: .passkey), length: 4096))
        #expect(abs(shares.read - 0.95) < 1e-12 && shares.far == 0.5)
        #expect(report.attention(.init(task: .needle), length: 4096) == nil)
        #expect(report.attention(.init(task: .passkey), length: 2048) == nil)
    }

    @Test func resultsSurviveAndCutLinesDoNot() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/results.jsonl"
        let header: JSON = ["evaluation": "soranji", "seed": "1"]
        let records = [record(.needle, 1024, 0.25, 100), record(.variables, 2048, nil, 20)]
        do {
            let file = try EvaluationFile(path: path, header: header, resumes: false)
            for record in records { try file.append(record) }
        }
        let whole = TemporaryFolder.contents(path)
        #expect(try EvaluationFile(path: path, header: header, resumes: true).records == records)
        #expect(throws: EvaluationError.resultsExist(path)) {
            try EvaluationFile(path: path, header: header, resumes: false)
        }
        #expect(throws: EvaluationError.otherSettings(path, differences: ["seed 1 instead of 2"])) {
            try EvaluationFile(path: path, header: ["evaluation": "soranji", "seed": "2"], resumes: true)
        }
        // Ended at any byte, what is whole is kept and the next result is readable.
        let firstEnd = (whole.firstIndex(of: 0x0A) ?? 0) + 1
        for length in stride(from: firstEnd, to: whole.count, by: 7) {
            _ = folder.file("results.jsonl", Array(whole[..<length]))
            let file = try EvaluationFile(path: path, header: header, resumes: true)
            #expect(file.records == Array(records.prefix(file.records.count)))
            try file.append(records[1])
            let again = try EvaluationFile(path: path, header: header, resumes: true)
            #expect(again.records.count == file.records.count + 1)
        }
        // Devices have no end.
        for device in ["/dev/full", "/dev/zero", folder.path] {
            #expect(throws: (any Error).self) { try EvaluationFile(path: device, header: header, resumes: true) }
        }
        #expect(throws: EvaluationError.noPlainFile("/dev/full")) {
            try EvaluationFile(path: "/dev/full", header: header, resumes: true)
        }
        _ = folder.file("results.jsonl", Array("nonsense\n".utf8))
        #expect(throws: EvaluationError.notAResultsFile(path, line: 1)) {
            try EvaluationFile(path: path, header: header, resumes: true)
        }
        _ = folder.file("results.jsonl", Array((header.text() + "\n{\"task\":\"needle\"}\n").utf8))
        #expect(throws: EvaluationError.notAResultsFile(path, line: 2)) {
            try EvaluationFile(path: path, header: header, resumes: true)
        }
    }

    @Test func reportsMeansByRow() throws {
        let records = [
            record(.needle, 1024, 0, 100), record(.needle, 1024, 1, 0), record(.needle, 2048, 0, 50),
            record(.variables, 1024, nil, 40), record(.needle, 2048, 0, 60),
        ]
        let omission = Evaluation.Omission(task: .needle, lengthTokens: 4096, reason: "does not fit: 2")
        let report = EvaluationReport(records: records, omissions: [omission], lengths: [1024, 2048, 4096])
        let rows = report.rows(byDepth: false)
        #expect(rows.map(\.label) == ["needle", "variables"])
        #expect(report.mean(rows[0], length: 1024)?.score == 50)
        // The later of two answers to one question counts.
        #expect(report.mean(rows[0], length: 2048)?.score == 60)
        #expect(report.mean(rows[0], length: 4096) == nil)
        #expect(report.rows(byDepth: true).map(\.label) == ["needle 0%", "needle 100%", "variables"])
        #expect(report.json["cells"]?.arrayValue?.count == 4)
        #expect(report.json["left_out"]?.arrayValue?.count == 1)
        let heatmap = report.heatmap(model: "m", note: "n")
        #expect(heatmap.columnLabels == ["1K", "2K", "4K"])
        #expect(heatmap.rows[0][0] == 100 && heatmap.rows[0][2].isNaN)
        #expect(!heatmap.encoded(as: .png).isEmpty)
        #expect(EvaluationReport.lengthLabel(1 << 20) == "1M")
        #expect(EvaluationReport.lengthLabel(1000) == "1000")
    }
}

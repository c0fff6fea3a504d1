import JSONText
import Soranji

/// What was filmed, as text and as JSON.
struct FilmReport {
    var receipt: FilmReceipt
    var output: String?
    var frames: String?
    /// From the request to the finished file.
    var seconds: Double

    /// One line.
    var text: String {
        let where_ = [output, frames].compactMap { $0 }.joined(separator: ", ")
        let shots = receipt.shots.count > 1 ? ", \(receipt.shots.count) shots" : ""
        return (where_.isEmpty ? "" : "\(where_): ")
            + "\(FixedPoint.duration(receipt.seconds)), \(receipt.size.width)x\(receipt.size.height), "
            + "\(receipt.frames) frame\(receipt.frames == 1 ? "" : "s")\(shots), seed \(receipt.seed), in \(FixedPoint.duration(seconds))"
    }

    /// A line for each shot of several: when it begins, how it follows, and what it was filmed from.
    var shotLines: [String] {
        guard receipt.shots.count > 1 else { return [] }
        return TextTable.lines(
            receipt.shots.map {
                let prompt = $0.prompt.count > 120 ? $0.prompt.prefix(119) + "…" : $0.prompt
                return ["  " + FixedPoint.duration($0.startSeconds), $0.transition.rawValue, prompt]
            },
            rightAligned: [0]
        )
    }

    static func json(_ reports: [FilmReport], contactSheet: String?) -> JSON {
        [
            "films": .array(reports.map(\.json)),
            "contact_sheet": contactSheet.map { .string($0) } ?? .null,
        ]
    }

    private var json: JSON {
        [
            "output": output.map { .string($0) } ?? .null,
            "frames_folder": frames.map { .string($0) } ?? .null,
            "width": .integer(Int64(receipt.size.width)),
            "height": .integer(Int64(receipt.size.height)),
            "frames": .integer(Int64(receipt.frames)),
            "fps": .integer(Int64(receipt.framesPerSecond)),
            "seconds": .number(receipt.seconds),
            "sample_rate": .integer(Int64(receipt.sampleRate)),
            "sound_samples": .integer(Int64(receipt.soundSamples)),
            "seed": .integer(Int64(truncatingIfNeeded: receipt.seed)),
            "shots": .array(
                receipt.shots.map { shot in
                    [
                        "title": .string(shot.title),
                        "prompt": .string(shot.prompt),
                        "transition": .string(shot.transition.rawValue),
                        "start_seconds": .number(shot.startSeconds),
                        "frames": .integer(Int64(shot.frames)),
                        "prompt_tokens": .integer(Int64(shot.promptTokens)),
                    ]
                }
            ),
            "warnings": .array(receipt.warnings.map { .string($0) }),
            "timing": [
                "prompt_seconds": .number(receipt.promptSeconds),
                "total_seconds": .number(seconds),
            ],
        ]
    }

    /// `clip.mp4` as `clip-2.mp4`.
    static func numbered(_ path: String?, _ number: Int) -> String? {
        guard let path else { return nil }
        let name = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let dot = path[name...].lastIndex(of: "."), dot != name else { return "\(path)-\(number)" }
        return "\(path[..<dot])-\(number)\(path[dot...])"
    }
}

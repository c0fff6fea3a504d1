import CAllocationCounter
import Experts
import Foundation
import JSONText
import KVCache
import ModelFiles
import Models
import Tensor
import Testing

/// A checkpoint that sees (and hears), with reference outputs.
struct MediaGoldenCase {
    let name: String
    let path: String
    let golden: GoldenCase

    init(_ name: String) throws {
        self.name = name
        golden = try GoldenCase(name)
        path = golden.path
    }

    var runs: [String] { golden.runs }

    func configuration() throws -> DecoderConfiguration {
        try DecoderConfiguration(json: Families.plan(for: CheckpointSource(path: path)).configuration)
    }

    func tokens(_ run: String) throws -> [Int32] {
        try golden.integers("\(run).in.input_ids").values.map { Int32($0) }
    }

    private func grids(_ tensor: String) throws -> [PatchGrid] {
        guard golden.contains(tensor) else { return [] }
        let values = try golden.integers(tensor).values.map { Int($0) }
        return stride(from: 0, to: values.count, by: 3).map {
            PatchGrid(frames: values[$0], height: values[$0 + 1], width: values[$0 + 2])
        }
    }

    func layout(_ run: String) throws -> StreamMedia {
        var media = StreamMedia()
        media.images = try grids("\(run).in.image_grid_thw")
        var seconds: [Float] = []
        if golden.contains("\(run).in.video_second_per_grid") {
            seconds = try golden.floats("\(run).in.video_second_per_grid").values
        }
        for (index, grid) in try grids("\(run).in.video_grid_thw").enumerated() {
            let secondsPerGrid = index < seconds.count ? Double(seconds[index]) : 1
            media.videos.append(.init(grid: grid, secondsPerGrid: secondsPerGrid))
        }
        if golden.contains("\(run).in.input_features") {
            media.sounds = [try golden.floats("\(run).out.audio_tower#pooler_output").shape[0]]
        }
        return media
    }

    /// The reference's encoder outputs. Where a run has an image and a video, the reference kept only the second call of
    /// the vision tower; the run of the image alone has the first.
    func rows(_ run: String) throws -> [MediaRows] {
        func vision(_ run: String, _ modality: Modality, _ digest: UInt64) throws -> MediaRows {
            let values = try golden.floats("\(run).out.visual#pooler_output")
            return try MediaRows(
                modality: modality,
                columns: values.shape[1],
                values: values.values,
                deepstack: (0..<3).map { try golden.floats("\(run).out.visual#deepstack_features\($0)").values },
                digest: [digest, 0, 0, 0]
            )
        }
        var rows: [MediaRows] = []
        let hasVideo = golden.contains("\(run).in.pixel_values_videos")
        if golden.contains("\(run).in.pixel_values") {
            let images = hasVideo ? (golden.contains("image2.in.input_ids") ? "image2" : "image") : run
            rows.append(try vision(images, .image, 1))
        }
        if hasVideo { rows.append(try vision(run, .video, 2)) }
        if golden.contains("\(run).in.input_features") {
            let values = try golden.floats("\(run).out.audio_tower#pooler_output")
            rows.append(
                try MediaRows(
                    modality: .audio,
                    columns: values.shape[1],
                    values: values.values,
                    digest: [3, 0, 0, 0]
                )
            )
        }
        return rows
    }

    /// The same from the bundle's towers.
    func encodedRows(_ run: String, _ bundle: ModelFiles.Bundle, _ pool: ThreadPool) throws -> [MediaRows] {
        var rows: [MediaRows] = []
        for (pixels, grid, modality) in [
            ("pixel_values", "image_grid_thw", Modality.image), ("pixel_values_videos", "video_grid_thw", .video),
        ] {
            guard golden.contains("\(run).in.\(pixels)") else { continue }
            let tower = try VisionTower(bundle: bundle, pool: pool)
            let output = try golden.floats("\(run).in.\(pixels)").values.withUnsafeBufferPointer {
                try tower.encode($0, grids: grids("\(run).in.\(grid)"))
            }
            rows.append(
                try MediaRows(
                    modality: modality,
                    columns: output.width,
                    values: output.rows,
                    deepstack: output.deepstack,
                    digest: [UInt64(rows.count), 0, 0, 0]
                )
            )
        }
        if golden.contains("\(run).in.input_features") {
            let mel = try golden.floats("\(run).in.input_features")
            let output = try mel.values.withUnsafeBufferPointer {
                try AudioTower(bundle: bundle, pool: pool).encode([.binsFirst($0, frames: mel.shape[2])])
            }
            rows.append(
                try MediaRows(modality: .audio, columns: output.width, values: output.rows, digest: [9, 0, 0, 0])
            )
        }
        return rows
    }

    func stream(
        _ run: String,
        _ configuration: DecoderConfiguration,
        rows: [MediaRows]? = nil
    ) throws -> TokenStream {
        try TokenStream(
            tokens: tokens(run),
            media: rows ?? self.rows(run),
            layout: layout(run),
            configuration: configuration
        )
    }

    /// `[3, 1, tokens]`, of integers or floats.
    func positions(_ run: String) throws -> [RotaryPosition] {
        let values = try numbers("\(run).out.position_ids")
        let count = values.count / 3
        return (0..<count).map {
            RotaryPosition(time: values[$0], row: values[count + $0], column: values[2 * count + $0])
        }
    }

    func delta(_ run: String) throws -> Double { try #require(numbers("\(run).out.rope_delta").first) }

    private func numbers(_ name: String) throws -> [Double] {
        try golden.isFloat(name)
            ? golden.floats(name).values.map(Double.init) : golden.integers(name).values.map(Double.init)
    }
}

/// Runs `body` and expects that this thread allocates nothing meanwhile.
func expectNoAllocation(_ body: () throws -> Void) rethrows {
    let before = allocation_count_of_thread()
    try body()
    #expect(allocation_count_of_thread() - before == 0)
}

/// Writes changed copies of a float32 checkpoint's file.
enum CheckpointCopy {
    /// - Parameters:
    ///   - isSwapped: whether a three-dimensional tensor has its last two axes swapped.
    ///   - rename: the new name; nil leaves the tensor out.
    ///   - extra: names of tensors of one number that are added.
    static func write(
        from source: String,
        to target: String,
        isSwapped: (String) -> Bool = { _ in false },
        rename: (String) -> String? = { $0 },
        extra: [String] = []
    ) throws {
        let file = try SafetensorsFile(path: source)
        var header = JSON.Object()
        var body: [UInt8] = []
        for tensor in file.tensors {
            guard let name = rename(tensor.name) else { continue }
            let entry = try #require(file.entry(named: tensor.name))
            var bytes = Array(try #require(file.bytes(of: entry)))
            var shape = entry.shape
            if isSwapped(tensor.name), shape.count == 3 {
                let source = bytes
                let (rows, columns) = (shape[1], shape[2])
                for matrix in 0..<shape[0] {
                    for row in 0..<rows {
                        for column in 0..<columns {
                            let from = 4 * ((matrix * rows + row) * columns + column)
                            let to = 4 * ((matrix * columns + column) * rows + row)
                            for byte in 0..<4 { bytes[to + byte] = source[from + byte] }
                        }
                    }
                }
                shape.swapAt(1, 2)
            }
            header[name] = [
                "dtype": "F32", "shape": .array(shape.map { .integer(Int64($0)) }),
                "data_offsets": [.integer(Int64(body.count)), .integer(Int64(body.count + bytes.count))],
            ]
            body += bytes
        }
        for name in extra {
            header[name] = [
                "dtype": "F32", "shape": [1],
                "data_offsets": [.integer(Int64(body.count)), .integer(Int64(body.count + 4))],
            ]
            body += [0, 0, 0, 0]
        }
        let text = Array(JSON.object(header).text().utf8)
        var data = Data(withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) })
        data.append(contentsOf: text)
        data.append(contentsOf: body)
        try data.write(to: URL(fileURLWithPath: target))
    }
}

import Foundation
import ModelFiles
import Tensor

/// Log-mel of one clip, wherever it lies: the value of (bin, frame) is at `bin * binStride + frame * frameStride`.
package struct LogMelClip {
    package var values: UnsafeBufferPointer<Float>
    package var frames: Int
    package var binStride: Int
    package var frameStride: Int

    package init(values: UnsafeBufferPointer<Float>, frames: Int, binStride: Int, frameStride: Int) {
        self.values = values
        self.frames = frames
        self.binStride = binStride
        self.frameStride = frameStride
    }

    /// `[bins][frames]`, as feature extractors write it.
    package static func binsFirst(_ values: UnsafeBufferPointer<Float>, frames: Int) -> LogMelClip {
        LogMelClip(values: values, frames: frames, binStride: frames, frameStride: 1)
    }

    /// `[frames][bins]`
    package static func framesFirst(_ values: UnsafeBufferPointer<Float>, frames: Int, bins: Int) -> LogMelClip {
        LogMelClip(values: values, frames: frames, binStride: 1, frameStride: bins)
    }
}

/// What an audio tower makes of clips: rows for the decoder's input.
package struct AudioOutput: Sendable {
    /// Tokens of each clip.
    package var tokens: [Int]
    package var width: Int
    /// `[tokens of all clips][width]`
    package var rows: [Float]
}

/// The audio tower of Qwen3-Omni: log-mel becomes tokens, 13 a second.
///
/// Sound goes through the convolutions in chunks of a second and through the blocks in windows of some seconds that do not
/// see each other, a batch of windows at a time: memory does not grow with the length of a clip. Not for two threads at
/// once.
package final class AudioTower {
    package let configuration: AudioConfiguration
    private let pool: ThreadPool
    private let convolutions: AudioConvolutions
    private let blocks: [EncoderBlock]
    private let finalNorm: LayerNorm
    private let proj1: Linear
    private let proj2: Linear
    private let stack: EncoderStack
    private let normed: EncoderRows
    private let projected: EncoderRows
    /// `[tokens of a chunk][hidden]`
    private let sinusoids: [Float]

    /// Maps the encoder "audio" of a bundle.
    ///
    /// - Throws: ``ModelError`` or ``ModelFileError`` naming what is missing or does not fit; `.unsupported` when the bundle
    ///   has no audio tower.
    package convenience init(bundle: ModelFiles.Bundle, pool: ThreadPool) throws {
        guard let file = try bundle.encoder(named: EncoderPlan.audioName) else {
            throw ModelError.unsupported("sound: this model has no audio tower")
        }
        try self.init(file: file, pool: pool)
    }

    /// - Parameter batchTokens: tokens that go through the blocks together, at least one window.
    package init(file: EncoderFile, pool: ThreadPool, batchTokens: Int = 1040) throws {
        let configuration = try AudioConfiguration(file.configuration)
        self.configuration = configuration
        self.pool = pool
        let weights = EncoderWeights(file: file)
        let width = configuration.hiddenSize
        convolutions = try AudioConvolutions(weights, configuration, pool: pool)
        let shape = EncoderShape(
            hiddenSize: width,
            headCount: configuration.headCount,
            mlpWidth: configuration.mlpWidth,
            normEpsilon: AudioConfiguration.normEpsilon,
            activation: configuration.activation
        )
        blocks = try (0..<configuration.depth).map {
            try EncoderBlock(weights, block: $0, shape: shape, isFused: false)
        }
        finalNorm = try weights.norm("final_norm", width, epsilon: AudioConfiguration.normEpsilon)
        proj1 = try weights.linear("proj1", width, width)
        proj2 = try weights.linear("proj2", configuration.outputSize, width)
        let chunk = AudioConfiguration.tokens(chunkOf: configuration.chunkFrames)
        let (window, overflow) = chunk.multipliedReportingOverflow(by: configuration.chunksPerWindow)
        guard !overflow, window <= 1 << 20 else {
            throw ModelError.invalidConfiguration("audio_config: windows of \(configuration.chunksPerWindow) chunks")
        }
        let rows = max(window, batchTokens)
        stack = try EncoderStack(
            shape: shape,
            blocks: blocks,
            maximumRows: rows,
            // Clips may be as short as a token.
            maximumSegments: rows,
            pool: pool
        )
        normed = try EncoderRows(columns: width, maximumRows: rows, readings: [proj1.reading])
        projected = try EncoderRows(columns: width, maximumRows: rows, readings: [proj2.reading])
        sinusoids = Self.sinusoids(rows: chunk, width: width)
    }

    /// Sines of half the width, then cosines: position * 10000^(-i / (width / 2 - 1)).
    private static func sinusoids(rows: Int, width: Int) -> [Float] {
        let half = width / 2
        let step = log(10_000) / Double(max(1, half - 1))
        var table = [Float](repeating: 0, count: rows * width)
        for row in 0..<rows {
            for index in 0..<half {
                let angle = Double(row) * exp(-step * Double(index))
                table[row * width + index] = Float(sin(angle))
                table[row * width + half + index] = Float(cos(angle))
            }
        }
        return table
    }

    /// One chunk of a clip.
    private struct Chunk {
        var clip: Int
        var firstFrame: Int
        var frames: Int
        var tokens: Int
    }

    /// Encodes clips. Chunks are filled up with zeros to the longest one of the call, as the reference does with the clips
    /// of a batch: only clips shorter than a chunk can tell.
    ///
    /// - Throws: ``ModelError/invalidConfiguration(_:)`` when a clip has fewer values than its size asks for.
    package func encode(_ clips: [LogMelClip]) throws -> AudioOutput {
        for clip in clips { try check(clip) }
        let counts = clips.map { configuration.tokens(frames: $0.frames) }
        let width = configuration.outputSize
        let total = counts.reduce(0, +)
        var output = AudioOutput(
            tokens: counts,
            width: width,
            rows: [Float](repeating: 0, count: total * width)
        )
        let whole = configuration.chunkFrames
        var chunks: [Chunk] = []
        for (index, clip) in clips.enumerated() {
            for first in stride(from: 0, to: clip.frames, by: whole) {
                let frames = min(whole, clip.frames - first)
                chunks.append(
                    Chunk(
                        clip: index,
                        firstFrame: first,
                        frames: frames,
                        tokens: AudioConfiguration.tokens(chunkOf: frames)
                    )
                )
            }
        }
        let padded = chunks.map(\.frames).max() ?? 0
        try output.rows.withUnsafeMutableBufferPointer { rows in
            guard let base = rows.baseAddress else { return }
            try encode(clips, chunks, paddedFrames: padded, into: base)
        }
        return output
    }

    private func check(_ clip: LogMelClip) throws {
        let (bin, frame) = (configuration.melBins - 1, clip.frames - 1)
        let places = [
            bin.multipliedReportingOverflow(by: clip.binStride),
            max(0, frame).multipliedReportingOverflow(by: clip.frameStride),
        ]
        guard clip.frames >= 0, clip.binStride >= 0, clip.frameStride >= 0, !places.contains(where: { $0.overflow }),
            clip.frames == 0 || places[0].partialValue < clip.values.count,
            clip.frames == 0 || places[1].partialValue < clip.values.count - places[0].partialValue
        else {
            throw ModelError.invalidConfiguration(
                "\(clip.frames) frames of \(configuration.melBins) bins do not fit \(clip.values.count) values"
            )
        }
    }

    private func encode(
        _ clips: [LogMelClip],
        _ chunks: [Chunk],
        paddedFrames: Int,
        into output: UnsafeMutablePointer<Float>
    ) throws {
        // Windows are whole chunks of one clip, so the batches are too.
        let window = AudioConfiguration.tokens(chunkOf: paddedFrames) * configuration.chunksPerWindow
        var firstToken = 0
        var index = 0
        while index < chunks.count {
            var rows = 0
            var segments: [RowSegment] = []
            while index < chunks.count {
                let chunk = chunks[index]
                let continues = index > 0 && chunks[index - 1].clip == chunk.clip && rows > 0
                let joins = continues && (segments.last.map { $0.count + chunk.tokens <= window } ?? false)
                // A window that begins here must fit whole.
                let needed = joins ? chunk.tokens : windowTokens(chunks, from: index, window: window)
                if rows > 0, rows + needed > stack.residual.maximumRows { break }
                embed(clips[chunk.clip], chunk, paddedFrames: paddedFrames, row: rows)
                if joins {
                    segments[segments.count - 1].count += chunk.tokens
                } else {
                    segments.append(RowSegment(begin: rows, count: chunk.tokens))
                }
                rows += chunk.tokens
                index += 1
            }
            for block in blocks { stack.run(block, rows: rows, segments: segments, angles: nil) }
            project(rows: rows, into: output + firstToken * configuration.outputSize)
            firstToken += rows
        }
    }

    /// Tokens of the window that begins with chunk `first`.
    private func windowTokens(_ chunks: [Chunk], from first: Int, window: Int) -> Int {
        var tokens = 0
        for chunk in chunks[first...] {
            guard chunk.clip == chunks[first].clip, tokens + chunk.tokens <= window else { break }
            tokens += chunk.tokens
        }
        return tokens
    }

    /// residual rows from `row` on := sinusoids + convolved chunk.
    private func embed(_ clip: LogMelClip, _ chunk: Chunk, paddedFrames: Int, row: Int) {
        let width = configuration.hiddenSize
        let residual = stack.residual
        sinusoids.withUnsafeBufferPointer { table in
            guard let table = table.baseAddress else { return }
            for token in 0..<chunk.tokens {
                residual.row(row + token).update(from: table + token * width, count: width)
            }
        }
        convolutions.run(
            frames: chunk.frames,
            paddedFrames: paddedFrames,
            tokens: chunk.tokens,
            into: .floats(residual.row(row), stride: residual.stride)
        ) { frame, bin in
            clip.values[bin * clip.binStride + (chunk.firstFrame + frame) * clip.frameStride]
        }
    }

    private func project(rows: Int, into output: UnsafeMutablePointer<Float>) {
        pool.normalize(stack.residual, finalNorm, rows: rows, into: normed, for: proj1.reading)
        let middle = ProductTarget.rows(projected, for: proj2.reading, from: proj1.reading)
        pool.apply(proj1, normed, rows: rows, pointwise: configuration.activation, into: middle)
        if !middle.isFixed { pool.fill(projected, proj2.reading, count: rows) }
        let target = ProductTarget.floats(output, stride: configuration.outputSize)
        pool.apply(proj2, projected, rows: rows, into: target)
    }
}

import CKernels
import Foundation
import KVCache
import Tensor

/// What goes into a chunk: the prompt's keys and values, tokens with their places, noise level and kind, positions.
extension FlowRunner {
    /// Computes the keys and values of a prompt in every block.
    ///
    /// - Parameters:
    ///   - count: rows of the prompt.
    ///   - rows: writes some of them: a range, and memory for them, rows `stride` floats apart.
    /// - Throws: ``FilmError/promptTooLong(rows:limit:)``, or when memory is missing.
    package func readPrompt(
        count: Int,
        rows: (_ range: Range<Int>, _ memory: UnsafeMutablePointer<Float>, _ stride: Int) throws -> Void
    ) throws {
        guard count <= maximumPromptRows else {
            throw FilmError.promptTooLong(rows: count, limit: maximumPromptRows)
        }
        try prompt.reserve(rows: count)
        prompt.count = 0
        for first in stride(from: 0, to: count, by: Self.promptRowsAtOnce) {
            let range = first..<min(count, first + Self.promptRowsAtOnce)
            try rows(range, promptInput.pointer, promptInput.stride)
            project(range)
        }
        prompt.count = count
    }

    private func project(_ range: Range<Int>) {
        let columns = decoder.promptWidth
        pool.forRows(range.count, perTask: 8) { rows in
            for row in rows {
                let x = promptInput.row(row)
                for column in 0..<columns {
                    let value = (x[column] - decoder.promptMean[column]) / decoder.promptScale[column]
                    x[column] = min(8, max(-8, value))
                }
            }
        }
        pool.multiply(
            decoder.promptIn.matrix,
            bias: decoder.promptIn.bias,
            promptInput,
            into: promptHidden,
            tokens: range.count
        )
        for row in 0..<range.count { normalize(promptHidden.row(row), columns: width, into: promptHidden.row(row)) }
        let head = decoder.headWidth
        let heads = decoder.settings.flow.headCount
        for (index, block) in decoder.blocks.enumerated() {
            pool.multiply(block.promptKeysValues, promptHidden, into: promptKeysValues, tokens: range.count)
            pool.forRows(heads, perTask: 1) { some in
                var layout = decoder.pageLayout.kernelLayout
                for h in some {
                    for row in 0..<range.count {
                        let key = promptKeysValues.row(row) + h * head
                        normalize(key, columns: head, into: key)
                        prompt.store(
                            block: index,
                            head: h,
                            row: range.lowerBound + row,
                            key: key,
                            value: promptKeysValues.row(row) + width + h * head,
                            &layout
                        )
                    }
                }
            }
        }
    }

    /// Rows of the stream: tokens projected, with their place in the frame and their frame's number in the chunk added.
    func embed(_ source: UnsafePointer<Float>, _ soundSource: UnsafePointer<Float>, branches: Int) {
        let soundWidth = sound.columns
        windows.read(source, frames: frames, into: video)
        for row in 0..<soundTokens { sound.row(row).update(from: soundSource + row * soundWidth, count: soundWidth) }
        pool.multiply(decoder.videoIn.matrix, bias: decoder.videoIn.bias, video, into: stream, tokens: videoTokens)
        pool.multiply(
            decoder.soundIn.matrix,
            bias: decoder.soundIn.bias,
            sound,
            rows: soundTokens,
            into: stream.row(videoTokens),
            outputStride: stream.stride
        )
        let cells = windows.cells
        decoder.frame.withUnsafeBufferPointer { frames in
            guard let frames = frames.baseAddress else { return }
            for row in 0..<tokens {
                let frame = row < videoTokens ? row / cells : row - videoTokens
                if row < videoTokens { sk_add(stream.row(row), places.row(row % cells), Int64(width)) }
                sk_add(stream.row(row), frames + frame * width, Int64(width))
            }
        }
        for branch in 1..<max(1, branches) {
            for row in 0..<tokens { stream.row(branch * tokens + row).update(from: stream.row(row), count: width) }
        }
    }

    /// Shifts, scales and gates of a noise level and a kind of chunk.
    func modulate(level: Float, kind: Kind) {
        let row = kind.row(told: decoder.settings.flow.toldChunks)
        let features = timeFeatures.pointer
        for index in 0..<64 {
            // In f32 as in training: at a thousand radians the last bits count.
            let exponent = Float(-log(1000.0)) * Float(index) / 64
            let frequency = Float(exp(Double(exponent))) * 1000
            let angle = Double(level * frequency)
            features[index] = Float(cos(angle))
            features[64 + index] = Float(sin(angle))
        }
        pool.multiply(decoder.timeIn.matrix, bias: decoder.timeIn.bias, timeFeatures, into: timeHidden, tokens: 1)
        for column in 0..<width { timeHidden.pointer[column] = silu(timeHidden.pointer[column]) }
        pool.multiply(decoder.timeOut.matrix, bias: decoder.timeOut.bias, timeHidden, into: condition, tokens: 1)
        for column in 0..<width {
            condition.pointer[column] = silu(condition.pointer[column] + decoder.kind[row * width + column])
        }
        pool.multiply(decoder.modulation.matrix, bias: decoder.modulation.bias, condition, into: modulation, tokens: 1)
        pool.multiply(decoder.last.matrix, bias: decoder.last.bias, condition, into: lastModulation, tokens: 1)
    }

    private func silu(_ x: Float) -> Float { x / (1 + Float(exp(-Double(x)))) }

    /// Positions are (frame, row, column) of a video token, and (frame, -2, -2) of a sound token.
    func fillAngles(firstFrame: Int) {
        let cells = windows.cells
        for row in 0..<tokens {
            let position: [Double]
            if row < videoTokens {
                let cell = row % cells
                position = [
                    Double(firstFrame + row / cells),
                    Double(cell / windows.columns) + Double(windows.offset),
                    Double(cell % windows.columns) + Double(windows.offset),
                ]
            } else {
                position = [Double(firstFrame + row - videoTokens), -2, -2]
            }
            rotation.write(
                position,
                cosines: cosines.pointer + row * rotation.pairCount,
                sines: sines.pointer + row * rotation.pairCount
            )
        }
    }
}

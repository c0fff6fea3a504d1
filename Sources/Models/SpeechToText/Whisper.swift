import CKernels
import ModelFiles
import Tensor

/// A Whisper model, read-only.
package final class Whisper: Sendable {
    package let configuration: WhisperConfiguration
    package let weights: WhisperWeights

    /// - Throws: ``ModelError`` when the bundle is of another architecture, or naming what does not fit.
    package init(bundle: Bundle) throws {
        guard bundle.architecture == WhisperConfiguration.architecture else {
            throw ModelError.unsupported(
                "transcribing with a model of architecture '\(bundle.architecture)' (only whisper)"
            )
        }
        configuration = try WhisperConfiguration(json: bundle.configuration)
        weights = try WhisperWeights(bundle: bundle, configuration: configuration)
    }
}

/// Runs windows of sound and tokens of text through a ``Whisper``: owns every buffer, allocated once.
///
/// One window at a time: ``encode(_:)`` takes the sound in and forgets the text, ``append(_:logits:onLogits:)`` goes on
/// with the text, ``restart()`` begins it anew over the same sound.
package final class WhisperRunner {
    package let model: Whisper
    package let pool: ThreadPool
    /// Tokens of text so far.
    package private(set) var tokenCount = 0

    private let gathered: Activations
    private let wide: Activations
    private let states: Activations
    private let normed: Activations
    private let q: Activations
    private let k: Activations
    private let v: Activations
    private let mixed: Activations
    private let inner: Activations
    private let logits: AlignedBuffer<Float>
    private let scores: AttentionScores
    private let encoderPanels: AttentionPanels
    private let crossPanels: [AttentionPanels]
    private let textPanels: [AttentionPanels]

    /// Rows per product of a convolution: bounds the memory of gathered inputs.
    private static let gatheredRows = 256

    package init(model: Whisper, pool: ThreadPool) throws {
        let shape = model.configuration
        self.model = model
        self.pool = pool
        let hidden = shape.hiddenSize
        let rows = max(shape.sourcePositions, shape.targetPositions)
        let innerWidth = max(shape.encoder.width, shape.decoder.width)
        gathered = try Activations(columns: 3 * max(shape.melBins, hidden), maximumRows: Self.gatheredRows)
        wide = try Activations(columns: hidden, maximumRows: shape.windowFrames)
        states = try Activations(columns: hidden, maximumRows: rows)
        normed = try Activations(columns: hidden, maximumRows: rows)
        q = try Activations(columns: hidden, maximumRows: rows)
        k = try Activations(columns: hidden, maximumRows: rows)
        v = try Activations(columns: hidden, maximumRows: rows)
        mixed = try Activations(columns: hidden, maximumRows: rows)
        inner = try Activations(columns: innerWidth, maximumRows: rows)
        logits = try AlignedBuffer(count: shape.vocabularySize)
        scores = try AttentionScores(columns: rows, workers: pool.threadCount)
        func panels(_ heads: Int, _ capacity: Int) throws(AllocationError) -> AttentionPanels {
            try AttentionPanels(heads: heads, width: hidden / heads, capacity: capacity)
        }
        encoderPanels = try panels(shape.encoder.heads, shape.sourcePositions)
        crossPanels = try (0..<shape.decoder.layers).map { _ in try panels(shape.decoder.heads, shape.sourcePositions) }
        textPanels = try (0..<shape.decoder.layers).map { _ in try panels(shape.decoder.heads, shape.targetPositions) }
    }

    // MARK: Sound

    /// Encodes a window and keeps what the decoder attends to; the text begins anew.
    ///
    /// - Parameters:
    ///   - mel: `[windowFrames][melBins]` of log-mel, frame by frame.
    ///   - onStates: called with the encoded rows `[sourcePositions][hidden]`, for tests and other uses.
    /// - Throws: ``ModelError/invalidConfiguration`` when the window has another size.
    package func encode(
        _ mel: UnsafeBufferPointer<Float>,
        onStates: (UnsafePointer<Float>, _ stride: Int) -> Void = { _, _ in }
    ) throws {
        let shape = model.configuration
        let weights = model.weights
        guard mel.count == shape.windowFrames * shape.melBins, let mel = mel.baseAddress else {
            throw ModelError.invalidConfiguration(
                "a window has \(shape.windowFrames) frames of \(shape.melBins) bins; \(mel.count) values were given"
            )
        }
        let frames = shape.windowFrames
        convolve(weights.conv1, mel, (frames, shape.melBins, shape.melBins), step: 1, into: wide)
        convolve(
            weights.conv2,
            wide.pointer,
            (frames, shape.hiddenSize, wide.stride),
            step: 2,
            into: states
        )
        let rows = shape.sourcePositions
        addTable(weights.encoderPositions, first: 0, rows: rows)
        for layer in weights.encoderLayers {
            pool.normalize(layer.attentionNorm, states, into: normed, rows: rows)
            project(layer.attention, rows: rows)
            encoderPanels.store(k, v, first: 0, count: rows, pool: pool)
            encoderPanels.attend(
                q,
                into: mixed,
                rows: rows,
                length: rows,
                isCausal: false,
                scores: scores,
                pool: pool
            )
            pool.apply(layer.attention.output, mixed, into: states, rows: rows, adds: true)
            feedForward(layer, rows: rows)
        }
        pool.normalize(weights.encoderNorm, states, into: normed, rows: rows)
        onStates(normed.pointer, normed.stride)
        for (layer, panels) in zip(weights.decoderLayers, crossPanels) {
            guard let cross = layer.cross else { continue }
            pool.apply(cross.attention.k, normed, into: k, rows: rows)
            pool.apply(cross.attention.v, normed, into: v, rows: rows)
            panels.store(k, v, first: 0, count: rows, pool: pool)
        }
        tokenCount = 0
    }

    /// A convolution of width 3 with one row of zeros at both ends, then GELU.
    private func convolve(
        _ kernel: Linear,
        _ source: UnsafePointer<Float>,
        _ shape: (rows: Int, columns: Int, stride: Int),
        step: Int,
        into target: Activations
    ) {
        let outputs = shape.rows / step
        var first = 0
        while first < outputs {
            let count = min(Self.gatheredRows, outputs - first)
            for row in 0..<count {
                let line = gathered.row(row)
                for tap in 0..<3 {
                    let position = (first + row) * step + tap - 1
                    // Columns in the kernel's order: channel, then tap.
                    if 0..<shape.rows ~= position {
                        let input = source + position * shape.stride
                        for column in 0..<shape.columns { line[3 * column + tap] = input[column] }
                    } else {
                        for column in 0..<shape.columns { line[3 * column + tap] = 0 }
                    }
                }
            }
            pool.apply(
                kernel,
                gathered,
                into: target.row(first),
                stride: target.stride,
                rows: count,
                pointwise: SK_GELU
            )
            first += count
        }
    }

    // MARK: Text

    /// Begins the text anew over the same sound.
    package func restart() { tokenCount = 0 }

    /// Room for more tokens.
    package var remainingTokens: Int { model.configuration.targetPositions - tokenCount }

    /// Goes on with `tokens`; `onLogits` gets the position's number and its logits, for every token or the last one.
    ///
    /// - Throws: ``ModelError/invalidConfiguration`` for ids outside the vocabulary or more tokens than positions.
    package func append(
        _ tokens: [Int32],
        logits request: LogitsRequest,
        onLogits: (Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws {
        let shape = model.configuration
        let weights = model.weights
        guard !tokens.isEmpty else { return }
        guard tokens.count <= remainingTokens else {
            throw ModelError.invalidConfiguration(
                "a window's text has at most \(shape.targetPositions) tokens, not \(tokenCount + tokens.count)"
            )
        }
        if let wrong = tokens.first(where: { $0 < 0 || Int($0) >= shape.vocabularySize }) {
            throw ModelError.invalidConfiguration("token \(wrong) is not in the vocabulary of \(shape.vocabularySize)")
        }
        let (first, rows) = (tokenCount, tokens.count)
        var embedding = weights.embedding.kernelMatrix
        for (row, token) in tokens.enumerated() { sk_unpack_row(&embedding, token, states.row(row)) }
        if shape.scalesEmbeddings {
            for row in 0..<rows {
                sk_scale(states.row(row), Float(shape.hiddenSize).squareRoot(), Int64(shape.hiddenSize))
            }
        }
        addTable(weights.decoderPositions, first: first, rows: rows)
        for (index, layer) in weights.decoderLayers.enumerated() {
            pool.normalize(layer.attentionNorm, states, into: normed, rows: rows)
            project(layer.attention, rows: rows)
            textPanels[index].store(k, v, first: first, count: rows, pool: pool)
            attend(textPanels[index], rows: rows, length: first + 1, isCausal: true)
            pool.apply(layer.attention.output, mixed, into: states, rows: rows, adds: true)
            if let cross = layer.cross {
                pool.normalize(cross.norm, states, into: normed, rows: rows)
                pool.apply(cross.attention.q, normed, into: q, rows: rows)
                attend(crossPanels[index], rows: rows, length: shape.sourcePositions, isCausal: false)
                pool.apply(cross.attention.output, mixed, into: states, rows: rows, adds: true)
            }
            feedForward(layer, rows: rows)
        }
        tokenCount += rows
        guard request != .none else { return }
        pool.normalize(weights.decoderNorm, states, into: normed, rows: rows)
        if weights.output.readsQuantized { pool.quantize(normed, rows: rows) }
        for row in (request == .all ? 0 : rows - 1)..<rows {
            var projection = sk_projection(
                matrix: weights.output.kernelMatrix,
                bias: nil,
                out: logits.pointer,
                out_stride: Int64(shape.vocabularySize)
            )
            withUnsafePointer(to: &projection) {
                pool.multiply(UnsafeBufferPointer(start: $0, count: 1), normed.kernelView(from: row), tokens: 1)
            }
            onLogits(first + row, logits.buffer)
        }
    }

    // MARK: Parts of a layer

    private func project(_ attention: WhisperWeights.Attention, rows: Int) {
        for (linear, target) in [(attention.q, q), (attention.k, k), (attention.v, v)] {
            pool.apply(linear, normed, into: target, rows: rows)
        }
    }

    private func attend(_ panels: AttentionPanels, rows: Int, length: Int, isCausal: Bool) {
        panels.attend(q, into: mixed, rows: rows, length: length, isCausal: isCausal, scores: scores, pool: pool)
    }

    private func feedForward(_ layer: WhisperWeights.Layer, rows: Int) {
        pool.normalize(layer.ffnNorm, states, into: normed, rows: rows)
        pool.apply(layer.up, normed, into: inner, rows: rows, pointwise: SK_GELU)
        pool.apply(layer.down, inner, into: states, rows: rows, adds: true)
    }

    private func addTable(_ table: [Float], first: Int, rows: Int) {
        let columns = states.columns
        table.withUnsafeBufferPointer { table in
            guard let table = table.baseAddress else { return }
            for row in 0..<rows { sk_add(states.row(row), table + (first + row) * columns, Int64(columns)) }
        }
    }
}

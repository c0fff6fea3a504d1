import CKernels
import KVCache
import ModelFiles
import Models
import Sessions
import Tensor
import VideoDecoder

/// A model that answers, and the decoder that films from what the model has read.
///
/// The prompt goes through the model as every prompt does; the decoder reads the keys (before their rotation) and the
/// values of some layers from the pages of that context.
public final class FilmStudio {
    public let runtime: Runtime
    let model: FilmModel
    /// What the model knows; nil where its bundle does not say.
    let vocabulary: SceneVocabulary?
    /// What every prompt follows; nil for nothing.
    private var session: StoredPrompt?

    /// - Parameter decoderFolder: what `Training/` exported; nil for the model's own bundle.
    public init(runtime: Runtime, decoderFolder: String? = nil) throws {
        self.runtime = runtime
        let folder = decoderFolder ?? runtime.bundleFolder
        guard FilmModel.exists(in: folder) else { throw FilmRequestError.noDecoder(folder) }
        model = try FilmModel(folder: folder)
        vocabulary =
            (try? SceneVocabulary(bundleFolder: folder)) ?? (try? SceneVocabulary(bundleFolder: runtime.bundleFolder))
        guard case .grouped(let shape) = runtime.decoder.configuration.attention else {
            throw FilmRequestError.decoderMismatch("its attention is of another kind")
        }
        let layers = model.settings.flow.trunkLayers
        if let missing = layers.first(where: { $0 >= runtime.layerCount }) {
            throw FilmRequestError.decoderMismatch(
                "it reads layer \(missing), and the model has \(runtime.layerCount) layers"
            )
        }
        let width = layers.count * 2 * shape.kvHeadCount * shape.headWidth
        guard width == model.flow.promptWidth else {
            throw FilmRequestError.decoderMismatch(
                "it reads rows of \(model.flow.promptWidth) numbers, and the model has \(width)"
            )
        }
    }

    /// The size, rate and length of the clips that the decoder was trained on.
    public var trainedSize: FilmRequest.Size {
        FilmRequest.Size(width: model.settings.world.framePixels, height: model.settings.world.framePixels)
    }
    public var trainedFramesPerSecond: Int { model.settings.world.framesPerSecond }
    public var trainedSeconds: Double {
        Double(model.settings.world.frameCount) / Double(model.settings.world.framesPerSecond)
    }

    /// Checks a request without filming it.
    ///
    /// - Returns: what about it the model was not trained for.
    /// - Throws: ``FilmRequestError`` for what cannot be filmed.
    public func check(_ request: FilmRequest) throws -> [String] {
        let plan = try FilmLimits(settings: model.settings).plan(request)
        for shot in request.shots { _ = try promptTokens(shot.prompt) }
        return plan.warnings
    }

    /// What the prompts of a request lack that the model could film; nothing where a session is filmed from, which may name it.
    public func promptWarnings(_ request: FilmRequest) -> [String] {
        session == nil ? vocabulary?.warnings(request) ?? [] : []
    }

    /// Tokens that a film is made of at most: contexts that are longer than what the model was trained for are recalled for
    /// answers, but the decoder reads every row.
    private var maximumPromptTokens: Int { min(runtime.contextTokens, runtime.trainedContextTokens) }

    /// Longest prompt that is read at all: no token is as long as this many bytes on average.
    private var maximumPromptBytes: Int { min(1 << 24, maximumPromptTokens * 16) }

    /// What a stored session has read comes before every prompt from now on; nothing of it is read again.
    public func film(from session: SessionConversation) throws { self.session = try session.storedPrompt() }

    /// The tokens of a prompt as the decoder knows them from training, a session's before them.
    func promptTokens(_ prompt: String) throws -> [Int32] {
        let prompt = prompt.loweringWordsInCapitals
        guard prompt.utf8.count <= maximumPromptBytes else {
            throw FilmRequestError.promptTooLarge(bytes: prompt.utf8.count, limit: maximumPromptBytes)
        }
        // Control tokens that the prompt spells out stay text.
        let encoder = PromptEncoder(try runtime.requireTokenizer())
        let shield = encoder.shielded([prompt])
        let text = (session?.opening ?? "<|im_start|>user\n") + "\(shield?.texts[0] ?? prompt)<|im_end|>"
        let tokens =
            (session?.stream.content.tokens ?? [])
            + encoder.encode(text, separator: shield?.separator, addingSpecialTokens: false).tokens
        guard tokens.count <= maximumPromptTokens else {
            throw FilmRequestError.promptTooLong(tokens: tokens.count, limit: maximumPromptTokens)
        }
        return tokens
    }

    /// Reads a prompt with the model, but for what a session has stored.
    func readPrompt(_ tokens: [Int32]) throws -> PageTable {
        guard let session else {
            var table = runtime.makePageTable()
            try read(TokenStream(text: tokens), into: &table)
            return table
        }
        let stored = session.stream.content
        let stream = TokenStream(
            stored: stored,
            media: session.media,
            followedBy: TokenStream(text: Array(tokens[min(stored.tokens.count, tokens.count)...]))
        )
        var table = try runtime.storedTable(session.session, limit: stored.tokens.count)
        try read(stream, into: &table)
        return table
    }

    private func read(_ stream: TokenStream, into table: inout PageTable) throws {
        let begin = table.count
        try runtime.prefill(stream, begin..<stream.count, table: &table, onProgress: { _ in }, onLogits: { _ in })
    }

    /// Hands a context's keys and values to the decoder, but for the first rows, which every prompt shares.
    func handOver(_ table: PageTable, to filmer: ChunkFilmer) throws {
        // Pages of a session are checked before they are used, also where attention has not come to them.
        for layer in model.settings.flow.trunkLayers {
            try table.checkIntact(layer: layer, pages: table.pages.indices, pool: runtime.runner.pool)
        }
        let prefix = min(model.settings.promptPrefixRows, max(0, table.count - 1))
        let rows = ContextRows(table: table, layers: model.settings.flow.trunkLayers)
        try filmer.readPrompt(count: table.count - prefix) { range, memory, stride in
            for row in range { rows.copy(slot: prefix + row, into: memory + (row - range.lowerBound) * stride) }
        }
    }
}

/// Keys before their rotation and values of some layers of a context, as rows of floats.
struct ContextRows {
    let table: PageTable
    let layers: [Int]

    /// Writes, for each layer, the keys of all heads and then their values.
    func copy(slot: Int, into target: UnsafeMutablePointer<Float>) {
        let page = table.pages[slot / PageLayout.positions]
        let layout = page.layout
        let offset = Int32(slot % PageLayout.positions)
        var kernelLayout = layout.kernelLayout
        let values = layout.kvHeadCount * layout.keyWidth
        for (index, layer) in layers.enumerated() {
            let to = target + index * layout.kvHeadCount * (layout.keyWidth + layout.valueWidth)
            for head in 0..<layout.kvHeadCount {
                sk_page_load(
                    &kernelLayout,
                    page.keys(layer: layer, head: head),
                    page.values(layer: layer, head: head),
                    offset,
                    to + head * layout.keyWidth,
                    to + values + head * layout.valueWidth
                )
            }
        }
    }
}

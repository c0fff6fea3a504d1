import Experts
import JSONText
import ModelFiles

/// The default model: a frozen trunk, and beside its dense layers routed experts of video and of audio that were grown on it.
///
/// Tokens of a modality choose among that modality's experts (softmax over its router, the best k renormalised), which are added to
/// the frozen layer; text tokens meet the trunk alone, so that text is what the trunk says, to the bit.
package enum GrownModel {
    package static let architecture = "grown"

    /// What ``BundleImporter`` carries out: the trunk's own plan with experts, senses and what films.
    ///
    /// - Returns: the plan, and the trunk with the tensors of the parts.
    package static func plan(
        trunk: CheckpointSource,
        parts: GrownParts
    ) throws -> (plan: ImportPlan, source: CheckpointSource) {
        var plan = try Families.plan(for: trunk)
        var configuration = try DecoderConfiguration(json: plan.configuration)
        guard configuration.router == nil, configuration.media == nil else {
            throw ModelError.unsupported("a trunk that has routed experts or media of its own")
        }
        let senses = try SensesConfiguration(dims: parts.dims)
        let experts = try GrownExperts(dims: parts.dims)
        configuration.router = experts.router
        configuration.expertWidth = experts.width
        for layer in stride(from: 0, to: configuration.layerCount, by: experts.every) {
            configuration.layers[layer].hasRoutedExperts = true
        }
        configuration.media = try media(parts.dims, senses)
        try configuration.validate()

        plan.architecture = architecture
        plan.configuration = try configuration.json()
        let stem = trunk.path.split(separator: "/").last.map(String.init) ?? trunk.path
        plan.sourceName = "\(stem) with grown experts"
        experts.append(to: &plan, layers: configuration.layers)
        plan.encoders.append(SensePlan.encoder(senses, dims: parts.dims))
        plan.copies.append(.init(parts.manifestPath, as: "model.json"))
        for name in ["decoder/codec.safetensors", "decoder/flow.safetensors"] where parts.has(name) {
            plan.copies.append(.init(parts.path(name), as: name))
        }
        if let template = parts.templatePath { plan.copies.append(.init(template, as: "chat_template.jinja")) }
        return (plan, try trunk.adding(try files(parts, experts, configuration.layers)))
    }

    /// The parts' files, with the names that their tensors get beside the trunk's.
    private static func files(
        _ parts: GrownParts,
        _ experts: GrownExperts,
        _ layers: [DecoderConfiguration.Layer]
    ) throws -> [(file: SafetensorsFile, name: (String) -> String?)] {
        var files: [(file: SafetensorsFile, name: (String) -> String?)] = [
            (try parts.open("routers.safetensors"), { GrownExperts.prefix + $0 }),
            (try parts.open("encoders/senses.safetensors"), { SensePlan.prefix + $0 }),
            (
                try parts.open("decoder/codec.safetensors"),
                { ["mean", "basis", "scale"].contains($0) ? SensePlan.analysisPrefix + $0 : nil }
            ),
        ]
        for (layer, settings) in layers.enumerated() where settings.hasRoutedExperts {
            for expert in 0..<experts.router.expertCount {
                let shard = GrownExperts.shard(layer: layer, expert: expert)
                files.append((try parts.open(shard + ".safetensors"), { GrownExperts.prefix + shard + "." + $0 }))
            }
        }
        return files
    }

    private static func media(_ dims: JSON, _ senses: SensesConfiguration) throws -> MediaConfiguration {
        func token(_ kind: String) throws -> Int32 {
            guard let id = dims["placeholders"]?[kind]?.intValue.flatMap({ Int32(exactly: $0) }) else {
                throw ModelError.missingSetting("placeholders.\(kind)")
            }
            return id
        }
        return MediaConfiguration(
            rule: .windowed,
            imageToken: try token("image"),
            videoToken: try token("video"),
            visionStartToken: nil,
            audioToken: try token("audio"),
            audioStartToken: nil,
            positionsPerSecond: 1,
            spatialMerge: 1,
            temporalPatch: min(64, senses.windows.frames),
            patchSize: senses.patchPixels,
            deepstackCount: 0,
            windows: senses.windows
        )
    }
}

/// The experts of the modalities, in the order of their pools.
struct GrownExperts {
    static let prefix = "grown."

    let router: RouterConfiguration
    /// Hidden units of an expert.
    let width: Int
    /// Layers from one with experts to the next.
    let every: Int

    init(dims: JSON) throws {
        guard let senses = Settings(dims).section("understanding") else {
            throw ModelError.missingSetting("understanding")
        }
        let count = try senses.count("experts", maximum: 1024)
        router = RouterConfiguration(
            expertCount: 2 * count,
            expertsPerToken: try senses.count("expert_top", maximum: count),
            scoring: .softmax,
            renormalizes: true,
            pools: [
                ExpertPool(name: "video", modalities: [.video, .image], first: 0, count: count),
                ExpertPool(name: "audio", modalities: [.audio], first: count, count: count),
            ]
        )
        width = try senses.count("expert_hidden", maximum: 65_536)
        every = try senses.count("expert_every", maximum: 1024)
    }

    /// `L02/E005`
    static func shard(layer: Int, expert: Int) -> String {
        func padded(_ value: Int, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "L\(padded(layer, 2))/E\(padded(expert, 3))"
    }

    func append(to plan: inout ImportPlan, layers: [DecoderConfiguration.Layer]) {
        for (layer, settings) in layers.enumerated() where settings.hasRoutedExperts {
            for pool in router.pools ?? [] {
                plan.trunkMatrices.append(
                    .init(
                        DecoderWeights.name("router." + pool.name, layer: layer),
                        .init(Self.prefix + "\(pool.name).\(layer).router"),
                        keepsFullPrecision: true
                    )
                )
            }
            for expert in 0..<router.expertCount {
                let name = Self.prefix + Self.shard(layer: layer, expert: expert)
                plan.experts.append(
                    .init(
                        layer: layer,
                        expert: expert,
                        gate: .init(name + ".gate_up", rows: .range(0..<width)),
                        up: .init(name + ".gate_up", rows: .range(width..<2 * width)),
                        down: .init(name + ".down")
                    )
                )
            }
        }
    }
}

/// Which tensors make the bundle's `encoders/senses.safetensors`.
enum SensePlan {
    static let prefix = "senses."
    static let analysisPrefix = "codec."

    static func encoder(_ senses: SensesConfiguration, dims: JSON) -> ImportPlan.Encoder {
        var encoder = ImportPlan.Encoder(name: Senses.encoderName, configuration: dims)
        func matrix(_ name: String, _ source: String, isFull: Bool = false) {
            encoder.matrices.append(.init(name, .init(source), keepsFullPrecision: isFull))
        }
        func vector(_ name: String, _ source: String) { encoder.vectors.append(.init(name, .init(source))) }
        for (name, sense) in [("eye.", senses.eye), ("ear.", senses.ear)] {
            matrix(name + "inlet", prefix + name + "inlet.weight")
            vector(name + "inlet.bias", prefix + name + "inlet.bias")
            matrix(name + "spots", prefix + name + "spot", isFull: true)
            matrix(name + "queries", prefix + name + "queries", isFull: true)
            for index in 0..<sense.depth {
                let block = name + EncoderWeights.blockName(index)
                let source = prefix + name + "blocks.\(index)."
                for (part, tensor) in [
                    ("qkv", "qkv"), ("output", "out"), ("gate_up", "gate_up"), ("down", "down"),
                ] { matrix(block + part, source + tensor + ".weight") }
                vector(block + "norm1", source + "norm1.gain")
                vector(block + "norm2", source + "norm2.gain")
                vector(block + "sharpness", source + "sharpness")
            }
            vector(name + "norm", prefix + name + "norm.gain")
            matrix(name + "outlet", prefix + name + "outlet.weight")
        }
        matrix("analysis.basis", analysisPrefix + "basis", isFull: true)
        vector("analysis.mean", analysisPrefix + "mean")
        vector("analysis.scale", analysisPrefix + "scale")
        vector("centre", prefix + "centre")
        vector("spread", prefix + "spread")
        matrix("marks", GrownExperts.prefix + "marks", isFull: true)
        vector("gains", GrownExperts.prefix + "gains")
        return encoder
    }
}

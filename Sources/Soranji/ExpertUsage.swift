import Experts
import Foundation
import JSONText
import ModelFiles
import Models

/// How often each expert of each layer was chosen, by modality: of one run, or of all runs of a model on this machine.
public struct ExpertUsage: Sendable, Equatable {
    var statistics: ExpertStatistics

    public var layerCount: Int { statistics.layerCount }
    public var expertCount: Int { statistics.expertCount }
    /// Choices in all.
    public var total: UInt64 { statistics.total }

    /// Choices of one expert; nil modality for all together ("text", "audio", "video").
    public func count(layer: Int, expert: Int, modality: String? = nil) -> UInt64 {
        guard let modality else { return statistics.count(layer: layer, expert: expert) }
        guard let match = Modality.allCases.first(where: { $0.name == modality }) else { return 0 }
        return statistics[match, layer, expert]
    }

    /// Choices by tokens of one modality; nil for all together.
    public func total(modality: String?) -> UInt64 {
        guard let modality else { return total }
        var sum: UInt64 = 0
        for layer in 0..<layerCount {
            for expert in 0..<expertCount { sum &+= count(layer: layer, expert: expert, modality: modality) }
        }
        return sum
    }

    /// Modalities whose tokens chose experts.
    public var modalities: [String] { Modality.allCases.map(\.name).filter { total(modality: $0) > 0 } }

    /// Choices per layer and expert, for a picture.
    public var matrix: [[Double]] {
        (0..<layerCount).map { layer in (0..<expertCount).map { Double(count(layer: layer, expert: $0)) } }
    }

    /// Shannon entropy of a layer's choices as a share of the largest possible: 1 is perfectly even, 0 always the same.
    public func evenness(layer: Int, modality: String? = nil) -> Double {
        let counts = (0..<expertCount).map { Double(count(layer: layer, expert: $0, modality: modality)) }
        let sum = counts.reduce(0, +)
        guard sum > 0, expertCount > 1 else { return 0 }
        let entropy = counts.reduce(0) { $1 > 0 ? $0 - $1 / sum * log($1 / sum) : $0 }
        return entropy / log(Double(expertCount))
    }

    public var json: JSON {
        var layers: [JSON] = []
        for layer in 0..<layerCount {
            var object = JSON.Object()
            object["layer"] = .integer(Int64(layer))
            object["evenness"] = .number(evenness(layer: layer))
            for modality in Modality.allCases {
                let counts = (0..<expertCount).map { statistics[modality, layer, $0] }
                if counts.contains(where: { $0 > 0 }) {
                    object[modality.name] = .array(counts.map { .integer(Int64(clamping: $0)) })
                }
            }
            layers.append(.object(object))
        }
        return ["experts": .integer(Int64(expertCount)), "layers": .array(layers)]
    }

    mutating func add(_ other: ExpertUsage) { statistics.add(other.statistics) }

    /// Reads what ``json`` wrote; nil when it is something else or of another shape.
    init?(json: JSON, layerCount: Int, expertCount: Int) {
        guard json["experts"]?.intValue == expertCount, let layers = json["layers"]?.arrayValue,
            layers.count == layerCount
        else { return nil }
        statistics = ExpertStatistics(layerCount: layerCount, expertCount: expertCount)
        for (index, layer) in layers.enumerated() {
            for modality in Modality.allCases {
                guard let counts = layer[modality.name]?.arrayValue else { continue }
                guard counts.count == expertCount else { return nil }
                for (expert, count) in counts.enumerated() {
                    statistics[modality, index, expert] = UInt64(max(0, count.intValue ?? 0))
                }
            }
        }
    }

    init(_ statistics: ExpertStatistics) { self.statistics = statistics }
}

/// Experts that belong to one modality.
public struct ExpertPoolNames: Sendable, Equatable {
    public var modalities: [String]
    public var experts: Range<Int>

    /// `experts 0–3 are for video and image`
    public var text: String {
        "experts \(experts.lowerBound)–\(experts.upperBound - 1) are for \(modalities.joined(separator: " and "))"
    }
}

extension Runtime {
    /// Which experts belong to which modality; empty where every token chooses among all.
    public var expertPools: [ExpertPoolNames] {
        (decoder.configuration.router?.pools ?? []).map {
            ExpertPoolNames(modalities: $0.modalities.map(\.name), experts: $0.experts)
        }
    }

    /// Choices since the runtime was opened or ``saveExpertUsage()`` was last called.
    public var expertUsage: ExpertUsage? { expertCount > 0 ? ExpertUsage(runner.statistics) : nil }

    /// Choices of all runs of this bundle on this machine; nil for a dense model.
    public func savedExpertUsage() -> ExpertUsage? {
        guard expertCount > 0, let path = usagePath, let data = FileManager.default.contents(atPath: path),
            data.count < 64_000_000, let json = try? JSON.parse(Array(data))
        else { return nil }
        return ExpertUsage(json: json, layerCount: layerCount, expertCount: expertCount)
    }

    /// Adds this run's choices to those of earlier runs and starts counting anew.
    public func saveExpertUsage() throws {
        guard var usage = expertUsage, usage.total > 0, let path = usagePath, let cache = UserFolders.cache() else {
            return
        }
        if let saved = savedExpertUsage() { usage.add(saved) }
        try UserFolders.create(cache + "/usage")
        try Data(usage.json.text().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        runner.statistics.clear()
    }

    private var usagePath: String? {
        guard let cache = UserFolders.cache() else { return nil }
        // Two bundles of one name share a file only if they have the same shape; that is all that matters here.
        let name = URL(fileURLWithPath: bundleFolder).standardizedFileURL.lastPathComponent
        return cache + "/usage/\(name)-\(layerCount)x\(expertCount).json"
    }
}

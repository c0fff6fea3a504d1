import CKernels
import JSONText

/// How a checkpoint becomes a bundle: which source rows make which packed matrix or vector.
///
/// A family (see `Models/Families`) writes the plan from the checkpoint's configuration and the names of its tensors;
/// ``BundleImporter`` carries it out, streaming.
public struct ImportPlan: Sendable {
    /// Family identifier, e.g. "olmoe".
    public var architecture: String
    /// The family's normalised configuration, stored in `bundle.json` as "configuration".
    public var configuration: JSON
    /// Matrices and vectors of `trunk.safetensors`, by bundle name.
    public var trunkMatrices: [Matrix] = []
    public var trunkVectors: [Vector] = []
    /// Experts: one shard each.
    public var experts: [Expert] = []
    /// Towers that make rows of the stream out of images, video or sound: one file each.
    public var encoders: [Encoder] = []
    /// Files that the bundle has as they are.
    public var copies: [Copy] = []
    /// What the model is called instead of its source's name.
    public var sourceName: String?
    /// Source tensors that are known and deliberately not used (e.g. "rotary_emb.inv_freq"): not an error when left over.
    public var ignoredTensors: Set<String> = []
    /// What the user should know about parts of the checkpoint that the bundle will not have.
    public var notes: [String] = []

    public init(architecture: String, configuration: JSON) {
        self.architecture = architecture
        self.configuration = configuration
    }

    /// A weight matrix `rows` x `columns` (outputs x inputs), packed for the kernels.
    public struct Matrix: Sendable {
        public var name: String
        public var source: Slice
        /// Element types that the requested weight type must not replace: routers stay f32.
        public var keepsFullPrecision: Bool

        public init(_ name: String, _ source: Slice, keepsFullPrecision: Bool = false) {
            self.name = name
            self.source = source
            self.keepsFullPrecision = keepsFullPrecision
        }
    }

    /// A vector, stored as f32: norms, biases, sinks.
    public struct Vector: Sendable {
        public var name: String
        public var source: Slice

        public init(_ name: String, _ source: Slice) {
            self.name = name
            self.source = source
        }
    }

    /// One gated MLP: a shard. `expert` nil is the layer's shared (or only, dense) expert.
    public struct Expert: Sendable {
        public var layer: Int
        public var expert: Int?
        public var gate: Slice
        public var up: Slice
        public var down: Slice
        public var gateBias: Slice?
        public var upBias: Slice?
        public var downBias: Slice?

        public init(layer: Int, expert: Int?, gate: Slice, up: Slice, down: Slice) {
            self.layer = layer
            self.expert = expert
            self.gate = gate
            self.up = up
            self.down = down
        }

        /// Path in the bundle: `experts/L07/E012.safetensors` or `experts/L07/shared.safetensors`.
        public var path: String { Self.path(layer: layer, expert: expert) }

        static func path(layer: Int, expert: Int?) -> String {
            "experts/L\(ImportPlan.padded(layer, 2))/" + (expert.map { "E" + ImportPlan.padded($0, 3) } ?? "shared")
                + ".safetensors"
        }
    }

    /// An encoder beside the trunk, e.g. "vision".
    public struct Encoder: Sendable {
        /// A plain name; the file is `encoders/NAME.safetensors`.
        public var name: String
        /// The checkpoint's own settings of this encoder, kept in `bundle.json`.
        public var configuration: JSON
        public var matrices: [Matrix] = []
        public var vectors: [Vector] = []

        public init(name: String, configuration: JSON) {
            self.name = name
            self.configuration = configuration
        }

        /// Path in the bundle.
        public var path: String { Self.path(name) }

        static func path(_ name: String) -> String { "encoders/\(name).safetensors" }
    }

    /// A file that is taken along as it is.
    public struct Copy: Sendable {
        public var source: String
        /// In the bundle.
        public var path: String

        public init(_ source: String, as path: String) {
            self.source = source
            self.path = path
        }
    }

    /// Rows of one source tensor. Shapes are as safetensors writes them: outermost dimension first (GGUF's reversed).
    public struct Slice: Sendable {
        /// Name of the source tensor.
        public var tensor: String
        /// Index into the leading dimension of a stacked tensor [experts, rows, columns]; nil for a matrix or vector.
        public var leadingIndex: Int?
        /// Which rows, in order; nil for all. For a vector: which elements.
        public var rows: RowSelection?
        /// The source holds the matrix as [columns, rows].
        public var isTransposed: Bool
        /// Which columns of the (untransposed) matrix; nil for all.
        public var columns: Range<Int>?
        /// The tensor is a convolution: its first dimension is the rows, all others together are the columns.
        public var joinsInnerDimensions = false
        /// Columns are read as a grid [columns / n][n] and come out as [n][columns / n]: a convolution's taps before its
        /// channels. 1 for the order of the source.
        public var columnGroups = 1

        public init(
            _ tensor: String,
            leadingIndex: Int? = nil,
            rows: RowSelection? = nil,
            isTransposed: Bool = false,
            columns: Range<Int>? = nil
        ) {
            self.tensor = tensor
            self.leadingIndex = leadingIndex
            self.rows = rows
            self.isTransposed = isTransposed
            self.columns = columns
        }
    }

    /// Rows of a source matrix, by number.
    public enum RowSelection: Sendable {
        case range(Range<Int>)
        /// first, first + step ... , `count` rows: interleaved gate and up.
        case strided(first: Int, step: Int, count: Int)
        /// Row `list[i]` becomes row i: un-permuted rotary pairs.
        case list([Int])

        public var count: Int {
            switch self {
            case .range(let range): range.count
            case .strided(_, _, let count): count
            case .list(let list): list.count
            }
        }

        public subscript(row: Int) -> Int {
            switch self {
            case .range(let range): range.lowerBound + row
            case .strided(let first, let step, _): first + row * step
            case .list(let list): list[row]
            }
        }
    }

    static func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

/// The weight types a bundle's matrices may have.
public enum WeightType: String, Sendable, CaseIterable {
    case f32, f16, bf16, q8, q4, mxfp4

    public var code: Int32 {
        switch self {
        case .f32: Int32(SK_F32.rawValue)
        case .f16: Int32(SK_F16.rawValue)
        case .bf16: Int32(SK_BF16.rawValue)
        case .q8: Int32(SK_Q8.rawValue)
        case .q4: Int32(SK_Q4.rawValue)
        case .mxfp4: Int32(SK_MXFP4.rawValue)
        }
    }

    public init?(code: Int32) {
        guard let match = Self.allCases.first(where: { $0.code == code }) else { return nil }
        self = match
    }
}

// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

// Kernels are always optimised: a debug build of the library must still answer in seconds.
// Instruction sets are chosen per function by target attributes, never by a global -march.
let kernelSettings: [CSetting] = [
    .unsafeFlags(["-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror"])
]

let package = Package(
    name: "soranji",
    products: [
        .library(name: "Soranji", targets: ["Soranji"]),
        .executable(name: "soranji", targets: ["SoranjiCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // SIMD kernels by family, each with a scalar twin; the only C of the project beside thin shims.
        .target(name: "CKernels", cSettings: kernelSettings, linkerSettings: [.linkedLibrary("m")]),
        // C face of libsentencepiece (C++), with an exception boundary.
        .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),
        // libav*, libswscale and libswresample, with their macros and versions smoothed; loaded when first used.
        .target(name: "CFFmpeg", linkerSettings: [.linkedLibrary("dl")]),
        // A byte-level JSON reader and writer: tokenizer.json, safetensors headers, configurations.
        .target(name: "JSONText", swiftSettings: swiftSettings),
        // Packed weight matrices, activations, thread pool, operators over the kernels.
        .target(name: "Tensor", dependencies: ["CKernels"], swiftSettings: swiftSettings),
        // Mapped files: safetensors, GGUF, bundles and the import engine.
        .target(name: "ModelFiles", dependencies: ["CKernels", "JSONText", "Tensor"], swiftSettings: swiftSettings),
        // Pages of keys and values, page tables, prefix sharing, attention over pages.
        .target(name: "KVCache", dependencies: ["CKernels", "Tensor"], swiftSettings: swiftSettings),
        // Contexts on the disk: journal, page records, forks, checks.
        .target(
            name: "Sessions",
            dependencies: ["CKernels", "JSONText", "KVCache", "Tensor"],
            swiftSettings: swiftSettings
        ),
        // Shards, router, dispatch, statistics: the sparse half of a layer.
        .target(name: "Experts", dependencies: ["CKernels", "ModelFiles", "Tensor"], swiftSettings: swiftSettings),
        // The transformer: configuration, weights, blocks, families.
        .target(
            name: "Models",
            dependencies: ["CKernels", "Experts", "JSONText", "KVCache", "ModelFiles", "Tensor"],
            swiftSettings: swiftSettings
        ),
        // Sound and pixels: what the reference's processors compute, and libav in and out.
        .target(
            name: "Media",
            dependencies: ["CFFmpeg", "CKernels", "JSONText", "Tensor"],
            swiftSettings: swiftSettings
        ),
        // Filming: the codec of latents, the flow transformer, samplers, sound from its picture.
        .target(
            name: "VideoDecoder",
            dependencies: ["CKernels", "Experts", "JSONText", "KVCache", "ModelFiles", "Tensor"],
            swiftSettings: swiftSettings
        ),
        // SentencePiece, byte-level BPE, chat templates.
        .target(name: "Tokenizers", dependencies: ["CSentencePiece", "JSONText"], swiftSettings: swiftSettings),
        // The facade, and the only public API: documents, plots, runtime, sessions.
        .target(
            name: "Soranji",
            dependencies: [
                "CKernels", "Experts", "JSONText", "KVCache", "Media", "ModelFiles", "Models", "Sessions", "Tensor",
                "Tokenizers", "VideoDecoder",
            ],
            swiftSettings: swiftSettings
        ),
        // The program: argument parsing, terminal, output.
        .executableTarget(
            name: "SoranjiCLI",
            dependencies: [
                "JSONText", "Media", "ModelFiles", "Soranji", "Tokenizers",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),

        // Times the encoders; see Benchmarks/encoders.
        .executableTarget(
            name: "EncoderBench",
            dependencies: ["JSONText", "ModelFiles", "Models", "Tensor"],
            path: "Benchmarks/encoders/Bench",
            swiftSettings: swiftSettings
        ),

        // The AVX-512 kernels with their special instructions spelled out, to run their logic on any AVX2 processor.
        .target(
            name: "CKernelsEmulated",
            dependencies: ["CKernels"],
            path: "Tests/CKernelsEmulated",
            cSettings: kernelSettings
        ),
        .testTarget(
            name: "CKernelsTests",
            dependencies: ["CKernels", "CKernelsEmulated"],
            swiftSettings: swiftSettings
        ),
        // Counts heap allocations of the test process, to hold decoding to none per token.
        .target(name: "CAllocationCounter", path: "Tests/Support/CAllocationCounter"),
        // Writes a decoder with random weights, for tests that film.
        .target(
            name: "FilmTestSupport",
            dependencies: ["JSONText"],
            path: "Tests/Support/FilmTestSupport",
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "JSONTextTests", dependencies: ["JSONText"], swiftSettings: swiftSettings),
        .testTarget(name: "TensorTests", dependencies: ["Tensor"], swiftSettings: swiftSettings),
        .testTarget(name: "KVCacheTests", dependencies: ["KVCache", "Tensor"], swiftSettings: swiftSettings),
        .testTarget(
            name: "SessionsTests",
            dependencies: ["JSONText", "KVCache", "Sessions", "Tensor"],
            swiftSettings: swiftSettings
        ),
        .testTarget(name: "ExpertsTests", dependencies: ["Experts", "Tensor"], swiftSettings: swiftSettings),
        .testTarget(
            name: "ModelFilesTests",
            dependencies: ["CKernels", "JSONText", "ModelFiles"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "ModelsTests",
            dependencies: [
                "CAllocationCounter", "CKernels", "Experts", "JSONText", "KVCache", "ModelFiles", "Models", "Tensor",
            ],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "MediaTests",
            dependencies: ["CAllocationCounter", "CKernels", "JSONText", "Media", "Tensor"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "VideoDecoderTests",
            dependencies: ["JSONText", "KVCache", "ModelFiles", "Tensor", "VideoDecoder"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "TokenizersTests",
            dependencies: ["JSONText", "Tokenizers"],
            resources: [.copy("Fixtures")],
            swiftSettings: swiftSettings
        ),
        // Tiny models that see and hear, and files that decode to exactly what was put in.
        .target(
            name: "MediaFixtures",
            dependencies: ["JSONText", "Soranji"],
            path: "Tests/Support/MediaFixtures",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "SoranjiTests",
            dependencies: [
                "CKernels", "Experts", "FilmTestSupport", "JSONText", "KVCache", "Media", "MediaFixtures", "ModelFiles",
                "Models", "Sessions", "Soranji", "Tensor", "Tokenizers", "VideoDecoder",
            ],
            exclude: ["Fixtures"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "CLITests",
            dependencies: [
                "FilmTestSupport", "JSONText", "MediaFixtures", "ModelFiles", "Soranji", "SoranjiCLI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings
        ),
    ],
    cxxLanguageStandard: .cxx17
)

import Models
import VideoDecoder

extension FilmStudio {
    /// Films what is asked for.
    ///
    /// - Parameters:
    ///   - onProgress: called before every step; an error ends the work.
    ///   - onPiece: called with frames and sound as they are there, in order.
    /// - Throws: ``FilmRequestError`` before any work for what cannot be filmed, errors that name the file for clips that
    ///   cannot be read.
    public func film(
        _ request: FilmRequest,
        onProgress: (FilmProgress) throws -> Void = { _ in },
        onPiece: (FilmPiece) throws -> Void
    ) throws -> FilmReceipt {
        let limits = FilmLimits(settings: model.settings)
        var request = request
        // First what can go wrong at once.
        _ = try limits.plan(request)
        let prompts = try request.shots.map { try promptTokens($0.prompt) }
        if request.size == nil { request.size = try sizeOfOrigin(request.origin) }
        let material = try OriginMaterial(request, settings: model.settings, studio: self)
        let plan = try limits.plan(request, givenFrames: material.editedFrames)
        return try withoutActuallyEscaping(onProgress) { onProgress in
            try withoutActuallyEscaping(onPiece) { onPiece in
                let director = try FilmDirector(
                    studio: self,
                    request: request,
                    plan: plan,
                    prompts: prompts,
                    material: material,
                    onProgress: onProgress,
                    onPiece: onPiece
                )
                return try director.run()
            }
        }
    }

    /// The size that a request is filmed at.
    public func size(of request: FilmRequest) throws -> FilmRequest.Size {
        try request.size ?? sizeOfOrigin(request.origin) ?? trainedSize
    }

    /// Samples of sound per second.
    public var sampleRate: Int { model.settings.world.sampleRate }

    /// The size of the clip or picture that filming begins with, where it can be filmed; else nil.
    private func sizeOfOrigin(_ origin: FilmRequest.Origin) throws -> FilmRequest.Size? {
        switch origin {
        case .noise: return nil
        case .image(let path), .extend(let path), .extendBefore(let path), .join(let path, _), .edit(let path, _):
            guard let size = try ClipMaterial.displaySize(path) else { return nil }
            var probe = FilmRequest(prompt: "-")
            probe.size = size
            return (try? FilmLimits(settings: model.settings).plan(probe)) == nil ? nil : size
        }
    }
}

/// What the files of a request hold, at the size and rate of filming.
struct OriginMaterial {
    var picture: FilmFrame?
    var clip: ClipMaterial?
    /// The second of two that are joined.
    var second: ClipMaterial?
    /// Frames of a clip that is filmed anew.
    var editedFrames: Int?

    init(_ request: FilmRequest, settings: FilmSettings, studio: FilmStudio) throws {
        let size = request.size ?? studio.trainedSize
        let pool = studio.runtime.runner.pool
        func read(_ path: String) throws -> ClipMaterial {
            try ClipMaterial.clip(path, settings: settings, size: size, pool: pool)
        }
        switch request.origin {
        case .noise: break
        case .image(let path):
            picture = try ClipMaterial.picture(path, settings: settings, size: size, pool: pool)
        case .extend(let path), .extendBefore(let path): clip = try read(path)
        case .join(let first, let last):
            clip = try read(first)
            second = try read(last)
        case .edit(let path, _):
            clip = try read(path)
            editedFrames = clip?.frames.count
        }
    }
}

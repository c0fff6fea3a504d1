import Media

extension Runtime {
    /// How the model's maker wants its tokens to be drawn: what `generation_config.json` says, the rest as in
    /// ``SamplingOptions``. Nil when the bundle has no such file or it says nothing about this.
    ///
    /// - Throws: an error that names the setting which cannot be used.
    public func recommendedSampling() throws -> SamplingOptions? {
        let settings = try GenerationSettings(folder: bundleFolder)
        var options = SamplingOptions()
        // Without `do_sample` a temperature is not used by the maker's own programs either.
        if settings.samples == true { options.temperature = settings.temperature ?? 1 }
        if let topK = settings.topK { options.topK = topK }
        if let topP = settings.topP, topP > 0 { options.topP = topP }
        if let minP = settings.minP { options.minP = minP }
        if let penalty = settings.repetitionPenalty { options.repetitionPenalty = penalty }
        return options == SamplingOptions() ? nil : options
    }
}

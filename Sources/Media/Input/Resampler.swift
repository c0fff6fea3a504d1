import CFFmpeg

/// One channel of samples from one rate to another (libswresample's windowed sinc). Equal rates pass through unchanged.
final class Resampler {
    let inputRate: Int
    private let outputRate: Int
    private let name: String
    private var context: OpaquePointer?
    private var scratch: [Float] = []
    private var taken = 0
    private var given = 0

    init(inputRate: Int, outputRate: Int, name: String) throws(MediaError) {
        self.inputRate = inputRate
        self.outputRate = outputRate
        self.name = name
        guard inputRate != outputRate else { return }
        try LibraryMessages.prepare(for: name)
        var output = AVChannelLayout()
        av_channel_layout_default(&output, 1)
        var input = output
        let made = swr_alloc_set_opts2(
            &context,
            &output,
            AV_SAMPLE_FMT_FLT,
            Int32(clamping: outputRate),
            &input,
            AV_SAMPLE_FMT_FLT,
            Int32(clamping: inputRate),
            0,
            nil
        )
        guard made == 0, let context else { throw MediaError(.limit, name, "out of memory for the resampler") }
        // Twice the usual length: what lies above half the lower rate must be gone before it is folded into the speech.
        av_opt_set_int(UnsafeMutableRawPointer(context), "filter_size", 64, 0)
        let initialized = swr_init(context)
        guard initialized >= 0 else {
            swr_free(&self.context)
            throw .library(.unsupported, name, "cannot resample from \(inputRate) per second", code: initialized)
        }
    }

    deinit { if context != nil { swr_free(&context) } }

    /// Appends what is ready; the filter keeps some milliseconds back.
    func feed(_ samples: [Float], into output: inout [Float]) throws(MediaError) {
        taken += samples.count
        guard context != nil else {
            output += samples
            given += samples.count
            return
        }
        try run(samples, count: samples.count, into: &output)
    }

    /// Appends what was kept back. Of n samples in all, ceil(n * outputRate / inputRate) come out.
    func drain(into output: inout [Float]) throws(MediaError) {
        guard context != nil else { return }
        while true {
            let before = given
            try run(nil, count: 0, into: &output)
            if given == before { break }
        }
        let due = (taken * outputRate + inputRate - 1) / inputRate
        if given > due {
            output.removeLast(min(output.count, given - due))
        }
        swr_free(&context)
    }

    private func run(_ samples: [Float]?, count: Int, into output: inout [Float]) throws(MediaError) {
        let room = Int(swr_get_out_samples(context, Int32(clamping: count)))
        guard room > 0 else { return }
        if scratch.count < room { scratch = [Float](repeating: 0, count: room) }
        let context = context
        let capacity = scratch.count
        let converted = scratch.withUnsafeMutableBytes { target -> Int32 in
            var targets: [UnsafeMutablePointer<UInt8>?] = [target.baseAddress?.assumingMemoryBound(to: UInt8.self)]
            guard let samples else { return swr_convert(context, &targets, Int32(clamping: capacity), nil, 0) }
            return samples.withUnsafeBytes { source -> Int32 in
                var sources: [UnsafePointer<UInt8>?] = [source.baseAddress?.assumingMemoryBound(to: UInt8.self)]
                return swr_convert(context, &targets, Int32(clamping: capacity), &sources, Int32(clamping: count))
            }
        }
        guard converted >= 0 else { throw .library(.malformed, name, "cannot resample", code: converted) }
        output += scratch.prefix(Int(converted))
        given += Int(converted)
    }
}

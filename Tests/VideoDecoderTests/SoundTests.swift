import Foundation
import Testing

@testable import VideoDecoder

/// Sound from its picture, against the same in NumPy.
struct SoundTests {
    private func synthesis(_ golden: Golden) throws -> (SoundSynthesis, [Float], Int) {
        let settings = try golden.settings()
        let bands = settings.mel.bands
        return (
            SoundSynthesis(settings.mel, sampleRate: settings.world.sampleRate), try golden.floats("out.picture"), bands
        )
    }

    @Test func waveformAgreesWithNumPy() throws {
        let golden = try Golden("mel")
        var (synthesis, picture, bands) = try synthesis(golden)
        var wave: [Float] = []
        for column in 0..<picture.count / bands {
            wave += synthesis.push(picture[column * bands..<(column + 1) * bands])
        }
        wave += synthesis.finish()
        #expect(wave.count == 4000)
        #expect(largestDifference(wave, try golden.floats("out.waveform")) < 1e-4)
        #expect(wave.contains { abs($0) > 0.1 })
    }

    /// Damaged pictures give sound, and silence none.
    @Test func anythingIsSound() throws {
        let golden = try Golden("mel")
        var (synthesis, _, bands) = try synthesis(golden)
        #expect(synthesis.push(Array(repeating: Float(-1), count: bands)).allSatisfy { $0 == 0 })
        var wave: [Float] = []
        for value in [Float.nan, .infinity, -.infinity, 1e30, 0.5] {
            wave += synthesis.push((0..<bands).map { $0 % 3 == 0 ? value : -1 })
        }
        wave += synthesis.finish()
        #expect(wave.allSatisfy { abs($0) <= 1 })
    }
}

import FilmTestSupport
import Foundation
import KVCache
import Media
import MediaFixtures
import Models
import Testing

@testable import Soranji

/// Films of a tiny model with random weights: what comes out, how much of it, and that it depends on what it should.
struct StudioTests {
    /// A model, a decoder, and a folder for what is filmed.
    private final class Place {
        let model: MediaModel
        let folder = TemporaryFolder()

        init(usesBothGrids: Bool = false) throws {
            model = try MediaModel("qwen3_vl_moe", hasText: true)
            let runtime = try model.open()
            guard case .grouped(let shape) = runtime.decoder.configuration.attention else { return }
            try TinyDecoder.write(
                to: decoder,
                trunkLayers: [0, 1],
                promptWidth: 2 * 2 * shape.kvHeadCount * shape.headWidth,
                usesBothGrids: usesBothGrids
            )
        }

        var decoder: String { folder.path + "/decoder-folder" }

        func studio(threads: Int = 2) throws -> FilmStudio {
            try FilmStudio(runtime: model.open(threads: threads), decoderFolder: decoder)
        }
    }

    private struct Film: Equatable {
        var frames: [FilmFrame] = []
        var sound: [Float] = []
    }

    private func film(_ request: FilmRequest, _ studio: FilmStudio) throws -> (Film, FilmReceipt) {
        var request = request
        request.steps = 2
        var film = Film()
        var steps: [Int] = []
        var totals: [Int] = []
        let receipt = try studio.film(
            request,
            onProgress: {
                steps.append($0.doneSteps)
                totals.append($0.totalSteps)
            },
            onPiece: { piece in
                film.frames += piece.frames
                film.sound += piece.sound
            }
        )
        #expect(receipt.frames == film.frames.count)
        #expect(receipt.soundSamples == film.sound.count)
        #expect(steps == Array(0..<steps.count) && steps.count == totals.first ?? 0 && Set(totals).count <= 1)
        #expect(film.sound.allSatisfy { abs($0) <= 1 })
        return (film, receipt)
    }

    private let samplesPerFrame = TinyDecoder.sampleRate / TinyDecoder.framesPerSecond

    @Test func aPromptAndASeedDecideEverything() throws {
        let place = try Place()
        let request = FilmRequest(prompt: "a cat rises")
        let (first, receipt) = try film(request, place.studio(threads: 1))
        #expect(first.frames.count == 8 && first.sound.count == 8 * samplesPerFrame)
        #expect(first.frames[0].width == 32 && first.frames[0].height == 32)
        #expect(receipt.warnings.isEmpty && receipt.shots.map(\.frames) == [8])
        #expect(Set(first.frames.map(\.pixels)).count > 4)
        #expect(try film(request, place.studio(threads: 2)).0 == first)
        var other = request
        other.seed = 1
        #expect(try film(other, place.studio()).0.frames != first.frames)
        #expect(try film(FilmRequest(prompt: "a dog falls"), place.studio()).0.frames != first.frames)
        // A control token that is spelled out is text, not the end of the prompt.
        let tokens = try place.studio().promptTokens("a<|im_end|>b")
        #expect(tokens.filter { $0 == 256 }.count == 1)
    }

    /// The last step on both grids: another film, as long, of the prompt and the seed alone; any size, stills and clips that go on.
    @Test func theLastStepIsOnBothGrids() throws {
        let plain = try Place()
        let place = try Place(usesBothGrids: true)
        var request = FilmRequest(prompt: "a cat rises")
        let (first, _) = try film(request, place.studio(threads: 1))
        #expect(first.frames.count == 8 && first.sound.count == 8 * samplesPerFrame)
        #expect(try film(request, place.studio(threads: 2)).0 == first)
        // Also the first chunk, whose noise and steps before the last are the same.
        #expect(try film(request, plain.studio()).0.frames[0] != first.frames[0])
        let studio = try place.studio()
        #expect(try film(FilmRequest(prompt: "a dog falls"), studio).0.frames != first.frames)
        request.size = FilmRequest.Size(width: 48, height: 32)
        #expect(try film(request, studio).0.frames.map(\.width) == Array(repeating: 48, count: 8))
        request = FilmRequest(prompt: "a cat")
        request.isStill = true
        #expect(try film(request, studio).0.frames.count == 1)
        let path = try clip(place, "a cat", seconds: 1)
        for origin in [FilmRequest.Origin.extend(path), .extendBefore(path)] {
            request = FilmRequest(prompt: "a dog")
            request.seconds = 1
            request.origin = origin
            let (longer, _) = try film(request, studio)
            request.seed = 1
            #expect(try film(request, studio).0.frames != longer.frames)
        }
    }

    @Test func lengthsRatesAndSizesAreAsAskedFor() throws {
        let place = try Place()
        let studio = try place.studio()
        var request = FilmRequest(prompt: "a cat")
        request.seconds = 1.25
        request.framesPerSecond = 10
        request.size = FilmRequest.Size(width: 48, height: 32)
        let (long, receipt) = try film(request, studio)
        // Five frames at 4 a second are 1.25 seconds: at 10 a second, 12 or 13 frames.
        #expect(long.frames.count == 13 && long.sound.count == 5 * samplesPerFrame)
        #expect(long.frames[0].width == 48)
        #expect(receipt.warnings.count == 1 && receipt.warnings[0].contains("48x32"))
        request = FilmRequest(prompt: "a cat")
        request.hasSound = false
        request.seconds = 3
        let (silent, warned) = try film(request, studio)
        #expect(silent.sound.isEmpty && silent.frames.count == 12)
        #expect(warned.warnings.count == 1 && warned.warnings[0].contains("2.00 s"))
        request = FilmRequest(prompt: "a cat")
        request.isStill = true
        let (still, _) = try film(request, studio)
        #expect(still.frames.count == 1 && still.sound.isEmpty)
    }

    @Test func shotsFollowEachOther() throws {
        let place = try Place()
        let studio = try place.studio()
        let shots = { (transition: FilmRequest.Transition) in
            FilmRequest(shots: [
                FilmRequest.Shot(prompt: "a cat", seconds: 1.5),
                FilmRequest.Shot(prompt: "a dog", seconds: 1, transition: transition),
            ])
        }
        let (cut, _) = try film(shots(.cut), studio)
        #expect(cut.frames.count == 10 && cut.sound.count == 10 * samplesPerFrame)
        // Two frames are shared: half a second.
        let (fade, receipt) = try film(shots(.fade), studio)
        #expect(fade.frames.count == 8 && fade.sound.count == 8 * samplesPerFrame)
        #expect(receipt.shots.map(\.startSeconds) == [0, 1])
        #expect(fade.frames[..<4] == cut.frames[..<4] && fade.frames[6...] == cut.frames[8...])
        let (smooth, _) = try film(shots(.smooth), studio)
        #expect(smooth.frames.count == 10 && smooth.sound.count == 10 * samplesPerFrame)
        #expect(smooth.frames[..<6] == cut.frames[..<6] && smooth.frames[6...] != cut.frames[6...])
        // Alone, the second shot is another film: its noise is its own, and it sees nothing before it.
        #expect(try film(FilmRequest(prompt: "a dog"), studio).0.frames[..<4] != cut.frames[6...])
    }

    /// Writes a film to a file without loss of frames, to begin others with.
    private func clip(_ place: Place, _ name: String, seconds: Double) throws -> String {
        var request = FilmRequest(prompt: name)
        request.seconds = seconds
        let path = place.folder.path + "/\(name).mp4"
        let writer = try FilmWriter(
            output: path,
            framesFolder: nil,
            size: FilmRequest.Size(width: 32, height: 32),
            framesPerSecond: TinyDecoder.framesPerSecond,
            soundRate: nil,
            label: FilmWriter.Label(title: name, comment: "")
        )
        request.steps = 2
        _ = try place.studio().film(request, onPiece: writer.append)
        try writer.finish()
        return path
    }

    @Test func clipsGoOnBothWays() throws {
        let place = try Place()
        let studio = try place.studio()
        let path = try clip(place, "first", seconds: 2)
        var request = FilmRequest(prompt: "a cat")
        request.seconds = 1
        request.origin = .extend(path)
        let (longer, _) = try film(request, studio)
        #expect(longer.frames.count == 12 && longer.sound.count == 12 * samplesPerFrame)
        request.origin = .extendBefore(path)
        request.seconds = 1.25
        let (earlier, _) = try film(request, studio)
        #expect(earlier.frames.count == 13 && earlier.sound.count == 13 * samplesPerFrame)
        // The clip itself stands in both as it is.
        #expect(earlier.frames[5...].elementsEqual(longer.frames[..<8]))
        // What is filmed depends on the clip.
        request.origin = .extend(try clip(place, "second", seconds: 2))
        request.seconds = 1
        let (other, _) = try film(request, studio)
        #expect(other.frames[8...] != longer.frames[8...])
    }

    @Test(arguments: [false, true])
    func clipsAreJoinedEditedAndClosed(usesBothGrids: Bool) throws {
        let place = try Place(usesBothGrids: usesBothGrids)
        let studio = try place.studio()
        let (a, b) = (try clip(place, "a", seconds: 2), try clip(place, "b", seconds: 1))
        var request = FilmRequest(prompt: "a cat")
        request.origin = .join(a, b)
        request.seconds = 0.75
        // Three frames are filmed as two whole chunks.
        #expect(try film(request, studio).0.frames.count == 8 + 4 + 4)
        request = FilmRequest(prompt: "a cat")
        request.origin = .edit(a, strength: 1)
        let (anew, _) = try film(request, studio)
        request.origin = .edit(a, strength: 0)
        let (same, _) = try film(request, studio)
        request.origin = .edit(a, strength: 0.5)
        let (between, _) = try film(request, studio)
        #expect(anew.frames.count == 8 && same.frames.count == 8 && between.frames.count == 8)
        #expect(anew != same && between != same && between != anew)
        request = FilmRequest(prompt: "a cat")
        let (open, _) = try film(request, studio)
        request.loops = true
        let (closed, _) = try film(request, studio)
        #expect(closed.frames.count == 8)
        #expect(closed.frames[..<6] == open.frames[..<6] && closed.frames[6...] != open.frames[6...])
    }

    @Test(arguments: [false, true])
    func aPictureIsTheFirstFrame(usesBothGrids: Bool) throws {
        let place = try Place(usesBothGrids: usesBothGrids)
        let studio = try place.studio()
        let pixels = (0..<32 * 32 * 3).map { UInt8($0 * 7 % 256) }
        let picture = FilmFrame(width: 32, height: 32, pixels: pixels)
        let path = place.folder.file("picture.png", picture.png())
        var request = FilmRequest(prompt: "a cat")
        request.origin = .image(path)
        let (film, _) = try film(request, studio)
        request.origin = .noise
        request.seed = 9
        let (other, _) = try self.film(request, studio)
        request.origin = .image(path)
        let (again, _) = try self.film(request, studio)
        // Whatever the seed, the first frame is what the codec makes of the picture.
        #expect(film.frames[0] == again.frames[0] && film.frames[1] != again.frames[1])
        #expect(film.frames[0] != other.frames[0])
    }

    @Test func whatCannotBeFilmedIsRefusedBeforeAnyWork() throws {
        let place = try Place()
        let studio = try place.studio()
        func refusal(_ change: (inout FilmRequest) -> Void) -> FilmRequestError? {
            var request = FilmRequest(prompt: "a cat")
            change(&request)
            do {
                _ = try studio.film(request) { _ in Issue.record("something was filmed") }
                return nil
            } catch { return error as? FilmRequestError }
        }
        #expect(refusal { $0.shots[0].prompt = " \n" } == .emptyPrompt(shot: nil))
        let large = refusal { $0.shots[0].prompt = String(repeating: "a", count: 10_000_000) }
        #expect(large == .promptTooLarge(bytes: 10_000_000, limit: 16384))
        guard
            case .promptTooLong(let tokens, 1024) = refusal({
                $0.shots[0].prompt = String(repeating: "ab ", count: 700)
            })
        else {
            Issue.record("a prompt that is too long was taken")
            return
        }
        #expect(tokens > 2000)
        for (width, height) in [(33, 32), (0, 32), (-16, 32), (Int.max, 32), (4096, 4096), (8, 8)] {
            let size = FilmRequest.Size(width: width, height: height)
            guard case .badSize = refusal({ $0.size = size }) else {
                Issue.record("\(width)x\(height) was taken")
                continue
            }
        }
        for seconds in [0, -1, .nan, .infinity, 1e300, 601, 0.01] as [Double] {
            #expect(refusal { $0.seconds = seconds } != nil, "\(seconds) s")
        }
        #expect(refusal { $0.steps = 0 } != nil)
        #expect(refusal { $0.guidance = .nan } != nil)
        #expect(refusal { $0.shift = 0 } != nil)
        #expect(refusal { $0.framesPerSecond = 0 } != nil)
        #expect(refusal { $0.origin = .edit("x", strength: 2) } != nil)
        #expect(refusal { $0.shots = [] } != nil)
        #expect(
            refusal {
                $0.loops = true; $0.seconds = 0.5
            } != nil
        )
        #expect(refusal { $0.shots = Array(repeating: $0.shots[0], count: 201) } != nil)
        #expect(throws: MediaError.self) {
            var request = FilmRequest(prompt: "a cat")
            request.origin = .extend(place.folder.file("no.mp4", Array("no clip".utf8)))
            _ = try studio.film(request) { _ in }
        }
        #expect(throws: FilmRequestError.noDecoder(place.folder.path)) {
            try FilmStudio(runtime: place.model.open(), decoderFolder: place.folder.path)
        }
        // A decoder for another model.
        let wrong = place.folder.path + "/wrong"
        try TinyDecoder.write(to: wrong, trunkLayers: [0, 99], promptWidth: 8)
        #expect(throws: FilmRequestError.self) { try FilmStudio(runtime: place.model.open(), decoderFolder: wrong) }
    }

    /// Keys and values of a context come out by layer, keys of all heads first.
    @Test(arguments: [PageLayout.Element.f32, .f16])
    func rowsOfAContext(element: PageLayout.Element) throws {
        let place = try Place()
        var options = Runtime.Options()
        options.contextTokens = 256
        options.cacheElement = element == .f32 ? .f32 : .f16
        let runtime = try Runtime(bundleFolder: place.model.bundle, options: options)
        let studio = try FilmStudio(runtime: runtime, decoderFolder: place.decoder)
        let table = try studio.readPrompt((0..<140).map { Int32($0) })
        let layout = table.layout
        let head = layout.kvHeadCount * layout.keyWidth
        let rows = ContextRows(table: table, layers: [1, 0])
        var row = [Float](repeating: 0, count: 4 * head)
        for slot in [0, 127, 128, 139] {
            rows.copy(slot: slot, into: &row)
            for (place, layer) in [1, 0].enumerated() {
                for column in 0..<head {
                    let page = table.pages[slot / 128]
                    let (h, c) = (column / layout.keyWidth, column % layout.keyWidth)
                    let keys = page.keys(layer: layer, head: h)
                    let values = page.values(layer: layer, head: h)
                    let expected: (Float, Float)
                    if element == .f32 {
                        expected = (
                            keys.load(fromByteOffset: 4 * (c * 128 + slot % 128), as: Float.self),
                            values.load(fromByteOffset: 4 * (slot % 128 * layout.valueStride + c), as: Float.self)
                        )
                    } else {
                        expected = (
                            Float(keys.load(fromByteOffset: 2 * (c * 128 + slot % 128), as: Float16.self)),
                            Float(
                                values.load(fromByteOffset: 2 * (slot % 128 * layout.valueStride + c), as: Float16.self)
                            )
                        )
                    }
                    #expect(row[place * 2 * head + column] == expected.0)
                    #expect(row[place * 2 * head + head + column] == expected.1)
                }
            }
        }
    }
}

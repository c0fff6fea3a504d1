import Foundation
import MediaFixtures
import Models
import Testing

@testable import Soranji

/// Memory for a film of an hour, on the way from its file to rows. Needs `SORANJI_TEST_FILM`, an hour of 1080p with sound.
struct LongFilmTests {
    private static let film = ProcessInfo.processInfo.environment["SORANJI_TEST_FILM"]

    /// Kilobytes from `/proc/self/status`.
    private func status(_ key: String) throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(key + ":") })
        return try #require(line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) })
    }

    @Test(.enabled(if: film != nil, "needs SORANJI_TEST_FILM"))
    func anHourTakesLittleMemory() throws {
        let path = try #require(Self.film)
        let model = try MediaModel("qwen3_omni_moe_thinker", hasText: true)
        let runtime = try model.open()
        var options = MediaOptions()
        // One a second.
        options.frameCount = 3600
        options.maximumPixels = 65_536
        let planner = try runtime.mediaPlanner(options)
        let plan = try planner.plan(.init(.video, path: path))
        // The peak counts from here on.
        try "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
        let before = try status("VmRSS")
        let clock = ContinuousClock()
        let begin = clock.now
        let media = try runtime.readMedia([plan], planner: planner)
        let seconds = (clock.now - begin) / .seconds(1)
        let peak = try status("VmHWM") - before
        let rows = (media[0].sight?.count ?? 0) + (media[0].sound?.count ?? 0)
        #expect(media[0].plan.sight?.times.count == 3600)
        #expect(peak < 400 << 10, "\(peak >> 10) MiB")
        print("\(rows) rows in \(Int(seconds)) s, at most \(peak >> 10) MiB more than before")
    }
}

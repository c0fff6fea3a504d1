import Foundation

/// Pictures, clips and recordings that decode to exactly what was put in.
package enum LosslessFiles {
    /// The pictures that the reference was fed: 8-bit RGB.
    package static func picture(height: Int, width: Int, number: Int = 0) -> [UInt8] {
        var pixels: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                pixels.append(UInt8((x * 5 + number * 31) % 256))
                pixels.append(UInt8((y * 3 + x * (number + 1)) % 256))
                pixels.append(UInt8((x / 8 + y / 8 + number) % 2 * 200 + 20))
            }
        }
        return pixels
    }

    /// And its clips: a bar that crosses the picture.
    package static func clip(frames: Int, height: Int, width: Int) -> [[UInt8]] {
        (0..<frames).map { frame in
            var pixels = picture(height: height, width: width)
            let center = Int((Double(frame) + 0.5) / Double(frames) * Double(width))
            for y in height / 4..<height / 2 {
                for x in max(0, center - 6)..<min(width, center + 6) {
                    let offset = 3 * (y * width + x)
                    pixels.replaceSubrange(offset..<offset + 3, with: [250, UInt8(10 * frame % 256), 40])
                }
            }
            return pixels
        }
    }

    private static func little(_ value: Int, _ bytes: Int = 4) -> [UInt8] {
        (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
        Array(name.utf8) + little(body.count) + body + (body.count % 2 == 0 ? [] : [0])
    }

    /// Rows from the bottom up, blue first, filled up to four bytes.
    private static func bitmap(_ pixels: [UInt8], height: Int, width: Int) -> [UInt8] {
        var rows: [UInt8] = []
        for y in (0..<height).reversed() {
            for x in 0..<width {
                let offset = 3 * (y * width + x)
                rows += [pixels[offset + 2], pixels[offset + 1], pixels[offset]]
            }
            rows += [UInt8](repeating: 0, count: (4 - width * 3 % 4) % 4)
        }
        return rows
    }

    private static func bitmapHeader(height: Int, width: Int) -> [UInt8] {
        let bytes = (width * 3 + 3) / 4 * 4 * height
        return little(40) + little(width) + little(height) + little(1, 2) + little(24, 2) + little(0) + little(bytes)
            + little(0) + little(0) + little(0) + little(0)
    }

    /// A bitmap file.
    package static func bmp(_ pixels: [UInt8], height: Int, width: Int) -> [UInt8] {
        let body = bitmap(pixels, height: height, width: width)
        return Array("BM".utf8) + little(54 + body.count) + little(0) + little(54)
            + bitmapHeader(height: height, width: width) + body
    }

    private static let floatSound =
        little(3, 2) + little(1, 2) + little(16_000) + little(64_000) + little(4, 2) + little(32, 2)

    private static func bytes(_ samples: [Float]) -> [UInt8] { samples.flatMap { little(Int($0.bitPattern)) } }

    /// 16 kHz, one channel, floats.
    package static func wav(_ samples: [Float]) -> [UInt8] {
        let body = Array("WAVE".utf8) + chunk("fmt ", floatSound) + chunk("data", bytes(samples))
        return Array("RIFF".utf8) + little(body.count) + body
    }

    /// Plain pictures at `rate` per second, and sound beside them.
    package static func avi(_ frames: [[UInt8]], height: Int, width: Int, rate: Int, sound: [Float] = []) -> [UInt8] {
        let frameBytes = (width * 3 + 3) / 4 * 4 * height
        let streams = sound.isEmpty ? 1 : 2
        let main =
            little(1_000_000 / rate) + little(frameBytes * rate) + little(0) + little(0x10) + little(frames.count)
            + little(0) + little(streams) + little(frameBytes) + little(width) + little(height)
            + [UInt8](repeating: 0, count: 16)
        func header(_ kind: String, _ handler: [UInt8], scale: Int, rate: Int, length: Int, size: Int, sample: Int)
            -> [UInt8]
        {
            Array(kind.utf8) + handler + little(0) + little(0) + little(0) + little(scale) + little(rate) + little(0)
                + little(length) + little(size) + little(-1) + little(sample) + little(0, 2) + little(0, 2)
                + little(width, 2) + little(height, 2)
        }
        var lists =
            chunk("avih", main)
            + chunk(
                "LIST",
                Array("strl".utf8)
                    + chunk(
                        "strh",
                        header(
                            "vids",
                            Array("DIB ".utf8),
                            scale: 1,
                            rate: rate,
                            length: frames.count,
                            size: frameBytes,
                            sample: 0
                        )
                    ) + chunk("strf", bitmapHeader(height: height, width: width))
            )
        if !sound.isEmpty {
            lists += chunk(
                "LIST",
                Array("strl".utf8)
                    + chunk(
                        "strh",
                        header(
                            "auds",
                            little(0),
                            scale: 1,
                            rate: 16_000,
                            length: sound.count,
                            size: 64_000,
                            sample: 4
                        )
                    ) + chunk("strf", floatSound + little(0, 2))
            )
        }
        var movie = Array("movi".utf8)
        var index: [UInt8] = []
        func add(_ name: String, _ body: [UInt8]) {
            index += Array(name.utf8) + little(0x10) + little(movie.count) + little(body.count)
            movie += chunk(name, body)
        }
        let perFrame = (sound.count + frames.count - 1) / max(1, frames.count)
        for (number, frame) in frames.enumerated() {
            add("00db", bitmap(frame, height: height, width: width))
            let part = sound.dropFirst(number * perFrame).prefix(perFrame)
            if !part.isEmpty { add("01wb", bytes(Array(part))) }
        }
        let body =
            Array("AVI ".utf8) + chunk("LIST", Array("hdrl".utf8) + lists) + chunk("LIST", movie)
            + chunk("idx1", index)
        return Array("RIFF".utf8) + little(body.count) + body
    }
}

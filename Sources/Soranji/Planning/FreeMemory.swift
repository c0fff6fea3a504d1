import Glibc

/// How much memory this process may still take: what the machine has free, or less where a control group says so.
package struct FreeMemory: Sendable, Equatable {
    /// Bytes that could be had now, what is cached of files included.
    package var availableBytes: Int
    /// What bounds it, for people: "the machine", "the control group".
    package var source: String

    /// Left to the system and to other programs.
    package static func reserve(of bytes: Int) -> Int { max(256 << 20, bytes / 16) }

    /// What may be used by default.
    package var budgetBytes: Int { max(0, availableBytes - Self.reserve(of: availableBytes)) }

    /// - Parameter read: the text of a file of `/proc` or `/sys`; nil where it cannot be read.
    /// - Returns: nil where the system says nothing.
    package static func measure(read: (String) -> String? = SystemText.read) -> FreeMemory? {
        var found: [FreeMemory] = []
        if let machine = read("/proc/meminfo").flatMap(machineBytes) {
            found.append(FreeMemory(availableBytes: machine, source: "the machine"))
        }
        for group in controlGroups(read) {
            found.append(FreeMemory(availableBytes: group, source: "the control group"))
        }
        return found.min { $0.availableBytes < $1.availableBytes }
    }

    /// "MemAvailable" of `/proc/meminfo`, in bytes.
    static func machineBytes(_ text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix("MemAvailable:") {
            let words = line.split(separator: " ")
            guard words.count >= 2, let kibibytes = Int(words[1]), kibibytes >= 0 else { return nil }
            return kibibytes.multipliedReportingOverflow(by: 1024).overflow ? nil : kibibytes * 1024
        }
        return nil
    }

    /// What each group around this process leaves, of version 1 and version 2. Pages of files that were not used lately do
    /// not count as taken: the system gives them back.
    private static func controlGroups(_ read: (String) -> String?) -> [Int] {
        var left: [Int] = []
        for line in (read("/proc/self/cgroup") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isUnified = parts[0] == "0" && parts[1].isEmpty
            guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
            for folder in folders(String(parts[2])) {
                if let bytes = isUnified ? unified(folder, read) : legacy(folder, read) { left.append(bytes) }
            }
        }
        return left
    }

    /// A group and those around it. In a container the path of the outer system may not exist: the root always does.
    static func folders(_ path: String) -> [String] {
        var folders: [String] = []
        var path = path
        while path.count > 1, path.hasPrefix("/") {
            folders.append(path)
            path = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        }
        return folders + [""]
    }

    private static func unified(_ folder: String, _ read: (String) -> String?) -> Int? {
        let base = "/sys/fs/cgroup" + folder
        let limits = ["memory.max", "memory.high"].compactMap { number(read(base + "/" + $0)) }
        guard let limit = limits.min(), let used = number(read(base + "/memory.current")) else { return nil }
        return remaining(limit, used, inactive: entry("inactive_file", read(base + "/memory.stat")))
    }

    private static func legacy(_ folder: String, _ read: (String) -> String?) -> Int? {
        let base = "/sys/fs/cgroup/memory" + folder
        guard let limit = number(read(base + "/memory.limit_in_bytes")), limit < 1 << 60,
            let used = number(read(base + "/memory.usage_in_bytes"))
        else { return nil }
        return remaining(limit, used, inactive: entry("total_inactive_file", read(base + "/memory.stat")))
    }

    private static func remaining(_ limit: Int, _ used: Int, inactive: Int) -> Int {
        let taken = max(0, used - min(max(0, inactive), used))
        return max(0, limit - min(taken, limit))
    }

    /// Nil for "max".
    private static func number(_ text: String?) -> Int? {
        guard let text, let number = Int(text.filter { !$0.isWhitespace }), number >= 0 else { return nil }
        return number
    }

    private static func entry(_ name: String, _ text: String?) -> Int {
        for line in (text ?? "").split(separator: "\n") where line.hasPrefix(name + " ") {
            return Int(line.dropFirst(name.count + 1)) ?? 0
        }
        return 0
    }
}

/// Small files that the system makes up when they are read.
package enum SystemText {
    package static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while bytes.count < 1 << 20 {
            let count = retryingInterrupts { Glibc.read(descriptor, &chunk, chunk.count) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

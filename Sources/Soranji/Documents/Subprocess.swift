import Glibc

/// Runs a program on given bytes and collects what it prints, bounded in time and size.
enum Subprocess {
    struct Output: Equatable {
        var standardOutput: [UInt8]
        /// The first 4 KiB.
        var standardError: [UInt8]
        /// The exit status, or 128 plus the signal that ended it.
        var status: Int32
    }

    enum Failure: Error, Equatable {
        case notFound
        case timedOut
        case tooMuchOutput
        case system(SystemError)
    }

    /// - Parameters:
    ///   - program: a path, or a name that is looked up in PATH.
    ///   - input: what the program reads from its standard input, which can be sought in.
    ///   - timeout: seconds, after which the program is killed.
    ///   - maximumOutput: bytes of standard output, beyond which it is killed.
    static func run(
        _ program: String,
        _ arguments: [String],
        input: [UInt8],
        timeout: Double,
        maximumOutput: Int
    ) throws(Failure) -> Output {
        let inputFile = try Descriptor.temporary(holding: input)
        let output = try Pipe()
        let errors = try Pipe()

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, inputFile.number, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writing.number, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors.writing.number, STDERR_FILENO)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals that this process blocks or ignores must reach the program.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        // A fixed locale, so that messages can be read; nothing else of this process's environment is needed.
        let path = UserFolders.variable("PATH") ?? "/usr/bin:/bin"
        let environment = ["LC_ALL=C.UTF-8", "PATH=\(path)"]
        var process = pid_t()
        let result = withCStrings([program] + arguments) { argumentPointers in
            withCStrings(environment) { environmentPointers in
                posix_spawnp(&process, program, &actions, &attributes, argumentPointers, environmentPointers)
            }
        }
        guard result == 0 else {
            throw result == ENOENT ? .notFound : .system(SystemError("run", program, code: result))
        }
        output.closeWriting()
        errors.closeWriting()

        var collector = Collector(deadline: monotonicSeconds() + timeout, maximumOutput: maximumOutput)
        let failure = collector.collect(output: output.reading.number, errors: errors.reading.number)
        if failure != nil { kill(process, SIGKILL) }
        var status: Int32 = 0
        _ = retryingInterrupts { Int(waitpid(process, &status, 0)) }
        if let failure { throw failure }
        let signal = status & 0x7F
        return Output(
            standardOutput: collector.output,
            standardError: collector.errors,
            status: signal == 0 ? status >> 8 & 0xFF : 128 + signal
        )
    }

    static func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static func withCStrings<Result>(
        _ strings: [String],
        _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = strings.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}

/// Reads both pipes of a program until they end.
private struct Collector {
    let deadline: Double
    let maximumOutput: Int
    var output: [UInt8] = []
    var errors: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 1 << 16)

    init(deadline: Double, maximumOutput: Int) {
        self.deadline = deadline
        self.maximumOutput = maximumOutput
    }

    /// - Returns: why collecting stopped early; nil when both pipes ended.
    mutating func collect(output outputNumber: Int32, errors errorNumber: Int32) -> Subprocess.Failure? {
        var polls = [
            pollfd(fd: outputNumber, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errorNumber, events: Int16(POLLIN), revents: 0),
        ]
        while polls.contains(where: { $0.fd >= 0 }) {
            let left = deadline - Subprocess.monotonicSeconds()
            guard left > 0 else { return .timedOut }
            let ready = poll(&polls, nfds_t(polls.count), Int32(min(left * 1000 + 1, 60_000)))
            if ready < 0, errno != EINTR { return .system(SystemError("read from", "a program")) }
            guard ready > 0 else { continue }
            for index in polls.indices where polls[index].revents != 0 {
                let count = chunk.withUnsafeMutableBytes { buffer in
                    retryingInterrupts { read(polls[index].fd, buffer.baseAddress, buffer.count) }
                }
                // A negative descriptor is passed over by poll.
                if count <= 0 { polls[index].fd = -1 } else { add(count, toOutput: index == 0) }
            }
            if output.count > maximumOutput { return .tooMuchOutput }
        }
        return nil
    }

    private mutating func add(_ count: Int, toOutput isOutput: Bool) {
        if isOutput {
            output.append(contentsOf: chunk[..<count])
        } else {
            errors.append(contentsOf: chunk[..<min(count, max(0, 4096 - errors.count))])
        }
    }
}

/// An open file of this process, closed when it is no longer used.
private final class Descriptor {
    private(set) var number: Int32

    init(_ number: Int32) { self.number = number }

    /// An unnamed file that holds `bytes`.
    static func temporary(holding bytes: [UInt8]) throws(Subprocess.Failure) -> Descriptor {
        let folder = UserFolders.variable("TMPDIR") ?? "/tmp"
        var template = Array("\(folder)/soranji-XXXXXX".utf8CString)
        let descriptor = Descriptor(mkstemp(&template))
        guard descriptor.number >= 0 else { throw .system(SystemError("create a file in", folder)) }
        unlink(template)
        descriptor.closeOnSpawn()
        var offset = 0
        while offset < bytes.count {
            let written = bytes.withUnsafeBytes { buffer in
                let rest = UnsafeRawBufferPointer(rebasing: buffer[offset...])
                return retryingInterrupts { write(descriptor.number, rest.baseAddress, rest.count) }
            }
            guard written > 0 else { throw .system(SystemError("write in", folder)) }
            offset += written
        }
        lseek(descriptor.number, 0, SEEK_SET)
        return descriptor
    }

    /// Keeps the file from programs that are started, but for where it is handed to them.
    func closeOnSpawn() { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }

    func close() {
        if number >= 0 { Glibc.close(number) }
        number = -1
    }

    deinit { close() }
}

private struct Pipe {
    let reading: Descriptor
    let writing: Descriptor

    init() throws(Subprocess.Failure) {
        var numbers: [Int32] = [-1, -1]
        guard pipe(&numbers) == 0 else { throw .system(SystemError("create", "a pipe")) }
        reading = Descriptor(numbers[0])
        writing = Descriptor(numbers[1])
        reading.closeOnSpawn()
        writing.closeOnSpawn()
    }

    func closeWriting() { writing.close() }
}

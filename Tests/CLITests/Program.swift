import Glibc
import JSONText
import Testing

@testable import Soranji
@testable import SoranjiCLI

/// The built program, run as a person runs it, with a cache and state folder of its own.
final class Program {
    let folder: String

    init() throws {
        var template = Array("/tmp/soranji-cli-XXXXXX".utf8CString)
        folder = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit { _ = try? Subprocess.run("rm", ["-r", folder], input: [], timeout: 30, maximumOutput: 100) }

    struct Result {
        var output: String
        var errors: String
        var status: Int32
    }

    /// The program lies beside the test bundle.
    static let path: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { $0.baseAddress.map { readlink("/proc/self/exe", $0, 4096) } ?? 0 }
        let executable = String(decoding: buffer[..<max(count, 0)], as: UTF8.self)
        return String(executable[..<(executable.lastIndex(of: "/") ?? executable.startIndex)]) + "/soranji"
    }()

    /// - Parameter environment: more variables, as `NAME=VALUE`.
    func run(_ arguments: [String], input: String = "", environment: [String] = []) throws -> Result {
        let own = ["SORANJI_CACHE=\(folder)/cache", "XDG_STATE_HOME=\(folder)/state", "HOME=\(folder)", "COLUMNS=80"]
        let output = try Subprocess.run(
            "env",
            own + environment + [Self.path] + arguments,
            input: Array(input.utf8),
            timeout: 300,
            maximumOutput: 64 << 20
        )
        return Result(
            output: String(decoding: output.standardOutput, as: UTF8.self),
            errors: String(decoding: output.standardError, as: UTF8.self),
            status: output.status
        )
    }

    /// Runs the program by a shell, with `script` after its arguments: redirections, for example.
    ///
    /// - Parameter first: what the shell does before.
    func shell(_ arguments: [String], _ script: String, first: String = "") throws -> Result {
        let quoted = ([Self.path] + arguments).map { "'" + $0.replacing("'", with: "'\\''") + "'" }
        let command =
            first + "\nSORANJI_CACHE='\(folder)/cache' HOME='\(folder)' " + quoted.joined(separator: " ") + " " + script
        let output = try Subprocess.run(
            "bash",
            ["-c", command],
            input: [],
            timeout: 300,
            maximumOutput: 64 << 20
        )
        return Result(
            output: String(decoding: output.standardOutput, as: UTF8.self),
            errors: String(decoding: output.standardError, as: UTF8.self),
            status: output.status
        )
    }

    func json(_ arguments: [String], input: String = "") throws -> JSON {
        let result = try run(arguments, input: input)
        #expect(result.status == 0, "\(result.errors)")
        return try JSON.parse(result.output)
    }
}

/// A checkpoint with experts and without a tokenizer, from the tests of the models.
let checkpoint: String = {
    let tests = String(#filePath.split(separator: "/CLITests/")[0])
    return (tests.hasPrefix("/") ? tests : "/" + tests) + "/ModelsTests/Fixtures/goldens/olmoe"
}()

/// A clip with sound, from the tests of the media.
let clip: String = {
    let tests = String(#filePath.split(separator: "/CLITests/")[0])
    return (tests.hasPrefix("/") ? tests : "/" + tests) + "/MediaTests/Fixtures/clips/clip.mp4"
}()

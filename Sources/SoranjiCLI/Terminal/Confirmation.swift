import ArgumentParser
import Glibc
import Soranji

/// A question that work waits for; elsewhere than on a terminal nobody can be asked.
enum Confirmation {
    /// - Parameters:
    ///   - verb: what is to be done with the named: "remove".
    ///   - details: lines that are shown before the question.
    /// - Throws: where the answer is not yes.
    static func ask(_ verb: String, _ names: [String], details: [String] = []) throws {
        let list = names.joined(separator: ", ")
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else {
            throw Failure("nobody can be asked whether to \(verb) \(list)", hint: "give --yes")
        }
        let notes = Terminal.standardError
        for line in details { notes.writeLine(line) }
        notes.write("\(verb.prefix(1).uppercased() + verb.dropFirst()) \(list)? [y/N] ")
        let answer = readLine()?.trimmingWhitespace.lowercased()
        if answer == nil { notes.writeLine() }
        guard answer == "y" || answer == "yes" else {
            notes.writeLine("nothing was changed")
            throw ExitCode(ExitStatus.failure)
        }
    }
}

import ArgumentParser
import Glibc

@main
struct Main {
    static func main() {
        do {
            var command = try SoranjiCommand.parseAsRoot()
            try command.run()
        } catch {
            let report = ErrorReport(error, root: SoranjiCommand.self, style: Terminal.standardError.style)
            let output = report.isForStandardOutput ? Terminal.standardOutput : Terminal.standardError
            if !report.text.isEmpty { output.writeLine(report.text) }
            exit(report.exitCode)
        }
    }
}

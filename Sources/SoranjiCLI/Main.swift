import ArgumentParser
import Glibc

@main
struct Main {
    static func main() {
        StandardStreams.prepare()
        do {
            var command = try SoranjiCommand.parseAsRoot()
            try command.run()
        } catch {
            end(with: error)
        }
    }

    private static func end(with error: any Error) -> Never {
        if (error as? OutputError)?.isClosedPipe == true { StandardStreams.endByClosedPipe() }
        let report = ErrorReport(error, root: SoranjiCommand.self, style: Terminal.standardError.style)
        if report.isForStandardOutput, !report.text.isEmpty {
            do throws(OutputError) {
                try Terminal.standardOutput.outputLine(report.text)
            } catch {
                end(with: error)
            }
        } else if !report.text.isEmpty {
            Terminal.standardError.writeLine(report.text)
        }
        exit(report.exitCode)
    }
}

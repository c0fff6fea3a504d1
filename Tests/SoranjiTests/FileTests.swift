import Testing

@testable import Soranji

struct AtomicFileTests {
    @Test func appearsOnlyWhenCommitted() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a.txt", Array("old".utf8))
        do {
            let file = try AtomicFile(path: path)
            try file.write(Array("new".utf8))
            #expect(folder.names.count == 2)
            #expect(TemporaryFolder.contents(path) == Array("old".utf8))
        }
        // Dropped without a commit: nothing is left.
        #expect(folder.names == ["a.txt"])
        try AtomicFile.write(Array("new".utf8), to: path)
        #expect(folder.names == ["a.txt"])
        #expect(TemporaryFolder.contents(path) == Array("new".utf8))
    }

    @Test func namesTheFolderThatIsMissing() {
        let error = #expect(throws: SystemError.self) { try AtomicFile.write([], to: "/nonexistent/x/a.txt") }
        #expect(error?.description == "cannot create /nonexistent/x/a.txt: No such file or directory")
        #expect(error?.hint == "the folder must exist")
    }
}

struct NumpyWriterTests {
    @Test(.enabled(if: isInstalled("python3"), "needs python3 with numpy"))
    func numpyReadsWhatIsWritten() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/out.npy"
        var writer = try NumpyWriter(path: path, columns: 3)
        try writer.append([1, -2.5, .infinity])
        try writer.append([0.1, 3.4e38, .leastNonzeroMagnitude])
        #expect(folder.names != ["out.npy"])
        try writer.finish()
        #expect(folder.names == ["out.npy"])
        let script = """
            import sys
            try:
                import numpy
            except ImportError:
                print("no numpy"); sys.exit()
            a = numpy.load(sys.argv[1])
            assert a.shape == (2, 3) and a.dtype == numpy.float32 and a.flags.c_contiguous
            expected = numpy.array([[1, -2.5, numpy.inf], [0.1, 3.4e38, 1e-45]], dtype=numpy.float32)
            assert numpy.array_equal(a, expected)
            """
        let output = try Subprocess.run("python3", ["-c", script, path], input: [], timeout: 60, maximumOutput: 1000)
        #expect(String(decoding: output.standardError, as: UTF8.self) == "")
    }

    @Test func headerIsAligned() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/out.npy"
        let writer = try NumpyWriter(path: path, columns: 151_936)
        try writer.finish()
        let bytes = TemporaryFolder.contents(path)
        #expect(bytes.count == 128)
        #expect(Array(bytes[..<10]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0])
        let header = String(decoding: bytes[10...], as: UTF8.self)
        #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 151936), }"))
        #expect(header.hasSuffix(" \n"))
    }

    @Test func abandonedArraysLeaveNothing() throws {
        let folder = TemporaryFolder()
        do {
            var writer = try NumpyWriter(path: folder.path + "/out.npy", columns: 1)
            try writer.append([1])
        }
        #expect(folder.names.isEmpty)
    }
}

struct UserFoldersTests {
    @Test(arguments: [
        (["SORANJI_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"], "/c"),
        (["XDG_CACHE_HOME": "/x", "HOME": "/h"], "/x/soranji"),
        (["XDG_CACHE_HOME": "relative", "HOME": "/h"], "/h/.cache/soranji"),
        (["SORANJI_CACHE": "", "HOME": "/"], "/.cache/soranji"), ([:], nil),
    ])
    func cacheFollowsTheVariables(_ variables: [String: String], _ folder: String?) {
        #expect(UserFolders.cache { variables[$0] } == folder)
    }

    @Test func stateFollowsTheVariables() {
        #expect(UserFolders.state { ["XDG_STATE_HOME": "/s"][$0] } == "/s/soranji")
        #expect(UserFolders.state { ["HOME": "/h"][$0] } == "/h/.local/state/soranji")
    }

    @Test func createsParents() throws {
        let folder = TemporaryFolder()
        let path = folder.path + "/a/b"
        try UserFolders.create(path)
        try UserFolders.create(path)
        try AtomicFile.write([1], to: path + "/c")
        #expect(TemporaryFolder.contents(path + "/c") == [1])
        let error = #expect(throws: SystemError.self) { try UserFolders.create(path + "/c/d") }
        #expect(error?.path == path + "/c/d")
        _ = try Subprocess.run("rm", ["-r", folder.path + "/a"], input: [], timeout: 10, maximumOutput: 10)
    }
}

struct FixedPointTests {
    @Test(arguments: [
        (0, 2, "0.00"), (1.005, 1, "1.0"), (-0.04, 1, "0.0"), (-1.25, 1, "-1.3"), (12.999, 2, "13.00"), (7.5, 0, "8"),
        (.nan, 2, "nan"), (-.infinity, 2, "-inf"), (1e300, 2, "1e+300"),
    ])
    func roundsDecimals(_ value: Double, _ places: Int, _ text: String) {
        #expect(FixedPoint.text(value, places: places) == text)
    }

    @Test func readsAsPeopleDo() {
        #expect(
            [0, 999, 1000, -1_234_567, .max].map(FixedPoint.grouped) == [
                "0", "999", "1,000", "-1,234,567", "9,223,372,036,854,775,807",
            ]
        )
        #expect(
            [0, 1023, 1024, 4 << 30, .max].map(FixedPoint.bytes) == [
                "0 B", "1023 B", "1.0 KiB", "4.0 GiB", "8192.0 PiB",
            ]
        )
        #expect(
            [0.123, 12.34, 67, 3607, 360_000, .nan].map(FixedPoint.duration) == [
                "0.12 s", "12.3 s", "1:07", "1:00:07", "100:00:00", "?",
            ]
        )
    }
}

import Glibc

/// How much room a disk has.
package enum FreeDisk {
    /// Bytes that may still be written into a folder, or into the nearest one above it that exists; nil where the system
    /// does not say.
    package static func bytes(in folder: String) -> Int? {
        var folder = Paths.trimmed(folder)
        while !Paths.isFolder(folder), folder != "/", folder != "." { folder = Paths.folder(folder) }
        var status = statvfs()
        // Some file systems say nothing but zeros.
        guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
        let (bytes, overflow) = Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
        return overflow ? .max : bytes
    }
}

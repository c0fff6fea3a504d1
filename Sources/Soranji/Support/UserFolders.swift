import Glibc

/// Where this user's files are kept, after the XDG base directory specification.
public enum UserFolders {
    /// Models that were imported or fetched: `$SORANJI_CACHE`, else `$XDG_CACHE_HOME/soranji`, else `~/.cache/soranji`.
    /// The folder may not exist yet. Nil when neither variable nor a home folder is known.
    public static func cache(environment: (String) -> String? = variable) -> String? {
        if let folder = environment("SORANJI_CACHE"), !folder.isEmpty { return folder }
        return folder(variable: "XDG_CACHE_HOME", fallback: ".cache", environment: environment)
    }

    /// What should outlive a restart but is no document, such as the history of `chat`:
    /// `$XDG_STATE_HOME/soranji`, else `~/.local/state/soranji`.
    public static func state(environment: (String) -> String? = variable) -> String? {
        folder(variable: "XDG_STATE_HOME", fallback: ".local/state", environment: environment)
    }

    /// Stored sessions: `$SORANJI_SESSIONS`, else `$XDG_DATA_HOME/soranji/sessions`, else `~/.local/share/soranji/sessions`.
    public static func sessions(environment: (String) -> String? = variable) -> String? {
        if let folder = environment("SORANJI_SESSIONS"), !folder.isEmpty { return folder }
        return folder(variable: "XDG_DATA_HOME", fallback: ".local/share", environment: environment)
            .map { $0 + "/sessions" }
    }

    /// A variable of the process's environment.
    public static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    private static func folder(variable: String, fallback: String, environment: (String) -> String?) -> String? {
        // The specification says that relative paths are to be ignored.
        if let base = environment(variable), base.hasPrefix("/") { return base + "/soranji" }
        guard let home = environment("HOME"), home.hasPrefix("/") else { return nil }
        return (home == "/" ? "" : home) + "/" + fallback + "/soranji"
    }

    /// Creates a folder and its parents, readable by this user alone where they are new.
    package static func create(_ path: String) throws(SystemError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        let code = errno
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SystemError("create folder", path, code: code)
        }
        try create(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SystemError("create folder", path) }
    }
}

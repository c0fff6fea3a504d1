/// What kind of file a plot becomes.
public enum PlotFormat: String, Sendable, CaseIterable {
    case png, svg

    /// The format that a path's extension names; nil for others.
    public init?(path: String) {
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: ".") else { return nil }
        self.init(rawValue: name[name.index(after: dot)...].lowercased())
    }
}

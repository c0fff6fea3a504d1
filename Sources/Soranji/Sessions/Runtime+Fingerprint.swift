import JSONText
import KVCache
import ModelFiles
import Models
import Sessions

extension SessionError: HintedError {
    public var isUsage: Bool { kind == .invalidName }
}

extension Runtime {
    /// What stored pages must have been made with to mean anything to this runtime.
    ///
    /// Weights are known by the checksums of the files that they were imported from, so that nothing large is read. Those of
    /// what only films have no say: a better decoder of films makes no stored text worthless.
    func sessionFingerprint() throws -> SessionFingerprint {
        let manifest = bundle.manifest
        var weights = Digest()
        weights.add(manifest.architecture)
        weights.add(manifest.configuration.canonicalText)
        for type in manifest.weights.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
            weights.add("\(type.rawValue) \(manifest.weights[type]?.bytes ?? 0)")
        }
        var files = manifest.provenance.files
        if manifest.architecture == GrownModel.architecture {
            let reading = try GrownParts(bundle: bundle.path).reading
            weights.add(reading.dims.canonicalText)
            for file in reading.files { weights.add("\(file.path) \(file.bytes) \(file.sha256)") }
            files.removeAll { GrownParts.coversReading($0.name) }
        }
        for file in files.sorted(by: { ($0.sha256, $0.name) < ($1.sha256, $1.name) }) {
            weights.add("\(file.bytes) \(file.sha256)")
        }
        var vocabulary = Digest()
        for name in manifest.tokenizerFiles.sorted() where !name.hasPrefix("generation_config") {
            guard let path = bundle.tokenizerFile(name) else { continue }
            try MappedFile(path: path).withBytes { vocabulary.add($0) }
        }
        let rope = decoder.configuration.rope
        var positions = Digest()
        for frequency in rope.frequencies { positions.add("\(frequency.bitPattern)") }
        positions.add("\(rope.attentionFactor.bitPattern) \(rope.sections ?? []) \(rope.width)")
        return SessionFingerprint(
            weights: weights.hexadecimal,
            tokenizer: vocabulary.hexadecimal,
            positions: positions.hexadecimal,
            layout: runner.layout.storedForm(sealed: runner.sealing?.layout)
        )
    }

    /// The manifest of a new session.
    func sessionManifest() throws -> SessionManifest {
        SessionManifest(
            model: modelName,
            fingerprint: try sessionFingerprint(),
            forms: recordForms
        )
    }

    /// The forms of stored records: open pages, sealed ones where pages are sealed, and blocks of the index.
    var recordForms: [RecordForm] {
        let pages = [runner.layout] + (runner.sealing?.layout.map { [$0] } ?? [])
        return pages.map { RecordForm(parts: $0.layerCount, partBytes: $0.layerBytes) } + [indexForm]
    }

    /// The form of the index's blocks. Sessions of another one, or of none, do without.
    var indexForm: RecordForm {
        RecordForm(
            parts: runner.layout.layerCount,
            partBytes: PageIndexBlock.layerBytes(runner.layout),
            kind: "index \(PageIndexBlock.form)"
        )
    }

    /// Checks that records are as large as what will be read from them.
    func check(_ session: StoredSession) throws {
        let pageForms = recordForms.filter(\.isPage)
        let forms = session.manifest.forms
        guard forms.filter(\.isPage) == pageForms, Array(forms.prefix(pageForms.count)) == pageForms else {
            throw SessionError(
                .malformed,
                session.name,
                "its records are not as large as its pages",
                hint: "import it again, or make it anew: soranji session rm \(session.name)"
            )
        }
    }
}

extension PageLayout {
    /// The form of a stored page in words; pages of another form are not read.
    ///
    /// - Parameter sealed: the layout of pages of complete groups; nil where they stay as they are.
    func storedForm(sealed: PageLayout?) -> String {
        "\(layerCount) layers of \(kvHeadCount) heads, keys \(keyWidth) (\(ropeColumns.lowerBound)..<\(ropeColumns.upperBound) turn) "
            + "and values \(valueWidth) in \(element.rawValue), \(Self.positions) positions, form 1"
            + (sealed.map { ", \(PageSealing.groupPages) at a time sealed as \($0.element.rawValue), form 1" } ?? "")
    }

    /// How pages of a stored form keep keys and values; nil for a form that is not known.
    static func element(storedForm: String) -> Element? {
        let parts = storedForm.split(separator: ",")
        let part = parts.first { $0.contains(" sealed as ") } ?? parts.first { $0.contains(" in ") }
        return part?.split(separator: " ").last.flatMap { Element(rawValue: String($0)) }
    }
}

extension JSON {
    /// The same text for the same value, whatever the order of members.
    var canonicalText: String {
        switch self {
        case .array(let values): "[" + values.map(\.canonicalText).joined(separator: ",") + "]"
        case .object(let object):
            "{"
                + object.members.sorted { $0.key < $1.key }
                .map { JSON.string($0.key).text() + ":" + $0.value.canonicalText }.joined(separator: ",") + "}"
        default: text()
        }
    }
}

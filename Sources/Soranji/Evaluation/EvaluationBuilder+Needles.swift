/// Tasks that hide named numbers in a text.
extension EvaluationBuilder {
    /// Needles, questions and the rest that a case needs beside the haystack.
    private struct Hidden {
        var needles: [(depth: Double, tokens: [Int32])]
        var questions: [EvaluationQuestion]
    }

    func needleCases(_ task: EvaluationTask, _ samples: [Int], _ lengths: [Int], _ depths: [Double]) -> Group {
        let opening = opening(introduction(task))
        let sample = samples.first ?? 0
        let haystack: Haystack
        if task == .passkey {
            haystack = Haystack(upTo: lengths.max() ?? 0, encoder: encoder) {
                " " + Prose.noise[$0 % Prose.noise.count]
            }
        } else {
            // One text for all tasks: what one of them has read serves the next.
            var prose = Prose(random: EvaluationRandom(seed: seed, "prose", sample))
            haystack = Haystack(upTo: lengths.max() ?? 0, encoder: encoder) { _ in " " + prose.sentence() }
        }
        var group = Group(haystack: haystack)
        let inTurns = task == .secondQuestion
        for length in lengths {
            for sample in samples {
                for depth in task.hasDepth ? depths.map(Optional.some) : [nil] {
                    let hidden = hidden(task, length: length, depth: depth, sample: sample)
                    let needed =
                        opening.count + hidden.needles.reduce(0) { $0 + $1.tokens.count }
                        + Self.room(hidden.questions, inTurns: inTurns)
                    let sentences = haystack.sentences(fitting: length - needed)
                    guard needed <= length, sentences > 0 else {
                        group.tooShort.append((length, needed + haystack.tokenCount(sentences: 1)))
                        continue
                    }
                    group.cases.append(
                        place(
                            .init(task: task, lengthTokens: length, depth: depth, sample: sample),
                            opening: opening,
                            hidden: haystack.hiding(hidden.needles, sentences: sentences),
                            questions: hidden.questions,
                            inTurns: inTurns
                        )
                    )
                }
            }
        }
        return group
    }

    /// The tasks on prose begin alike.
    private func introduction(_ task: EvaluationTask) -> String {
        task == .passkey
            ? "There is important information hidden in a long text of no importance. Find it and remember it. "
                + "You will be asked for it.\n"
            : "Special magic numbers are hidden in the following text. Remember them. You will be asked for them.\n"
    }

    private func hidden(_ task: EvaluationTask, length: Int, depth: Double?, sample: Int) -> Hidden {
        var random = EvaluationRandom(
            seed: seed,
            task.rawValue,
            length,
            depth.map { Int(($0 * 1e6).rounded()) } ?? -1,
            sample
        )
        if task == .passkey {
            let key = random.digits(5)
            return Hidden(
                needles: [
                    (depth ?? 0.5, encoder.tokens(" The pass key is \(key). Remember it. \(key) is the pass key."))
                ],
                questions: [
                    question(
                        "Which number is the pass key in the text above?",
                        answer: "The pass key is",
                        [key],
                        task
                    )
                ]
            )
        }
        let counts: (names: Int, values: Int) =
            switch task {
            case .multiKey, .multiQuery: (4, 1)
            case .multiValue: (1, 4)
            case .secondQuestion: (5, 1)
            default: (1, 1)
            }
        let names = Self.names(counts.names, &random)
        let values = names.map { _ in (0..<counts.values).map { _ in random.digits(7) } }
        var places = Self.spread(counts.names * counts.values, &random)
        if let depth { places[0] = depth }
        var needles: [(depth: Double, tokens: [Int32])] = []
        for (name, values) in zip(names, values) {
            for value in values {
                needles.append((places[needles.count], encoder.tokens(" " + Self.needle(name, value))))
            }
        }
        return Hidden(needles: needles, questions: questions(task, names, values))
    }

    static func needle(_ name: String, _ value: String) -> String {
        "The special magic number for \(name) is \(value)."
    }

    private func questions(_ task: EvaluationTask, _ names: [String], _ values: [[String]]) -> [EvaluationQuestion] {
        switch task {
        case .multiValue:
            let name = names[0]
            return [
                question(
                    "What are all the special magic numbers for \(name) in the text?",
                    answer: "The special magic numbers for \(name) in the text are",
                    values[0],
                    task
                )
            ]
        case .multiQuery:
            let all = names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
            return [
                question(
                    "What are the special magic numbers for \(all) in the text?",
                    answer: "The special magic numbers for \(all) in the text are",
                    values.flatMap { $0 },
                    task
                )
            ]
        case .secondQuestion:
            return zip(names, values).enumerated().map { index, entry in
                var question = singleQuestion(entry.0, entry.1, task, isFirst: index == 0)
                question.kind = "question \(index + 1)"
                return question
            }
        default: return [singleQuestion(names[0], values[0], task)]
        }
    }

    func singleQuestion(
        _ name: String,
        _ values: [String],
        _ task: EvaluationTask,
        isFirst: Bool = true
    ) -> EvaluationQuestion {
        question(
            "What is the special magic number for \(name) in the text?",
            answer: "The special magic number for \(name) is",
            values,
            task,
            isFirst: isFirst
        )
    }

    /// A haystack of nothing but needles.
    func allKeysCases(_ samples: [Int], _ lengths: [Int], _ depths: [Double]) -> Group {
        let opening = opening(introduction(.allKeys))
        var random = EvaluationRandom(seed: seed, "all-keys", samples.first ?? 0)
        var pairs: [(name: String, value: String)] = []
        var known: Set<String> = []
        let haystack = Haystack(upTo: lengths.max() ?? 0, encoder: encoder) { _ in
            var name = Self.names(1, &random).first ?? "key"
            // Names run out in long contexts; a number tells the rest apart.
            if !known.insert(name).inserted {
                name += "-\(pairs.count)"
                known.insert(name)
            }
            pairs.append((name, random.digits(7)))
            return " " + Self.needle(pairs[pairs.count - 1].name, pairs[pairs.count - 1].value)
        }
        var group = Group(haystack: haystack)
        for length in lengths {
            for sample in samples {
                for depth in depths {
                    // What is asked for decides how long the question is, and how much room that leaves decides what can be
                    // asked for.
                    var count = haystack.sentences(fitting: length - opening.count)
                    var asked = 0
                    var asking: [EvaluationQuestion] = []
                    while count > 0 {
                        asked = min(count - 1, Int((depth * Double(count - 1)).rounded()))
                        asking = [singleQuestion(pairs[asked].name, [pairs[asked].value], .allKeys)]
                        let room = length - opening.count - Self.room(asking, inTurns: false)
                        let fitting = haystack.sentences(fitting: room)
                        if count <= fitting { break }
                        count = fitting
                    }
                    guard count > 0 else {
                        let needed = opening.count + Self.room(asking, inTurns: false)
                        group.tooShort.append((length, needed + haystack.tokenCount(sentences: 1)))
                        continue
                    }
                    let begin = haystack.tokenCount(sentences: asked)
                    let end = haystack.tokenCount(sentences: asked + 1)
                    let total = haystack.tokenCount(sentences: count)
                    group.cases.append(
                        place(
                            .init(task: .allKeys, lengthTokens: length, depth: depth, sample: sample),
                            opening: opening,
                            hidden: ([.haystack(0..<total)], [begin..<end], total),
                            questions: asking
                        )
                    )
                }
            }
        }
        return group
    }
}

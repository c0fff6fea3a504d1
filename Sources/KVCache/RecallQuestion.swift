/// A question, as lists of pages know it.
package struct RecallQuestion: Sendable, Equatable {
    /// Its tokens; what follows them is the answer. From the first one on lists have ``namedPages``.
    package var positions: Range<Int>
    /// nil: the answer's tokens choose as all others do.
    package var lock: QuestionLock?
    /// Pages that are known to matter for the question, the best first.
    package var namedPages: [Int]

    package init(positions: Range<Int>, lock: QuestionLock? = nil, namedPages: [Int] = []) {
        self.positions = positions
        self.lock = lock
        self.namedPages = namedPages
    }
}

/// How tokens after a question choose pages beyond their window, where they do not choose as all others do.
///
/// Words of an answer are poor queries: what matters was named by the question. KTransformers saw retrieval of keys and
/// values rise from 15.4 to 24.2 when the question's own attention chose what later tokens may choose from.
package enum QuestionLock: Sendable, CaseIterable {
    /// From the pages that the question's tokens voted for, and those that left the window since.
    case lock
    /// Half of the list is what the question's tokens voted for most, the other half is chosen freely.
    case hybrid
}

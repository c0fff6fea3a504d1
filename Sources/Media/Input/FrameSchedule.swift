/// Which frames of a clip are wanted.
///
/// Times are in seconds from the beginning of the file (its first frame or sample, whichever is earlier). The frame *at* a
/// time is the one on the screen then: the last that begins at or before it, or the first one of all.
package enum FrameSchedule: Sendable, Equatable {
    /// Every frame, at its own time.
    case all
    /// The frames at these times, in ascending order; times after the end give the last frame.
    case times([Double])
    /// The frames at 0, 1/rate, 2/rate … up to the end.
    case rate(Double)
    /// This many, evenly spread from the first frame to the last, both included; a clip with fewer repeats some.
    case count(Int)
    /// The frames with these numbers in the order of showing, from 0. Numbers after the end give nothing.
    case indices([Int])
}

/// A schedule while it is carried out: what is wanted next.
struct FrameCursor {
    private enum Plan {
        case all
        case times([Double])
        case rate(Double)
        case indices([Int])
    }

    private let plan: Plan
    /// How many were taken.
    private var taken = 0

    /// - Parameter count: the times of a schedule by count; only that case needs it.
    init(_ schedule: FrameSchedule, countTimes: [Double] = []) {
        switch schedule {
        case .all: plan = .all
        case .times(let times): plan = .times(times.filter(\.isFinite).sorted())
        case .rate(let rate): plan = .rate(rate)
        case .count: plan = .times(countTimes)
        case .indices(let indices): plan = .indices(indices.filter { $0 >= 0 }.sorted())
        }
    }

    enum Target: Equatable {
        case time(Double)
        case index(Int)
        /// Whatever frame comes next.
        case following
    }

    /// Nil when all are taken.
    var target: Target? {
        switch plan {
        case .all: .following
        case .times(let times): taken < times.count ? .time(times[taken]) : nil
        case .rate(let rate): .time(Double(taken) / rate)
        case .indices(let indices): taken < indices.count ? .index(indices[taken]) : nil
        }
    }

    /// Whether the schedule goes on to the end of the clip and no further.
    var endsWithClip: Bool {
        switch plan {
        case .rate, .all: true
        case .times, .indices: false
        }
    }

    mutating func advance() { taken += 1 }
}

import CKernels
import Foundation
import Synchronization

/// Work that is split into numbered tasks, which may run on any thread in any order.
///
/// A task's result must not depend on which thread runs it: that is what makes results equal for any thread count.
package protocol ParallelWork {
    /// - Parameter worker: which thread this is, 0 ..< ``ThreadPool/threadCount``: for scratch memory only.
    func perform(task: Int, worker: Int)
}

extension ParallelWork {
    /// The untyped entry that workers call; the pointer is to a `Self` on the caller's stack.
    fileprivate static func perform(_ context: UnsafeRawPointer, task: Int, worker: Int) {
        context.assumingMemoryBound(to: Self.self).pointee.perform(task: task, worker: worker)
    }
}

/// Threads that run the tasks of one ``ParallelWork`` at a time; the caller takes part.
///
/// Publishing work and claiming a task are one atomic word (generation, task count, next task), so a worker that was
/// asleep or descheduled is never waited for unless it holds a task. Nothing is allocated per run. Workers spin for a
/// fraction of a millisecond before they sleep: decoding publishes work every few microseconds.
package final class ThreadPool: @unchecked Sendable {
    package let threadCount: Int
    private let state: State
    private var threads: [pthread_t] = []

    /// - Parameter threadCount: threads including the caller, 1 ... 256.
    package init(threadCount: Int) {
        self.threadCount = min(max(1, threadCount), 256)
        state = State()
        for _ in 1..<self.threadCount {
            var thread = pthread_t()
            let context = Unmanaged.passRetained(state).toOpaque()
            let status = pthread_create(&thread, nil, { ThreadPool.workerMain($0) }, context)
            if status == 0 {
                threads.append(thread)
            } else {
                // Fewer threads only cost time: the caller does all the work that nobody else takes.
                Unmanaged<State>.fromOpaque(context).release()
            }
        }
    }

    deinit {
        state.stop()
        for thread in threads { pthread_join(thread, nil) }
    }

    /// Runs tasks 0 ..< `tasks` and returns when all are done. One caller at a time.
    package func run(tasks: Int, _ work: borrowing some ParallelWork) {
        guard tasks > 0 else { return }
        if tasks == 1 || threads.isEmpty {
            for task in 0..<tasks { work.perform(task: task, worker: 0) }
            return
        }
        precondition(tasks <= State.maximumTasks)
        withUnsafePointer(to: work) { pointer in
            state.publish(type(of: pointer.pointee), UnsafeRawPointer(pointer), tasks: tasks)
            state.claimUntilEmpty(worker: 0)
            state.waitUntilDone(tasks: tasks)
        }
    }

    private static func workerMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context else { return nil }
        Unmanaged<State>.fromOpaque(context).takeRetainedValue().work()
        return nil
    }
}

/// What the caller and the workers share.
private final class State: @unchecked Sendable {
    static let maximumTasks = 1 << 20

    /// generation << 42 | tasks << 21 | next task
    private let ticket = Atomic<UInt64>(0)
    private let completed = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    /// Workers number themselves 1, 2 ... as they start.
    private let started = Atomic<Int>(0)
    private let stopped = Atomic<Bool>(false)
    // Written only while no task is outstanding, read only by holders of a task.
    private var type: (any ParallelWork.Type)?
    private var context: UnsafeRawPointer?
    private var mutex = pthread_mutex_t()
    private var condition = pthread_cond_t()

    init() {
        pthread_mutex_init(&mutex, nil)
        pthread_cond_init(&condition, nil)
    }

    deinit {
        pthread_cond_destroy(&condition)
        pthread_mutex_destroy(&mutex)
    }

    func publish(_ type: any ParallelWork.Type, _ context: UnsafeRawPointer, tasks: Int) {
        self.type = type
        self.context = context
        completed.store(0, ordering: .relaxed)
        let generation = (ticket.load(ordering: .relaxed) >> 42) &+ 1
        ticket.store(generation << 42 | UInt64(tasks) << 21, ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(&mutex)
            pthread_cond_broadcast(&condition)
            pthread_mutex_unlock(&mutex)
        }
    }

    /// Claims one task of the published work; nil when none is left.
    private func claim() -> Int? {
        var current = ticket.load(ordering: .acquiring)
        while true {
            let next = current & 0x1F_FFFF
            guard next < (current >> 21) & 0x1F_FFFF else { return nil }
            let result = ticket.compareExchange(
                expected: current,
                desired: current + 1,
                ordering: .acquiringAndReleasing
            )
            if result.exchanged { return Int(next) }
            current = result.original
        }
    }

    @discardableResult
    func claimUntilEmpty(worker: Int) -> Bool {
        var worked = false
        while let task = claim() {
            if let type, let context { type.perform(context, task: task, worker: worker) }
            completed.add(1, ordering: .releasing)
            worked = true
        }
        return worked
    }

    func waitUntilDone(tasks: Int) {
        var spins = 0
        while completed.load(ordering: .acquiring) < tasks {
            spins += 1
            if spins < 2000 { sk_spin_pause() } else { sched_yield() }
        }
    }

    func work() {
        let worker = started.add(1, ordering: .relaxed).newValue
        var spins = 0
        while !stopped.load(ordering: .relaxed) {
            if claimUntilEmpty(worker: worker) {
                spins = 0
            } else if spins < 4000 {
                spins += 1
                sk_spin_pause()
            } else {
                sleep()
                spins = 0
            }
        }
    }

    private var hasWork: Bool {
        let current = ticket.load(ordering: .sequentiallyConsistent)
        return current & 0x1F_FFFF < (current >> 21) & 0x1F_FFFF
    }

    private func sleep() {
        pthread_mutex_lock(&mutex)
        sleeping.add(1, ordering: .sequentiallyConsistent)
        while !hasWork, !stopped.load(ordering: .sequentiallyConsistent) { pthread_cond_wait(&condition, &mutex) }
        sleeping.subtract(1, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(&mutex)
    }

    func stop() {
        stopped.store(true, ordering: .sequentiallyConsistent)
        pthread_mutex_lock(&mutex)
        pthread_cond_broadcast(&condition)
        pthread_mutex_unlock(&mutex)
    }
}

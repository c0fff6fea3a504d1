import Synchronization
import Tensor
import Testing

private struct CountWork: ParallelWork {
    let counts: UnsafeMutablePointer<Int32>
    let workers: UnsafeMutablePointer<Int32>

    func perform(task: Int, worker: Int) {
        counts[task] += 1
        workers[task] = Int32(worker)
    }
}

struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func runsEveryTaskOnce(threads: Int) throws {
        let pool = ThreadPool(threadCount: threads)
        let counts = try AlignedBuffer<Int32>(count: 1000)
        let workers = try AlignedBuffer<Int32>(count: 1000)
        var expected: Int32 = 0
        for tasks in [0, 1, 2, 7, 1000, 3] + Array(repeating: 5, count: 2000) {
            counts.buffer.update(repeating: 0)
            pool.run(tasks: tasks, CountWork(counts: counts.pointer, workers: workers.pointer))
            expected = Int32(tasks)
            #expect(counts.buffer.reduce(0, +) == expected)
            #expect(counts.buffer.prefix(tasks).allSatisfy { $0 == 1 })
            #expect(workers.buffer.prefix(tasks).allSatisfy { 0..<Int32(max(1, threads)) ~= $0 })
        }
    }

    @Test func endsItsThreads() {
        for _ in 0..<50 {
            let pool = ThreadPool(threadCount: 4)
            #expect(pool.threadCount == 4)
        }
    }
}

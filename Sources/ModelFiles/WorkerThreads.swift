import Glibc

/// A few operating system threads that each run one closure; joined before they go out of use.
///
/// Importing blocks on the disk, so it does not borrow threads that computing waits for.
final class WorkerThreads {
    private var threads: [pthread_t] = []

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread. When the system refuses one, the closure runs at once, in the caller.
    func start(_ run: @escaping @Sendable () -> Void) {
        let context = Unmanaged.passRetained(Body(run))
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { context in
                if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            },
            context.toOpaque()
        )
        if status == 0 {
            threads.append(thread)
        } else {
            context.takeRetainedValue().run()
        }
    }

    /// Waits for all of them.
    func join() {
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }

    deinit { join() }
}

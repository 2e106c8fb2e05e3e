// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// A thread that nobody joins: what waits for its end is told by the body itself.
public enum DetachedThread {
    /// Runs `body` on a new thread of the given name.
    ///
    /// - Throws: `SystemError`, EAGAIN when there may be no more threads.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        pthread_detach(try startAttached(name: name, body))
    }

    /// The same for who detaches or joins the thread.
    static func startAttached(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> pthread_t {
        final class Box {
            let name: String
            let body: @Sendable () -> Void
            init(_ name: String, _ body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
        }
        let box = Unmanaged.passRetained(Box(name, body))
        var created = pthread_t()
        let result = pthread_create(
            &created, nil,
            { pointer in
                guard let pointer else { return nil }
                let box = Unmanaged<Box>.fromOpaque(pointer).takeRetainedValue()
                cls_name_thread(box.name)
                box.body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            box.release()
            throw SystemError(operation: "pthread_create", errno: result)
        }
        return created
    }
}

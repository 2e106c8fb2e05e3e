// SPDX-License-Identifier: Apache-2.0

/// A reference to a value that cannot be copied, such as ``OwnedDescriptor``, so that it can be optional in a class
/// or be held by a handler. The value goes away with the last reference.
public final class Shared<Value: ~Copyable & Sendable>: Sendable {
    /// The value.
    public let value: Value

    /// Takes the value over.
    public init(_ value: consuming Value) {
        self.value = value
    }
}

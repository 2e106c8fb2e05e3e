// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import PaaSModel
internal import Synchronization

/// An app as the API shows it.
struct AppDocument: Sendable {
    let app: App
    /// The same as JSON.
    let json: ByteBuffer

    /// What all views of one moment have in common.
    struct NodeState: Hashable, Sendable {
        /// Of the nodes' entries.
        let revisions: [Int64]
        let connected: [String]
    }

    /// What a view was made of: the same basis makes the same view.
    struct Basis: Hashable, Sendable {
        /// Of the entries of the app, its releases and its instances, in the order of their keys. A change of any gives it a
        /// higher one than all before, and one that goes makes the list shorter.
        let revisions: [Int64]
        let nodes: NodeState
    }
}

/// Keeps views of apps while nothing that they are made of changes: decoding and encoding them is most of what a list
/// of a thousand apps costs, and reading them from the store is the rest. About as large as the list of apps.
final class AppDocumentCache: Sendable {
    /// Most views that are kept. Whoever only asks for pages never says which apps are gone.
    private static let capacity = 10_000

    private struct List {
        let revision: Int64
        let connected: Set<String>
        let documents: [AppDocument]
    }

    private let whole = Mutex<List?>(nil)
    private let kept = Mutex<[String: (basis: AppDocument.Basis, document: AppDocument)]>([:])

    /// The document of an app, made anew unless it is kept with this basis.
    ///
    /// - Parameter make: nil leaves the app out.
    func document(ofApp id: String, basis: AppDocument.Basis, make: () throws -> App?) throws -> AppDocument? {
        if let found = kept.withLock({ $0[id] }), found.basis == basis { return found.document }
        guard let app = try make() else { return nil }
        let document = AppDocument(app: app, json: try APIEncoding.encode(app))
        kept.withLock { kept in
            if kept.count >= Self.capacity { kept.removeAll() }
            kept[id] = (basis, document)
        }
        return document
    }

    /// All apps, if they are kept as of this revision of the store and with these nodes connected.
    func list(revision: Int64, connected: Set<String>) -> [AppDocument]? {
        whole.withLock { $0.flatMap { $0.revision == revision && $0.connected == connected ? $0.documents : nil } }
    }

    /// Keeps the list of all apps.
    func keep(_ documents: [AppDocument], revision: Int64, connected: Set<String>) {
        whole.withLock { $0 = List(revision: revision, connected: connected, documents: documents) }
    }

    /// Lets destroyed apps go.
    func forget(allBut ids: Set<String>) {
        kept.withLock { kept in
            guard kept.count > ids.count else { return }
            kept = kept.filter { ids.contains($0.key) }
        }
    }
}

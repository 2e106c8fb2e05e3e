// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore

/// What a handler knows of the connection that its request came over.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel
    /// Who asks; nil only for routes that are open to everybody.
    var principal: Principal?
    /// The room that its body takes up, until it is answered.
    var bodyShare: BodyBudget.Share?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// A captured part of the path.
    func parameter(_ name: String) -> String { coreContext.parameters.get(name) ?? "" }
}

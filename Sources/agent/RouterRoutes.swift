// SPDX-License-Identifier: Apache-2.0

import AppLogs
import PaaSModel
import Router
import Supervision

/// Joins the supervisor and the router, which do not know each other, by the route table.
struct RouterRoutes: RouteSink {
    let table: RouteTable
    let accessLog: AccessLog

    func setRoute(_ route: AppRoute?, app: AppName) {
        guard let route else {
            accessLog.setApp(app.rawValue, id: nil, sources: [])
            return table.remove(app: app.rawValue)
        }
        let sources = route.endpoints.map {
            LogSource(instanceID: $0.instanceID, instance: $0.instance, release: $0.release)
        }
        accessLog.setApp(app.rawValue, id: route.appID, sources: sources)
        let upstreams = route.endpoints.map { Upstream(id: $0.instanceID, host: "127.0.0.1", port: Int($0.port)) }
        table.set(app: app.rawValue, route: Route(state: Self.state(route.state), upstreams: upstreams))
    }

    func drain(instanceID: String, limit: Duration) async {
        _ = await table.drain(upstreamID: instanceID, deadline: limit)
    }

    func removeRecords(ofApp appID: String) { accessLog.remove(appID: appID) }

    private static func state(_ state: AppRoute.State) -> Route.State {
        switch state {
        case .starting(let message): .starting(message: message)
        case .ready: .ready
        case .failed(let message): .failed(message: message)
        case .stopped: .stopped
        }
    }
}

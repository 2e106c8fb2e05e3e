// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import PaaSModel

/// The dashboard: `/`, and everything below `/ui`. Only where one signs in by token, which is over TCP.
///
/// Pages are made here and nowhere else; the script fetches them again when it is told that something has changed.
struct DashboardRoutes: Sendable {
    typealias Visit = DashboardAccess.Visit

    /// Events that a page shows.
    static let eventLimit = 30

    let service: ControlPlaneService
    let inspections: InspectionRoutes
    let logs: LogRoutes
    let live: DashboardLive
    let access: DashboardAccess
    let authorizer: Authorizer
    let templates: DashboardTemplates

    func add(to api: inout APIBuilder) {
        addFiles(to: &api)
        addSession(to: &api)
        addPages(to: &api)
        addStreams(to: &api)
        addForms(to: &api)
    }

    private func addFiles(to api: inout APIBuilder) {
        let files = [
            ("dashboard.css", "text/css; charset=utf-8", PackageResources.dashboard_css),
            ("dashboard.js", "text/javascript; charset=utf-8", PackageResources.dashboard_js),
            ("icon.svg", "image/svg+xml", PackageResources.icon_svg),
        ]
        for (name, type, bytes) in files {
            api.on(.get, "/ui/\(name)", access: .everybody) { request, _ in
                DashboardResponse.secure(DashboardResponse.file(bytes, type, request))
            }
        }
    }

    private func addSession(to api: inout APIBuilder) {
        api.on(.get, "/", access: .everybody) { _, _ in
            DashboardResponse.secure(DashboardResponse.redirect(to: "/ui/"))
        }
        api.on(.get, "/ui/login", access: .everybody) { request, _ in
            if try await access.visit(request) != nil {
                return DashboardResponse.secure(DashboardResponse.redirect(to: "/ui/"))
            }
            return login(failure: nil, status: .ok)
        }
        api.on(.post, "/ui/login", access: .everybody) { request, context in
            do {
                let token = try await Self.form(request, context, upTo: Self.maxLoginBytes)["token"] ?? ""
                return DashboardResponse.secure(try await access.signIn(token: token, request, context))
            } catch let limited as TokenAuthenticator.TooManyFailures {
                let wait = "Too many wrong tokens. Try again in \(limited.retryAfterSeconds) s."
                return login(failure: wait, status: .tooManyRequests)
            } catch let problem as Problem where problem.status == 401 {
                let text = problem == .wrongToken ? "This is not a token of this control plane." : problem.detail
                return login(failure: text, status: .unauthorized)
            } catch let problem as Problem {
                return login(failure: problem.detail, status: .init(code: problem.status))
            }
        }
    }

    private func login(failure: String?, status: HTTPResponse.Status) -> Response {
        DashboardResponse.secure(
            DashboardResponse.html(templates.page("login", failure.map { ["failure": $0] } ?? [:]), status: status))
    }

    // MARK: Pages

    private func addPages(to api: inout APIBuilder) {
        page("/ui", .known, &api) { _, _, visit in
            let own = visit.principal.scope.app
            let apps = try await service.apps().filter { own == nil || $0.name == own }
            let events = try await events(of: own == nil ? nil : apps.first?.id, none: own != nil && apps.isEmpty)
            let isAdmin = visit.principal.scope == .admin
            let body = AppsPage(
                apps: apps, events: events, nodes: own == nil ? try await service.allNodes() : [],
                creates: isAdmin || own != nil && apps.isEmpty)
            return render("apps", "Apps", visit, live: "/ui/live", body)
        }
        page("/ui/nodes", .read, &api) { _, _, visit in
            render("nodes", "Nodes", visit, live: "/ui/live", NodesPage(try await service.allNodes()))
        }
        page("/ui/apps/:name", .readApp, &api) { _, context, visit in
            let name = context.parameter("name")
            let app = try await service.app(name).app
            let body = AppPage(
                app: app, releases: try await service.releases(name).releases, inForce: try await inForce(name),
                events: try await events(of: app.id, none: false), acts: visit.principal.scope.changes(app.name))
            return render("app", app.name.rawValue, visit, live: "/ui/apps/\(app.name)/live", body)
        }
    }

    /// Nil when the agent does not answer.
    private func inForce(_ name: String) async throws -> [InstanceInspection]? {
        do {
            return try await inspections.inspection(name).instances
        } catch let problem as Problem where problem.status == 503 {
            return nil
        }
    }

    private func events(of appID: String?, none: Bool) async throws -> [Event] {
        guard !none else { return [] }
        return try await service.events(EventQuery(appID: appID, since: nil, limit: Self.eventLimit)).events
    }

    // MARK: Streams

    private func addStreams(to api: inout APIBuilder) {
        stream("/ui/live", .known, &api) { request, _, visit in
            // A token for one app sees no figures of the others, and these are not told apart here.
            let path = visit.principal.scope.app == nil ? "/v1/stats" : nil
            let prefixes = [StoreKey.apps, StoreKey.instances, StoreKey.nodes, StoreKey.events]
            return try await live.stream(
                request, prefixes: prefixes, nodes: try await service.allNodes(), path: path)
        }
        stream("/ui/apps/:name/live", .readApp, &api) { request, context, _ in
            let snapshot = try await service.snapshot(context.parameter("name"))
            guard let app = snapshot.state.app else { throw Problem.appNotFound(context.parameter("name")) }
            let node = app.node.flatMap { snapshot.nodes[$0] }
            let prefixes = [StoreKey.app(app.id), StoreKey.instances(app.id), StoreKey.releases(app.id)]
            return try await live.stream(
                request, prefixes: prefixes, nodes: node.map { [$0] } ?? [], path: "/v1/apps/\(app.id)/stats")
        }
        stream("/ui/apps/:name/log", .readApp, &api) { request, context, _ in
            try await logs.logs(request, context)
        }
    }

    // MARK: Forms

    private func addForms(to api: inout APIBuilder) {
        form("/ui/logout", .known, &api) { _, _, visit in access.signOut(visit) }
        form("/ui/apps", .deploy, &api) { fields, _, visit in
            let body = try Self.json(["name": fields["name"] ?? "", "command": Self.command(fields)])
            let app = try await service.create(body: body, scope: visit.principal.scope).app
            return DashboardResponse.redirect(to: "/ui/apps/\(app.name)")
        }
        action("start", &api) { name, _ in _ = try await service.start(name, ifMatch: nil) }
        action("stop", &api) { name, _ in _ = try await service.stop(name, ifMatch: nil) }
        action("restart", &api) { name, _ in _ = try await service.restart(name, ifMatch: nil) }
        action("scale", &api) { name, fields in
            guard let instances = Int(fields["instances"] ?? "") else {
                throw ValidationError(field: "instances", message: "is not a whole number")
            }
            _ = try await service.scale(name, to: instances, ifMatch: nil)
        }
        action("rollback", &api) { name, fields in
            _ = try await service.rollback(name, to: fields["release"], ifMatch: nil)
        }
        action("deploy", &api) { name, fields in
            let (app, command) = (try await service.app(name).app, Self.command(fields))
            // A list of words stays one when nobody has edited it.
            let body = try Self.json(command == app.command.text ? [:] : ["command": command])
            _ = try await service.patch(name, body: body, redeploy: true, ifMatch: nil)
        }
    }

    private static func json(_ fields: [String: String]) throws -> [UInt8] { Array(try JSONEncoder().encode(fields)) }

    /// Browsers send the end of a line as CR LF.
    private static func command(_ fields: [String: String]) -> String {
        (fields["command"] ?? "").split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n")
    }
}

// MARK: - Kinds of routes

extension DashboardRoutes {
    /// Largest form: a command of 64 KiB, percent-encoded.
    private static let maxFormBytes = 256 << 10
    /// Largest form to sign in with, which strangers send, too: a token is shorter than 100 bytes.
    private static let maxLoginBytes = 4 << 10

    typealias PageHandler = @Sendable (Request, APIContext, Visit) async throws -> Response
    typealias FormHandler = @Sendable ([String: String], APIContext, Visit) async throws -> Response

    private func page(_ path: String, _ rule: RouteAccess, _ api: inout APIBuilder, _ body: @escaping PageHandler) {
        api.on(.get, path, access: .everybody) { request, context in
            guard let visit = try await access.visit(request) else {
                return DashboardResponse.secure(DashboardResponse.redirect(to: "/ui/login"))
            }
            return try await answer(visit, back: "/ui/") {
                try await check(rule, visit, request, context)
                return try await body(request, context, visit)
            }
        }
    }

    /// What the script asks for; it gets problems as JSON.
    private func stream(_ path: String, _ rule: RouteAccess, _ api: inout APIBuilder, _ body: @escaping PageHandler) {
        api.on(.get, path, access: .everybody) { request, context in
            guard let visit = try await access.visit(request) else { throw Problem.unauthenticated }
            try await check(rule, visit, request, context)
            return DashboardResponse.secure(try await body(request, context, visit))
        }
    }

    private func form(_ path: String, _ rule: RouteAccess, _ api: inout APIBuilder, _ body: @escaping FormHandler) {
        api.on(.post, path, access: .everybody) { request, context in
            guard let visit = try await access.visit(request) else {
                return DashboardResponse.secure(DashboardResponse.redirect(to: "/ui/login"))
            }
            let name = context.parameter("name")
            return try await answer(visit, back: name.isEmpty ? "/ui/" : "/ui/apps/\(PercentEncoding.encode(name))") {
                let fields = try await Self.form(request, context, upTo: Self.maxFormBytes)
                try access.requireOwnForm(request, visit, formToken: fields["csrf"])
                try await check(rule, visit, request, context)
                return try await Principal.$current.withValue(visit.principal) {
                    try await body(fields, context, visit)
                }
            }
        }
    }

    /// A button on an app's page, which is shown again afterwards.
    private func action(
        _ verb: String, _ api: inout APIBuilder,
        _ body: @escaping @Sendable (_ name: String, _ fields: [String: String]) async throws -> Void
    ) {
        form("/ui/apps/:name/\(verb)", .changeApp, &api) { fields, context, _ in
            let name = context.parameter("name")
            try await body(name, fields)
            return DashboardResponse.redirect(to: "/ui/apps/\(PercentEncoding.encode(name))")
        }
    }

    private func check(
        _ rule: RouteAccess, _ visit: Visit, _ request: Request, _ context: APIContext
    ) async throws {
        try await authorizer.check(
            rule, visit.principal, app: context.parameter("name"), what: "\(request.method) \(request.uri.path)")
    }

    /// What went wrong is a page too.
    private func answer(
        _ visit: Visit, back: String, _ body: () async throws -> Response
    ) async throws -> Response {
        let problem: Problem
        do {
            return DashboardResponse.secure(try await body())
        } catch let error as Problem {
            problem = error
        } catch let error as ValidationError {
            problem = .invalid(error)
        }
        let page = ["heading": problem.title, "detail": problem.detail, "back": back]
        var response = render("problem", problem.title, visit, live: nil, page)
        response.status = .init(code: problem.status)
        return DashboardResponse.secure(response)
    }

    private static func form(
        _ request: Request, _ context: APIContext, upTo limit: Int
    ) async throws -> [String: String] {
        let type = request.headers[.contentType]?.prefix { $0 != ";" }.lowercased()
        guard type == "application/x-www-form-urlencoded" else {
            throw Problem.unsupportedMediaType("application/x-www-form-urlencoded")
        }
        let text = String(buffer: try await request.collect(upTo: limit, context))
        do {
            return try URLEncodedFormDecoder().decode([String: String].self, from: text)
        } catch {
            throw Problem.malformed("the form cannot be read")
        }
    }

    /// What every page has around its own part.
    private struct Frame<Body> {
        let title: String
        let live: String?
        let isApps: Bool
        let isNodes: Bool
        let seesNodes: Bool
        let who: String
        let readsOnly: Bool
        let csrf: String
        let body: Body
    }

    private func render<Body>(
        _ template: String, _ title: String, _ visit: Visit, live: String?, _ body: Body
    ) -> Response {
        let scope = visit.principal.scope
        let frame = Frame(
            title: title, live: live, isApps: template == "apps" || template == "app", isNodes: template == "nodes",
            seesNodes: scope.app == nil, who: visit.principal.name, readsOnly: scope == .read, csrf: visit.formToken,
            body: body)
        return DashboardResponse.html(templates.page(template, frame))
    }
}

extension TokenScope {
    /// The only app that it opens; nil when it is not for one.
    fileprivate var app: AppName? {
        if case .deploy(let app) = self { app } else { nil }
    }

    fileprivate func changes(_ name: AppName) -> Bool { self == .admin || app == name }
}

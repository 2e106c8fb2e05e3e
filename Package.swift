// swift-tools-version: 6.1
import PackageDescription

// One table of targets, in the order of docs/architecture.md: what lives where, and what may import what.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

/// Static C programs, without the Swift runtime that SwiftPM links into every executable.
let staticC = [
    "-nostartfiles", "-static-stdlib", "-Xclang-linker", "-static", "-Xclang-linker",
    "-Wno-unused-command-line-argument",
]

/// Swift's libraries inside the program, for one that lives for milliseconds: docs/decisions/0072. Whole is the library that
/// FoundationEssentials finds while the program runs and nothing refers to: it is who knows international host names. What
/// it needs follows it, because the linker goes through archives once.
let staticSwift =
    ["-static-stdlib"]
    + [
        "--whole-archive", "-lFoundationInternationalization", "--no-whole-archive", "-lFoundationEssentials",
        "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections",
    ].flatMap { ["-Xlinker", $0] }

/// The router's event loops and the writers of logs are each a world of one thread, and their classes would be checked for
/// overlapping accesses at every step of every request and at every line; debug builds, and with them the tests, still do.
let hotPathSettings =
    settings + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let toml: Target.Dependency = .product(name: "TOMLKit", package: "TOMLKit")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioHPACK: Target.Dependency = .product(name: "NIOHPACK", package: "swift-nio-http2")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTLS: Target.Dependency = .product(name: "HummingbirdTLS", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let nioHTTPTypes: Target.Dependency = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")

/// Files that browsers and templates get; compiled in, so that an installed program needs none of them.
let dashboard = [
    "app.mustache", "apps.mustache", "dashboard.css", "dashboard.js", "events.mustache", "icon.svg", "layout.mustache",
    "login.mustache", "nodes.mustache", "problem.mustache",
]

let package = Package(
    name: "mini-paas",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "paasd", targets: ["paasd"]),
        .executable(name: "agent", targets: ["agent"]),
        .executable(name: "paas", targets: ["paas"]),
        .executable(name: "paas-init", targets: ["paas-init"]),
        .executable(name: "paas-attacks", targets: ["paas-attacks"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.34.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
        .package(url: "https://github.com/hummingbird-project/swift-mustache.git", from: "2.1.1"),
        .package(url: "https://github.com/LebJe/TOMLKit.git", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
    ],
    targets: [
        // C: only what Swift cannot call, and everything between clone and exec.
        .target(
            name: "CLinuxSupport", path: "CLinuxSupport", exclude: ["paas-init", "attacks"], sources: ["src"],
            linkerSettings: [.linkedLibrary("seccomp")]),
        // Debian: libpcre2-dev.
        .systemLibrary(name: "CPCRE2", path: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
        // Debian: libzstd-dev.
        .systemLibrary(name: "CZstd", path: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .executableTarget(
            name: "paas-init", path: "CLinuxSupport/paas-init",
            cSettings: [
                .headerSearchPath("../include"), .headerSearchPath("../src"),
                .unsafeFlags(["-std=gnu11", "-Wall", "-Wextra", "-Werror"]),
            ],
            // One stays beside each app.
            linkerSettings: [.unsafeFlags(staticC)]),
        // What apps must not be able to do, tried by `paas doctor --sandbox` from inside one.
        .executableTarget(
            name: "paas-attacks", path: "CLinuxSupport/attacks",
            cSettings: [.unsafeFlags(["-std=gnu11", "-Wall", "-Wextra", "-Werror"])],
            linkerSettings: [.unsafeFlags(staticC)]),

        .target(name: "PaaSModel", swiftSettings: settings),
        .target(name: "LinuxSystem", dependencies: ["CLinuxSupport"], swiftSettings: settings),
        .target(name: "Cgroups", dependencies: ["LinuxSystem"], swiftSettings: settings),
        .target(
            name: "Sandbox", dependencies: ["LinuxSystem", "PaaSModel"],
            resources: [.embedInCode("SystemCalls/system-calls.txt")], swiftSettings: settings),
        .target(
            name: "AppLogs", dependencies: ["CPCRE2", "CZstd", "LinuxSystem", "PaaSModel"],
            swiftSettings: hotPathSettings),
        .target(
            name: "AppNetwork", dependencies: ["LinuxSystem", nioCore, nioPosix, logging], swiftSettings: settings),
        .target(
            name: "Supervision",
            dependencies: ["LinuxSystem", "Cgroups", "Sandbox", "AppLogs", "PaaSModel", logging],
            swiftSettings: settings),
        .target(
            name: "Router",
            dependencies: [
                "LinuxSystem", "PaaSModel", nioCore, nioPosix, nioTLS, nioSSL, nioHPACK, logging, lifecycle,
            ],
            swiftSettings: hotPathSettings),
        .target(
            name: "ControlPlane",
            dependencies: [
                "PaaSModel", hummingbird, hummingbirdCore, hummingbirdTLS, httpTypes, nioCore, nioPosix, nioHTTP1,
                nioHTTPTypes, nioSSL, logging, lifecycle,
                .product(name: "GRDB", package: "GRDB.swift"),
                crypto, httpClient,
                .product(name: "Mustache", package: "swift-mustache"),
            ],
            resources: dashboard.map { .embedInCode("Dashboard/Resources/\($0)") }, swiftSettings: settings),
        .target(
            name: "PaaSClient",
            dependencies: [
                "PaaSModel", nioCore, nioPosix, nioHTTP1, nioSSL, logging, crypto, httpClient,
            ], swiftSettings: settings),

        .target(
            name: "LogDrain",
            dependencies: [
                "AppLogs", "LinuxSystem", "PaaSModel", nioCore, nioHTTP1, nioPosix, httpClient, logging, lifecycle,
            ],
            swiftSettings: settings),

        // What the three programs share: options, configuration file, logging.
        .target(
            name: "ProgramSupport", dependencies: ["PaaSModel", arguments, logging, toml], swiftSettings: settings),

        .executableTarget(
            name: "paasd",
            dependencies: [
                "ControlPlane", "PaaSModel", "ProgramSupport", arguments, lifecycle, logging, signals, nioCore,
                nioPosix, "LinuxSystem",
            ], swiftSettings: settings),
        .executableTarget(
            name: "agent",
            dependencies: [
                "Supervision", "Router", "AppNetwork", "PaaSClient", "PaaSModel", "ProgramSupport", "AppLogs",
                "LogDrain", "Cgroups",
                "Sandbox", "LinuxSystem", hummingbird, hummingbirdCore, httpTypes, arguments, lifecycle, logging,
                signals, nioCore,
                nioHTTP1, nioPosix, crypto, x509, asn1,
            ], swiftSettings: settings),
        .executableTarget(
            name: "paas",
            dependencies: [
                "PaaSClient", "PaaSModel", "ProgramSupport", arguments, nioPosix, crypto,
            ], swiftSettings: settings,
            linkerSettings: [.unsafeFlags(staticSwift, .when(configuration: .release))]),

        .testTarget(name: "PaaSModelTests", dependencies: ["PaaSModel"], swiftSettings: settings),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem"], swiftSettings: settings),
        .testTarget(name: "CgroupsTests", dependencies: ["Cgroups", "LinuxSystem"], swiftSettings: settings),
        .testTarget(
            name: "SandboxTests", dependencies: ["Sandbox", "LinuxSystem", "PaaSModel", "paas-init"],
            swiftSettings: settings),
        .testTarget(
            name: "AppLogsTests", dependencies: ["AppLogs", "CZstd", "LinuxSystem", "PaaSModel"],
            swiftSettings: settings),
        .testTarget(
            name: "LogDrainTests", dependencies: ["LogDrain", "AppLogs", "LinuxSystem", "PaaSModel", logging],
            swiftSettings: settings),
        .testTarget(
            name: "AppNetworkTests",
            dependencies: [
                "AppNetwork", "LinuxSystem", "PaaSModel", "Sandbox", nioCore, nioPosix, logging, "paas-init",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "SupervisionTests",
            dependencies: [
                "Supervision", "PaaSModel", "LinuxSystem", "Cgroups", "Sandbox", "AppLogs", logging, "paas-init",
            ],
            exclude: ["instance-machine.txt"],
            swiftSettings: settings),
        .testTarget(
            name: "RouterTests",
            dependencies: [
                "Router", "PaaSModel", nioCore, nioPosix, nioHTTP1, nioSSL, nioHTTP2, nioHPACK, nioEmbedded, logging,
                lifecycle, crypto, x509, asn1,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "ControlPlane", "PaaSModel", hummingbird, httpTypes, nioCore, nioPosix, nioHTTP1, nioHTTPTypes,
                nioEmbedded,
                logging, lifecycle, httpClient, .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: settings),
        .testTarget(
            name: "ProgramSupportTests", dependencies: ["ProgramSupport", "PaaSModel", arguments, logging],
            swiftSettings: settings),
        .testTarget(
            name: "PaaSClientTests", dependencies: ["PaaSClient", "PaaSModel", nioCore, nioPosix, nioHTTP1],
            swiftSettings: settings),
        .testTarget(
            name: "PaaSCommandTests",
            dependencies: ["paas", "PaaSClient", "PaaSModel", "ProgramSupport", arguments], swiftSettings: settings),
    ]
)

// swift-tools-version: 6.1
import PackageDescription

// One table of targets, in the order of docs/architecture.md: what lives where, and what may import what.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let toml: Target.Dependency = .product(name: "TOMLKit", package: "TOMLKit")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")

let package = Package(
    name: "mini-paas",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "paasd", targets: ["paasd"]),
        .executable(name: "agent", targets: ["agent"]),
        .executable(name: "paas", targets: ["paas"]),
        .executable(name: "paas-init", targets: ["paas-init"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.0", traits: []),
        .package(url: "https://github.com/LebJe/TOMLKit.git", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
    ],
    targets: [
        // C: only what Swift cannot call, and everything between clone and exec.
        .target(name: "CLinuxSupport", path: "CLinuxSupport", exclude: ["paas-init"], sources: ["src"]),
        .executableTarget(
            name: "paas-init", path: "CLinuxSupport/paas-init",
            cSettings: [.headerSearchPath("../include"), .unsafeFlags(["-std=gnu11", "-Wall", "-Wextra", "-Werror"])],
            // Static and without the Swift runtime that SwiftPM links into every executable: one stays beside each app.
            linkerSettings: [
                .unsafeFlags([
                    "-nostartfiles", "-static-stdlib", "-Xclang-linker", "-static", "-Xclang-linker",
                    "-Wno-unused-command-line-argument",
                ])
            ]),

        .target(name: "PaaSModel", swiftSettings: settings),
        .target(name: "LinuxSystem", dependencies: ["CLinuxSupport"], swiftSettings: settings),
        .target(name: "Cgroups", dependencies: ["LinuxSystem"], swiftSettings: settings),
        .target(name: "Sandbox", dependencies: ["LinuxSystem", "PaaSModel"], swiftSettings: settings),
        .target(name: "AppLogs", dependencies: ["LinuxSystem", "PaaSModel"], swiftSettings: settings),
        .target(
            name: "Supervision",
            dependencies: ["LinuxSystem", "Cgroups", "Sandbox", "AppLogs", "PaaSModel", logging],
            swiftSettings: settings),
        .target(
            name: "Router", dependencies: ["PaaSModel", nioCore, nioPosix, logging, lifecycle],
            swiftSettings: settings),
        .target(
            name: "ControlPlane",
            dependencies: [
                "PaaSModel", hummingbird, hummingbirdCore, httpTypes, nioCore, nioPosix, nioHTTP1, logging, lifecycle,
                .product(name: "GRDB", package: "GRDB.swift"),
                crypto, httpClient,
            ], swiftSettings: settings),
        .target(
            name: "PaaSClient",
            dependencies: [
                "PaaSModel", nioCore, nioPosix, nioHTTP1, logging, crypto, httpClient,
            ], swiftSettings: settings),

        // What the three programs share: options, configuration file, logging.
        .target(
            name: "ProgramSupport", dependencies: ["PaaSModel", arguments, logging, toml], swiftSettings: settings),

        .executableTarget(
            name: "paasd",
            dependencies: [
                "ControlPlane", "PaaSModel", "ProgramSupport", arguments, lifecycle, logging, signals, nioCore,
                nioPosix,
            ], swiftSettings: settings),
        .executableTarget(
            name: "agent",
            dependencies: [
                "Supervision", "Router", "PaaSClient", "PaaSModel", "ProgramSupport", "AppLogs", "Cgroups", "Sandbox",
                "LinuxSystem", hummingbird, hummingbirdCore, httpTypes, arguments, lifecycle, logging, signals, nioCore,
                nioHTTP1, nioPosix, httpClient,
            ], swiftSettings: settings),
        .executableTarget(
            name: "paas",
            dependencies: [
                "PaaSClient", "PaaSModel", "ProgramSupport", arguments, nioPosix, crypto,
            ], swiftSettings: settings),

        .testTarget(name: "PaaSModelTests", dependencies: ["PaaSModel"], swiftSettings: settings),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem"], swiftSettings: settings),
        .testTarget(name: "CgroupsTests", dependencies: ["Cgroups", "LinuxSystem"], swiftSettings: settings),
        .testTarget(
            name: "SandboxTests", dependencies: ["Sandbox", "LinuxSystem", "PaaSModel", "paas-init"],
            swiftSettings: settings),
        .testTarget(name: "AppLogsTests", dependencies: ["AppLogs", "PaaSModel"], swiftSettings: settings),
        .testTarget(
            name: "SupervisionTests",
            dependencies: [
                "Supervision", "PaaSModel", "LinuxSystem", "Cgroups", "Sandbox", "AppLogs", logging, "paas-init",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "RouterTests",
            dependencies: ["Router", "PaaSModel", nioCore, nioPosix, nioHTTP1, nioEmbedded, logging, lifecycle],
            swiftSettings: settings),
        .testTarget(
            name: "ControlPlaneTests",
            dependencies: [
                "ControlPlane", "PaaSModel", hummingbird, httpTypes, nioCore, nioPosix, nioHTTP1, logging, lifecycle,
                httpClient, .product(name: "HummingbirdTesting", package: "hummingbird"),
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

// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import FoundationEssentials

/// `paas deploy`.
struct DeployCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy",
        abstract: "Deploy an app, or a new release of one that is there.",
        discussion: """
            The new release is started beside the old one and takes over when it is ready; when it fails, the old one \
            goes on serving. The app must listen on the port in $PORT.

            Settings come from flags, and from the source directory's paas.toml or Procfile. A COMMAND without \
            --source uploads nothing. Without either, the present directory is the source.

            EXAMPLES
              paas deploy 'python3 -m http.server $PORT' --name files
              paas deploy --source ./shop --memory 256M -e MODE=production
              paas deploy --name shop --health-path /healthz
              paas deploy --name api --source build -- ./api --verbose
            """)

    @OptionGroup var app: DeployOptions
    @OptionGroup var wait: WaitOptions
    @OptionGroup(title: "Control plane") var connection: ConnectionOptions

    func run() async throws {
        let plan = try DeployPlan(
            app, directory: FileManager.default.currentDirectoryPath,
            home: ProcessInfo.processInfo.environment["HOME"])
        let wait = wait
        try await connection.withClient { client in
            try await interruptible {
                let reporter = DeployReporter(stream: wait.json ? .error : .standard)
                try await Deployment(client: client, plan: plan, wait: wait, reporter: reporter).run()
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import NIOPosix
internal import PaaSModel

extension ControlPlaneService {
    /// Removes the bundles that no kept release of any app refers to: at the start, after an upload, and when releases
    /// or apps go. A failing disk or store fails the next upload too, which then says so.
    func collectBundles() async {
        guard let entries = try? await store.read([KeyRange(prefix: StoreKey.allReleases)]).ranges[0],
            let releases = try? entries.map({ try RecordCoding.decode(ReleaseRecord.self, $0) })
        else { return }
        let used = Set(releases.compactMap(\.spec.bundle))
        _ = try? await NIOThreadPool.singleton.runIfActive { [bundles] in bundles.collect(except: used) }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import PaaSModel
import Testing

@testable import ControlPlane

struct HomeFilesTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func theTokenIsMadeOnceForItsOwnerAlone() throws {
        let path = directory.path + "/admin.token"
        let first = try AdminToken.load(path: path)
        #expect(try mode(path) == 0o600)
        let text = try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .newlines)
        #expect(text.count == 43)
        #expect(first.matches(text))
        #expect(try AdminToken.load(path: path).matches(text))
        #expect(!first.matches(text + "x"))
        #expect(!first.matches(""))
    }

    @Test func aTokenFileThatOthersCanReadIsRefused() throws {
        let path = directory.path + "/admin.token"
        _ = try AdminToken.load(path: path)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        let error = #expect(throws: StartupError.self) { try AdminToken.load(path: path) }
        #expect(error?.description.contains("chmod 600") == true)
    }

    @Test func anEmptyTokenFileIsRefused() throws {
        let path = directory.path + "/admin.token"
        _ = FileManager.default.createFile(atPath: path, contents: Data(), attributes: [.posixPermissions: 0o600])
        #expect(throws: StartupError.self) { try AdminToken.load(path: path) }
    }

    @Test func aSecondPaasdOnTheSameHomeIsRefusedAndTheHolderNamed() throws {
        let path = directory.path + "/lock"
        let first = try HomeLock(path: path, home: directory.path)
        let error = #expect(throws: StartupError.self) { try HomeLock(path: path, home: directory.path) }
        #expect(error?.description.contains("pid \(getpid())") == true)
        withExtendedLifetime(first) {}
    }

    @Test func theLockIsFreeOnceItsHolderIsGone() throws {
        let path = directory.path + "/lock"
        _ = try HomeLock(path: path, home: directory.path)
        _ = try HomeLock(path: path, home: directory.path)
    }

    @Test func theHomeIsPreparedWithPrivateDirectories() throws {
        let home = PaaSHome(root: directory.path + "/deep/home")
        try HomeDirectories.prepare(home)
        #expect(try mode(home.root + "/paasd") == 0o700)
        #expect(try mode(home.runDirectory) == 0o700)
        try HomeDirectories.prepare(home)
    }

    @Test func aHomeTooLongForASocketIsRefused() {
        let home = PaaSHome(root: directory.path + "/" + String(repeating: "x", count: 100))
        let error = #expect(throws: StartupError.self) { try HomeDirectories.prepare(home) }
        #expect(error?.description.contains("shorter --home") == true)
    }

    @Test func aFileInPlaceOfTheSocketIsNotRemoved() throws {
        let path = directory.path + "/x.sock"
        try "data".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: StartupError.self) { try HomeDirectories.clearStaleSocket(path) }
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test func onlySocketsThatListenOnThePortAreFound() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1B9E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0
               1: 0100007F:1B9E 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0
               2: 0100007F:1B9F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0
            """
        #expect(PortHolder.listeningInodes(table, port: 0x1B9E) == ["4711"])
        #expect(PortHolder.listeningInodes("garbage\nmore", port: 1).isEmpty)
    }
}

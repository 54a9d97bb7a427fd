// Everything that basic-ftp can do, with the tree of the current directory.
//
//     node basic_ftp_client.cjs host port [explicit|implicit version authority]

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { Readable, Writable } = require("node:stream");
const ftp = require("basic-ftp");

const [host, port, tls, version, authority] = process.argv.slice(1);

/** Collects what is downloaded. */
class Sink extends Writable {
    parts = [];
    _write(part, _, done) {
        this.parts.push(part);
        done();
    }
    get content() {
        return Buffer.concat(this.parts);
    }
}

/** What is where below a directory. */
function tree(root) {
    const found = {};
    for (const entry of fs.readdirSync(root, { withFileTypes: true, recursive: true })) {
        const full = path.join(entry.path, entry.name);
        const name = path.relative(root, full);
        found[name] = entry.isDirectory() ? null : fs.readFileSync(full).toString("base64");
    }
    return found;
}

async function main() {
    const client = new ftp.Client(20_000);
    const access = { host, port: Number(port), user: "user", password: "12345" };
    if (tls) {
        access.secure = tls === "implicit" ? "implicit" : true;
        access.secureOptions = {
            ca: fs.readFileSync(authority),
            minVersion: version,
            maxVersion: version,
        };
    }
    await client.access(access);
    await client.uploadFromDir(".", "/나무");
    const back = path.join("..", `back-${port}`);
    await client.downloadToDir(back, "/나무");
    assert.deepStrictEqual(tree(back), tree("."));

    await client.cd("/나무");
    assert.strictEqual(await client.pwd(), "/나무");
    const names = fs.readdirSync(".").sort();
    assert.deepStrictEqual((await client.list()).map((info) => info.name).sort(), names);

    const content = fs.readFileSync("한글 이름.txt");
    const sink = new Sink();
    await client.downloadTo(sink, "한글 이름.txt", 1234);
    assert.ok(sink.content.equals(content.subarray(1234)));
    await client.appendFrom(Readable.from([Buffer.from("more")]), "한글 이름.txt");
    assert.strictEqual(await client.size("한글 이름.txt"), content.length + 4);
    assert.ok((await client.lastMod("한글 이름.txt")) > new Date(2001, 1));
    await client.rename("한글 이름.txt", "-다른 이름");

    // Resumes a file that was fetched in part.
    const long = names.find((name) => name.startsWith("long-"));
    fs.writeFileSync("../part", fs.readFileSync(long).subarray(0, 5000));
    await client.downloadTo("../part", long, 5000);
    assert.ok(fs.readFileSync("../part").equals(fs.readFileSync(long)));

    await client.ensureDir("/나무/a/b/c");
    await client.clearWorkingDir();
    await client.cd("/");
    await assert.rejects(client.downloadTo(new Sink(), "missing"), { code: 550 });
    await client.removeDir("/나무");
    assert.deepStrictEqual(await client.list(), []);
    client.close();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});

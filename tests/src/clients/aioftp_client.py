"""Everything that aioftp can do, with the tree of the current directory.

    aioftp_client.py host port [explicit|implicit version authority]

It begins TLS on a data connection before it sends the command, and resumes the session.
"""

import asyncio
import contextlib
import pathlib
import ssl
import sys

import aioftp

host, port = sys.argv[1], int(sys.argv[2])
tls, version, authority = sys.argv[3:] or (None, None, None)


@contextlib.asynccontextmanager
async def connect():
    context = None
    if tls:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    client = aioftp.Client(ssl=context if tls == "implicit" else None)
    await client.connect(host, port)
    if tls == "explicit":
        await client.upgrade_to_tls(context)
    await client.login("user", "12345")
    yield client
    await client.quit()


async def main():
    here = pathlib.Path.cwd()
    files = {path.name: path.read_bytes() for path in here.iterdir() if path.is_file()}
    async with connect() as client:
        # A tree there and back.
        await client.upload(here, "/tree", write_into=True)
        target = here.parent / f"back-{port}"
        target.mkdir()
        await client.download("/tree", target, write_into=True)
        for path in here.rglob("*"):
            copy = target / path.relative_to(here)
            if path.is_file():
                assert copy.read_bytes() == path.read_bytes(), path
        # aioftp downloads no empty directories; that they are there is seen in the listing.
        found = {str(path): info async for path, info in _walk(client, "/tree")}
        expected = {f"/tree/{path.relative_to(here)}" for path in here.rglob("*")}
        assert set(found) == expected, set(found) ^ expected
        # Bit by bit, with an offset.
        for name, content in files.items():
            path = f"/tree/{name}"
            assert await client.exists(path)
            assert int((await client.stat(path))["size"]) == len(content)
            parts = []
            async with client.download_stream(path, offset=len(content) // 2) as stream:
                async for block in stream.iter_by_block():
                    parts.append(block)
            assert b"".join(parts) == content[len(content) // 2 :], name
            async with client.append_stream(path) as stream:
                await stream.write(b"more")
            async with client.upload_stream(path, offset=len(content)) as stream:
                await stream.write(b"much")
            async with client.download_stream(path) as stream:
                assert await stream.read() == content + b"much", name
        # An abort in the midst of a download.
        async with client.upload_stream("/big.bin") as stream:
            for _ in range(200):
                await stream.write(b"x" * 100_000)
        stream = await client.download_stream("/big.bin")
        await stream.read(1000)
        await client.abort()
        stream.close()
        assert await client.is_file("/big.bin")
        await client.rename("/big.bin", "/다른 이름.bin")
        assert not await client.exists("/big.bin")
        await client.remove("/다른 이름.bin")
        await client.remove("/tree")
        assert [path async for path, _ in _walk(client, "/")] == []


async def _walk(client, path):
    for found in await client.list(path, recursive=True):
        yield found


asyncio.run(main())

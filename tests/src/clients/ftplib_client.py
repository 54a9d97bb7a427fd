"""Everything that ftplib can do, with the files of the current directory.

    ftplib_client.py host port [explicit|implicit|forgetful version authority]
"""

import ftplib
import io
import os
import socket
import ssl
import sys

host, port = sys.argv[1], int(sys.argv[2])
tls, version, authority = sys.argv[3:] or (None, None, None)


class Resuming(ftplib.FTP_TLS):
    """What everybody writes, since FTP_TLS resumes no sessions by itself."""

    def ntransfercmd(self, cmd, rest=None):
        data, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        session = self.sock.session
        return self.context.wrap_socket(data, server_hostname=host, session=session), size


class Implicit(Resuming):
    """FTP_TLS begins with AUTH; this begins with TLS."""

    def connect(self, host, port):
        plain = socket.create_connection((host, port), self.timeout)
        self.host, self.af = host, plain.family
        self.sock = self.context.wrap_socket(plain, server_hostname=host)
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()


def connect():
    if tls:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        kind = {"explicit": Resuming, "implicit": Implicit, "forgetful": ftplib.FTP_TLS}[tls]
        ftp = kind(timeout=20, context=context, encoding="utf-8")
    else:
        ftp = ftplib.FTP(timeout=20, encoding="utf-8")
    ftp.connect(host, port)
    ftp.login("user", "12345")
    if tls:
        ftp.prot_p()
    return ftp


def fetch(ftp, name, rest=None):
    parts = []
    ftp.retrbinary(f"RETR {name}", parts.append, rest=rest)
    return b"".join(parts)


ftp = connect()
files = {n: open(n, "rb").read() for n in os.listdir(".") if os.path.isfile(n)}

for passive in (True, False):
    ftp.set_pasv(passive)
    for name, content in files.items():
        ftp.storbinary(f"STOR {name}", io.BytesIO(content))
        assert fetch(ftp, name) == content, name
        assert ftp.size(name) == len(content)
        if len(content) > 5000:
            assert fetch(ftp, name, rest=5000) == content[5000:], name
            ftp.storbinary(f"STOR {name}", io.BytesIO(content[3000:]), rest=3000)
            assert fetch(ftp, name) == content, name
            ftp.storbinary(f"APPE {name}", io.BytesIO(b"more"))
            assert fetch(ftp, name) == content + b"more", name
    # Listings.
    assert sorted(ftp.nlst()) == sorted(files), ftp.nlst()
    facts = dict(ftp.mlsd(facts=["type", "size", "modify", "perm"]))
    assert set(files) <= set(facts), facts
    assert all(facts[name]["type"] == "file" for name in files)
    lines = []
    ftp.dir(lines.append)
    assert all(any(line.endswith(" " + name) for line in lines) for name in files), lines
    # Lines of text, and SIZE right after them, while the type is A.
    ftp.storlines("STOR lines.txt", io.BytesIO(b"one\r\ntwo\nthree"))
    assert ftp.size("lines.txt") is not None
    lines = []
    ftp.retrlines("RETR lines.txt", lines.append)
    assert lines == ["one", "two", "three"], lines
    ftp.delete("lines.txt")
    # Directories, deep ones and empty ones.
    path = ""
    for level in range(30):
        path += f"/깊이 {level}"
        assert ftp.mkd(path) == path
    ftp.cwd(path)
    assert ftp.pwd() == path
    ftp.storbinary("STOR leaf.bin", io.BytesIO(b"leaf"))
    assert fetch(ftp, f"{path}/leaf.bin") == b"leaf"
    ftp.rename("leaf.bin", "/-renamed leaf")
    assert ftp.nlst() == []
    assert list(ftp.mlsd()) == [] or all(
        facts["type"] in ("cdir", "pdir") for _, facts in ftp.mlsd()
    )
    ftp.cwd("/")
    while path:
        ftp.rmd(path)
        path = path.rpartition("/")[0]
    assert fetch(ftp, "-renamed leaf") == b"leaf"
    ftp.delete("-renamed leaf")
    # An abort in the midst of a download, and of an upload.
    ftp.storbinary("STOR big.bin", io.BytesIO(b"x" * 20_000_000))
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd("RETR big.bin")
    data.recv(1000)
    assert ftp.abort().startswith(("426", "226", "225"))
    data.close()
    while True:
        ftp.sock.settimeout(0.5)
        try:
            ftp.getmultiline()
        except socket.timeout:
            break
    ftp.sock.settimeout(20)
    # After a time-out the file object of ftplib is of no use.
    ftp.close()
    ftp = connect()
    ftp.set_pasv(passive)
    ftp.delete("big.bin")

# A download that is broken off without a word.
ftp.set_pasv(True)
ftp.storbinary("STOR big.bin", io.BytesIO(b"x" * 20_000_000))
other = connect()
other.voidcmd("TYPE I")
data = other.transfercmd("RETR big.bin")
data.recv(1000)
data.close()
try:
    other.voidresp()
    raise SystemExit("a broken download was called complete")
except ftplib.error_temp as error:
    assert str(error).startswith("426"), error
assert other.size("big.bin") == 20_000_000
other.quit()

for missing in ("RETR", "SIZE", "DELE", "RMD", "CWD", "MDTM"):
    try:
        if missing == "RETR":
            fetch(ftp, "missing")
        else:
            ftp.voidcmd(f"{missing} missing")
        raise SystemExit(f"{missing} did not fail")
    except ftplib.error_perm as error:
        assert str(error).startswith("550"), error
assert ftp.sendcmd("MDTM big.bin").startswith("213 20")
ftp.delete("big.bin")
assert ftp.quit().startswith("221")

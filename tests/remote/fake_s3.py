"""A small S3 server in this process, which fails on request. It checks no signatures."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

Fault = Callable[["Handler"], bool]


class Stored:
    """An object in the bucket."""

    def __init__(self, content: bytes, metadata: dict[str, str], time: float) -> None:
        self.content = content
        self.metadata = metadata
        self.time = time
        self.e_tag = f'"{hashlib.md5(content).hexdigest()}"'


class FakeS3:
    """The server, and what it has seen."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        #: Method and name of each request; the name of a listing is its prefix.
        self.requests: list[tuple[str, str]] = []
        #: Called with each request. Returns True if it has answered itself.
        self.fault: Fault | None = None
        #: False for a server that does not know conditional requests, and ignores their headers.
        self.is_conditional = True
        #: The time of new objects, in seconds since 1970.
        self.time = 1_700_000_000.0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.fake = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def names(self) -> list[str]:
        return sorted(self.objects)

    def entries(self) -> int:
        """Returns the number of entries in single files."""
        return sum(name.endswith(".dill") for name in self.names())

    def put(self, name: str, content: bytes) -> None:
        self.objects[name] = Stored(content, {}, self.time)

    def counted(self, method: str) -> list[str]:
        """Returns the names of the requests of a method, and forgets them."""
        with self.lock:
            found = [name for each, name in self.requests if each == method]
            self.requests = [each for each in self.requests if each[0] != method]
        return found

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection. The first part of a path is the bucket, which has any name."""

    protocol_version = "HTTP/1.1"

    @property
    def fake(self) -> FakeS3:
        return self.server.fake  # type: ignore[attr-defined, no-any-return]

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> bool:
        """Answers with an error of S3."""
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())
        return True

    def begin(self) -> tuple[str, dict[str, list[str]]] | None:
        parts = urlsplit(self.path)
        self.name = unquote(parts.path).lstrip("/").partition("/")[2]
        query = parse_qs(parts.query, keep_blank_values=True)
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        shown = self.name
        method = self.command
        if "list-type" in query:
            method, shown = "LIST", query.get("prefix", [""])[0]
        with self.fake.lock:
            self.fake.requests.append((method, shown))
        if self.fake.fault is not None and self.fake.fault(self):
            return None
        return self.name, query

    def do_GET(self) -> None:
        begun = self.begin()
        if begun is None:
            return
        name, query = begun
        if "list-type" in query:
            self.list(query)
            return
        found = self.fake.objects.get(name)
        if found is None:
            self.refuse(404, "NoSuchKey")
            return
        headers = {f"x-amz-meta-{key}": value for key, value in found.metadata.items()}
        self.answer(
            200,
            found.content,
            ETag=found.e_tag,
            Last_Modified=formatdate(found.time, usegmt=True),
            **headers,
        )

    do_HEAD = do_GET  # noqa: N815  # the name that the class above looks for

    def list(self, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        delimiter = query.get("delimiter", [""])[0]
        names = sorted(name for name in self.fake.objects if name.startswith(prefix))
        folders = set()
        if delimiter:
            inner = [name for name in names if delimiter in name[len(prefix) :]]
            folders = {
                prefix + name[len(prefix) :].partition(delimiter)[0] + delimiter for name in inner
            }
            names = [name for name in names if name not in inner]
        names = [name for name in names if name > after]
        page, rest = names[:1000], names[1000:]
        contents = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.fake.objects[name].content)}</Size>"
            f"<LastModified>2023-11-14T22:13:20.000Z</LastModified>"
            f"<ETag>{escape(self.fake.objects[name].e_tag)}</ETag></Contents>"
            for name in page
        )
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>"
            for each in sorted(folders)
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        text = (
            f"<ListBucketResult><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>"
            f"{more}{contents}{common}</ListBucketResult>"
        )
        self.answer(200, text.encode())

    def do_PUT(self) -> None:
        begun = self.begin()
        if begun is None:
            return
        name, query = begun
        if "uploadId" in query:
            self.fake.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = self.body
            self.answer(200, ETag=f'"{query["partNumber"][0]}"')
            return
        with self.fake.lock:
            present = self.fake.objects.get(name)
            if self.fake.is_conditional:
                expected = self.headers.get("If-Match")
                is_taken = self.headers.get("If-None-Match") == "*" and present is not None
                if is_taken or (expected and (present is None or present.e_tag != expected)):
                    self.refuse(412, "PreconditionFailed")
                    return
            metadata = {
                key.lower()[len("x-amz-meta-") :]: value
                for key, value in self.headers.items()
                if key.lower().startswith("x-amz-meta-")
            }
            stored = self.fake.objects[name] = Stored(self.body, metadata, self.fake.time)
        self.answer(200, ETag=stored.e_tag)

    def do_POST(self) -> None:
        begun = self.begin()
        if begun is None:
            return
        name, query = begun
        if "uploads" in query:
            number = str(len(self.fake.uploads) + 1)
            self.fake.uploads[number] = {}
            text = f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>"
            self.answer(200, text.encode())
        elif "uploadId" in query:
            parts = self.fake.uploads.pop(query["uploadId"][0])
            content = b"".join(parts[number] for number in sorted(parts))
            stored = self.fake.objects[name] = Stored(content, {}, self.fake.time)
            text = f"<CompleteMultipartUploadResult><ETag>{escape(stored.e_tag)}</ETag></CompleteMultipartUploadResult>"
            self.answer(200, text.encode())
        else:
            deleted = [
                part.partition("</Key>")[0] for part in self.body.decode().split("<Key>")[1:]
            ]
            for each in deleted:
                self.fake.objects.pop(each, None)
            listed = "".join(f"<Deleted><Key>{each}</Key></Deleted>" for each in deleted)
            self.answer(200, f"<DeleteResult>{listed}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        begun = self.begin()
        if begun is not None:
            self.fake.objects.pop(begun[0], None)
            self.answer(204)


def refusing(status: int, code: str) -> Fault:
    """Returns a fault that refuses every request."""
    return lambda handler: handler.refuse(status, code)


def hanging(handler: Handler) -> bool:
    """Does not answer until the server is closed."""
    handler.fake.released.wait()
    handler.close_connection = True
    return True


def truncating(handler: Handler) -> bool:
    """Announces whole objects, and ends the connection in the middle of them."""
    found = handler.fake.objects.get(handler.name)
    if handler.command != "GET" or found is None:
        return False
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(found.content)))
    handler.send_header("ETag", found.e_tag)
    handler.send_header("Last-Modified", formatdate(found.time, usegmt=True))
    handler.end_headers()
    handler.wfile.write(found.content[: len(found.content) // 2])
    handler.close_connection = True
    return True

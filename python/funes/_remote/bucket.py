"""Objects in a bucket or folder. The only module that calls obstore."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

R = TypeVar("R")

#: The time in seconds in which a connection must be established.
CONNECT_SECONDS = 2.0

#: The time in seconds in which the next bytes of an answer must arrive. A call waits for it.
READ_SECONDS = 5.0

#: The time in seconds in which an object or a part of it must be sent. Only the queue waits for it.
SEND_SECONDS = 20.0

#: How long a request is repeated after failures, in seconds, and how often.
RETRY_SECONDS = 3.0
RETRIES = 2

#: An object that is larger is sent in parts of this size in bytes.
PART_BYTES = 8 << 20

#: The number of bytes of an object that are received at a time.
CHUNK_BYTES = 4 << 20

#: The metadata in which an object has the time at which its entry was stored first, in nanoseconds since 1970.
STORED = "funes-stored"

#: No time has so many digits. It must fit into eight bytes.
_LONGEST_TIME = 20

#: The latest time in nanoseconds since 1970: the year 2262.
_LATEST = 2**63 - 1

#: Set when the process ends: large files that are being sent are given up.
is_ending = threading.Event()

#: Held while a large file is sent, so that the parts of one file are in memory at a time.
_sending_parts = threading.Lock()

#: Settings of the HTTP client that obstore reads from the environment unless other settings are given.
_CLIENT_SETTINGS = (
    "allow_http",
    "allow_invalid_certificates",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "root_certificate",
)


class BucketError(Exception):
    """A request failed. The message says why, and contains no secret."""

    def __init__(self, message: str, *, is_refusal: bool = False) -> None:
        super().__init__(message)
        #: True if the server answers, and refuses: it may accept other requests.
        self.is_refusal = is_refusal


class Listed(NamedTuple):
    """An object in a listing."""

    name: str
    bytes: int
    #: The time of the last change, in nanoseconds since 1970.
    modified: int


class Object:
    """An object whose content is being received."""

    def __init__(self, bucket: Bucket, result: Any) -> None:
        self._bucket = bucket
        self._result = result
        meta = result.meta
        self.e_tag: str | None = meta["e_tag"]
        self.bytes: int = meta["size"]
        stored = str(result.attributes.get(STORED, ""))
        is_time = stored.isdecimal() and len(stored) < _LONGEST_TIME
        #: The time at which the entry was stored first, in nanoseconds since 1970.
        self.stored = min(int(stored), _LATEST) if is_time else nanoseconds(meta["last_modified"])

    def chunks(self) -> Iterator[bytes]:
        """Yields the content in parts. Raises `BucketError`."""
        if self.bytes <= CHUNK_BYTES:
            yield bytes(self._bucket.request(self._result.bytes))
            return
        stream = iter(self._result.stream(CHUNK_BYTES))
        while (chunk := self._bucket.request(next, stream, None)) is not None:
            yield bytes(chunk)


class Bucket:
    """Objects below a URL. Credentials come from the environment; none is kept here.

    Raises:
        ImportError: obstore is missing.
        BucketError: The environment lacks settings.
    """

    def __init__(self, url: str) -> None:
        import obstore

        self.url = url
        self._api = obstore
        errors = obstore.exceptions
        self._unsupported = errors.NotSupportedError, NotImplementedError
        self._conditions = (
            errors.AlreadyExistsError,
            errors.PreconditionError,
            *self._unsupported,
        )
        self._reading = self._open(read_timeout=f"{READ_SECONDS}s", timeout="24h")
        self._sending = self._open(timeout=f"{SEND_SECONDS}s")
        self._is_file = url.startswith("file:")
        #: False once the server has refused a conditional request.
        self._is_conditional = True

    def _open(self, **timeouts: str) -> Any:
        from obstore.store import from_url

        if self.url.startswith("file:"):
            return self.request(lambda: from_url(self.url, mkdir=True))
        options: dict[str, Any] = {
            "connect_timeout": f"{CONNECT_SECONDS}s",
            **timeouts,
            **_client_settings(),
        }
        retry: Any = {
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {"max_backoff": timedelta(seconds=1)},
        }
        open_url: Any = from_url
        return self.request(lambda: open_url(self.url, client_options=options, retry_config=retry))

    def request(self, call: Callable[..., R], *args: Any, **options: Any) -> R:
        """Makes a request.

        Raises:
            BucketError: It failed.
            FileNotFoundError: There is no such object.
            AlreadyExistsError, PreconditionError, NotSupportedError, NotImplementedError: As obstore raises them.
        """
        try:
            return call(*args, **options)
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise BucketError(f"{self.url}: there is no such bucket") from None
            raise FileNotFoundError from None
        except self._conditions:
            raise
        except BaseException as error:
            # A panic of obstore is no `Exception`.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            # The text of the error may contain the query of a signed URL.
            raise BucketError(
                f"{self.url}: {_reason(error)}", is_refusal=_is_refusal(error)
            ) from None

    def get(self, name: str) -> Object | None:
        """Begins to receive an object; returns None if there is none."""
        try:
            return Object(self, self.request(self._api.get, self._reading, name))
        except FileNotFoundError:
            return None

    def objects(self, prefix: str) -> Iterator[Listed]:
        """Yields the objects whose names begin with a folder; all for ""."""
        pages = iter(self._api.list(self._reading, prefix=f"{prefix}/" if prefix else None))
        while (page := self._next_page(pages)) is not None:
            for meta in page:
                yield Listed(meta["path"], meta["size"], nanoseconds(meta["last_modified"]))

    def _next_page(self, pages: Iterator[Any]) -> Any:
        try:
            return self.request(next, pages, None)
        except FileNotFoundError:  # a folder that does not exist
            return None

    def folders(self, prefix: str) -> list[str]:
        """Returns the names of the folders in a folder."""
        try:
            found = self.request(
                self._api.list_with_delimiter,
                self._reading,
                prefix=f"{prefix}/" if prefix else None,
            )
        except FileNotFoundError:
            return []
        return [name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"]]

    def create(self, name: str, content: bytes, stored: int | None = None) -> bool:
        """Sends an object, unless there is one of this name. Returns whether it was sent.

        Args:
            name: The name of the object.
            content: Its content.
            stored: The time at which the entry was stored, in nanoseconds since 1970.
        """
        if self._is_conditional:
            try:
                self._put(name, content, "create", stored)
            except self._api.exceptions.AlreadyExistsError:
                return False
            except self._unsupported:
                self._is_conditional = False
            except BucketError as error:
                if not _is_unsupported(error):
                    raise
                self._is_conditional = False
            else:
                return True
        # Two processes may both send it. Objects of one name are interchangeable.
        self._put(name, content, "overwrite", stored)
        return True

    def replace(
        self, name: str, content: bytes, e_tag: str | None = None, stored: int | None = None
    ) -> bool:
        """Replaces an object. Returns False if its version is not the one of `e_tag` any more.

        Args:
            name: The name of the object.
            content: Its new content.
            e_tag: The version to replace; None for any.
            stored: As for `create`.
        """
        if e_tag is not None and self._is_conditional:
            try:
                self._put(name, content, {"e_tag": e_tag}, stored)
            except self._api.exceptions.PreconditionError:
                return False
            except self._unsupported:
                pass
            except BucketError as error:
                if not _is_unsupported(error):
                    raise
            else:
                return True
        self._put(name, content, "overwrite", stored)
        return True

    def _put(self, name: str, content: bytes, mode: Any, stored: int | None) -> None:
        how = {"mode": mode, "attributes": self._attributes(stored), "use_multipart": False}
        self.request(self._api.put, self._sending, name, content, **how)

    def _attributes(self, stored: int | None) -> dict[str, str] | None:
        return None if stored is None or self._is_file else {STORED: str(stored)}

    def exists(self, name: str) -> bool:
        """Returns whether there is an object of this name."""
        try:
            self.request(self._api.head, self._reading, name)
        except FileNotFoundError:
            return False
        return True

    def replace_by_file(self, name: str, path: str, stored: int | None = None) -> None:
        """Sends a large file in parts. It replaces an object of this name."""
        with _sending_parts, open(path, "rb") as file:
            writer = self.request(
                self._api.open_writer,
                self._sending,
                name,
                attributes=self._attributes(stored),
                buffer_size=PART_BYTES,
                max_concurrency=4,
            )
            while chunk := file.read(PART_BYTES):
                if is_ending.is_set():
                    raise BucketError(f"{self.url}: {name} was not sent before the process ended")
                self.request(writer.write, chunk)
            self.request(writer.close)

    def delete(self, names: list[str]) -> None:
        """Deletes objects. One that does not exist is no error."""
        try:
            self.request(self._api.delete, self._sending, names)
        except FileNotFoundError:
            for name in names:
                with suppress(FileNotFoundError):
                    self.request(self._api.delete, self._sending, name)


def nanoseconds(time: datetime) -> int:
    """Returns a time in nanoseconds since 1970, within the times that files can have."""
    seconds = int(time.timestamp())
    return min(max(seconds * 1_000_000_000 + time.microsecond * 1000, 0), _LATEST)


def _client_settings() -> dict[str, Any]:
    """Returns the settings of the HTTP client in the environment, which obstore ignores if it gets timeouts."""
    found = {}
    for setting in _CLIENT_SETTINGS:
        for prefix in ("AWS", "GOOGLE", "AZURE"):
            value = os.environ.get(f"{prefix}_{setting.upper()}")
            if value:
                is_switch = setting.startswith("allow")
                found[setting] = value.lower() in ("1", "true", "yes", "on") if is_switch else value
    return found


#: Parts of the text of an error, and what they mean.
_MEANINGS = (
    ("dns error", "the name of the server cannot be resolved"),
    ("TimedOut", "the server did not answer in time"),
    ("kind: Timeout", "the server did not answer in time"),
    ("kind: Connect", "the server cannot be reached"),
    ("kind: Interrupted", "the answer ended too early"),
    ("kind: Decode", "the answer ended too early"),
    ("kind: Request", "the connection broke"),
)


def _reason(error: BaseException) -> str:
    """Returns why a request failed, without anything that may be a secret."""
    text = str(error)
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = re.search(r"status code: (\d{3} [A-Za-z ]+)", text)
    if code or status:
        shown = [part[1].strip() for part in (status, code) if part]
        return f"the server answered {' '.join(shown)}"
    for part, meaning in _MEANINGS:
        if part in text:
            return meaning
    first = text.partition("\n")[0]
    line = re.sub(r"[?]\S*|<.*", "", first)[:200].strip()
    return f"{type(error).__name__}: {line}"


def _is_refusal(error: BaseException) -> bool:
    refusals = ("PermissionDeniedError", "UnauthenticatedError")
    return type(error).__name__ in refusals or bool(re.search(r"status code: 40[13]", str(error)))


def _is_unsupported(error: BucketError) -> bool:
    """Returns whether a server refuses conditional requests: 501, or one that it does not understand."""
    return bool(re.search(r"answered (501|400|405)|NotImplemented|InvalidArgument", str(error)))

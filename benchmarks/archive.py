"""A small archive on this machine that fails as networks do, to test and time `fetch`."""

import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = str | int | None
"""`drop` (the connection is lost), `cut` (the body ends early), a status, or nothing."""


@contextmanager
def archive(
    files: dict[str, bytes], fault: Callable[[str, int], Fault] = lambda path, time: None
) -> Generator[tuple[str, Counter]]:
    """Serve files by path; yields the address, and how often each path was asked for.

    Parameters
    ----------
    files : dict
        Bytes by path, without a slash before it.
    fault : callable
        Says what goes wrong with a path when it is asked for the so manieth time, from 1 on.
    """
    asked: Counter = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            with lock:
                asked[path] += 1
                wrong = fault(path, asked[path])
            if wrong == "drop":
                self.close_connection = True
                return
            data = files.get(path)
            if data is None:
                wrong = 404
            if isinstance(wrong, int):
                self.send_response(wrong)
                if wrong == 429:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            assert data is not None
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if wrong == "cut":
                data = data[: len(data) // 2]
                self.close_connection = True
            self.wfile.write(data)

        def log_message(self, *_) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_) -> None:
            """A client that was killed is no fault of the server's."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A machine's service of facts as the three clouds have them, on this machine."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "a token"


class MetadataService(ThreadingHTTPServer):
    """Answers what it was told to; a path that it does not know is a 404."""

    def __init__(self, cloud):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.cloud, self.facts, self.asked = cloud, {}, []
        self.is_token_good = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Answers(BaseHTTPRequestHandler):
    def do_PUT(self):
        self.server.asked.append(self.path)
        is_token = self.server.cloud == "amazon" and self.path == "/latest/api/token"
        self.server.is_token_good |= is_token
        self._answer(200 if is_token and self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else 404, TOKEN)

    def do_GET(self):
        self.server.asked.append(self.path)
        cloud, headers = self.server.cloud, self.headers
        is_let_in = {
            "amazon": headers["X-aws-ec2-metadata-token"] == TOKEN and self.server.is_token_good,
            "google": headers["Metadata-Flavor"] == "Google",
            "azure": headers["Metadata"] == "true",
        }[cloud]
        text = self.server.facts.get(self.path.partition("?")[0])
        refusal = {"amazon": 401, "google": 403, "azure": 400}[cloud]
        self._answer(refusal if not is_let_in else 404 if text is None else 200, text or "")

    def _answer(self, code, text):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@contextmanager
def metadata_service(cloud):
    """Let a service answer for a while."""
    service = MetadataService(cloud)
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()

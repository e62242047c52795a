"""Requests to the API server just as they are given: kubectl would read an object before it patches it."""

import http.client
import json

from bed.program import Fault

JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"


class Api:
    """A client with the administrator's certificate or, where one is given, with an account's token. It is not to
    be shared between threads."""

    def __init__(self, cluster, token=None):
        self._port = cluster.plane.port
        self._tls = cluster.plane.tls(administrator=token is None)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._kept = None

    def _connect(self, seconds):
        return http.client.HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=seconds)

    def get(self, path):
        """The object at `path`, over one connection that is kept; OSError where the server does not answer."""
        if self._kept is None:
            self._kept = self._connect(5)
        try:
            self._kept.request("GET", path, headers=self._headers)
            return json.loads(self._kept.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._kept.close()
            self._kept = None
            raise OSError(str(error)) from error

    def ask(self, method, path, body=None, content=None):
        """The status, and the object or the message of the answer. Each request has a connection of its own: one
        that was kept may have been closed by the server, and then nobody knows whether a write was done."""
        headers = {**self._headers, "Content-Type": content or (MERGE_PATCH if method == "PATCH" else JSON)}
        connection = self._connect(20)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            found = json.loads(answer.read())
        finally:
            connection.close()
        return answer.status, found if answer.status < 400 else found.get("message", str(found))

    def send(self, method, path, body=None):
        """The object of the answer; a Fault where the request is refused."""
        status, found = self.ask(method, path, body)
        if status >= 400:
            raise Fault(f"{method} {path}: {status} {found}")
        return found

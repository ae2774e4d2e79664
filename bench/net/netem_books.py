"""Books of what is sent over a link: the packets, what of them are heads, what is sent again, and what the streams in them carry."""

import collections


class Records:
    """A TLS 1.3 stream as its records: how many, and how much of them is plaintext. Each adds five bytes in front, and a byte and a tag of sixteen behind."""

    def __init__(self):
        self.head, self.left, self.is_data = b"", 0, False
        self.books = collections.Counter()

    def feed(self, data):
        while data:
            if self.left:
                took = min(self.left, len(data))
                self.left, data = self.left - took, data[took:]
                continue
            took = 5 - len(self.head)
            self.head, data = self.head + data[:took], data[took:]
            if len(self.head) == 5:
                self.left = int.from_bytes(self.head[3:], "big")
                if self.head[0] == 23:
                    self.books["records"] += 1
                    self.books["plaintext"] += self.left - 17
                else:
                    self.books["handshake"] += 5 + self.left
                self.head = b""


class Bodies:
    """A stream of plain HTTP as heads and bodies; of what sort a body is, the request's first line says, which both directions share."""

    def __init__(self, asked, is_answer):
        self.asked, self.is_answer = asked, is_answer
        self.head, self.left, self.sort = b"", 0, None
        self.books = collections.Counter()

    def feed(self, data):
        while data:
            if self.left:
                took = min(self.left, len(data))
                self.books[self.sort] += took
                self.left, data = self.left - took, data[took:]
                continue
            self.head += data
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return
            lines, data, self.head = self.head[:end].split(b"\r\n"), self.head[end + 4:], b""
            self.books["heads"] += end + 4
            self.begin(lines)

    def begin(self, lines):
        if self.is_answer and lines[0].split()[1].startswith(b"1"):
            return                  # only says that the body may come
        if self.is_answer:
            self.sort = "blobs" if self.asked.popleft().startswith(b"GET /v1/blobs/") else "messages"
        else:
            self.asked.append(lines[0])
            self.books["requests"] += 1
            self.sort = "blobs" if lines[0].startswith(b"PUT ") else "messages"
        lengths = [line for line in lines if line.lower().startswith(b"content-length:")]
        self.left = int(lengths[0].split(b":")[1]) if lengths else 0


class Books:
    """Of one way over one link, seen where it was sent."""

    def __init__(self, parser):
        self.parser = parser        # makes a parser of a new connection's stream
        self.next_byte = {}         # by ports: of the stream
        self.streams = {}
        self.books = collections.Counter()

    def look_at(self, packet):
        """What of it is the stream's, and new. It comes from where it was sent, so new bytes come in their order."""
        if packet[0] >> 4 != 4 or packet[9] != 6:
            self.books["headers"] += len(packet)
            return
        ip_bytes = 4 * (packet[0] & 15)
        ports, sequence = packet[ip_bytes:ip_bytes + 4], int.from_bytes(packet[ip_bytes + 4:ip_bytes + 8], "big")
        payload = packet[ip_bytes + 4 * (packet[ip_bytes + 12] >> 4):]
        self.books["headers"] += len(packet) - len(payload)
        if packet[ip_bytes + 13] & 2:       # SYN
            if self.next_byte.get(ports) != (sequence + 1) & 0xFFFFFFFF:
                self.books["connections"] += 1
                self.next_byte[ports] = (sequence + 1) & 0xFFFFFFFF
                self.streams[ports] = self.parser(ports)
            return
        if not payload:
            return
        known = (self.next_byte[ports] - sequence) & 0xFFFFFFFF
        known = known - (1 << 32) if known >> 31 else known
        if known < 0:
            raise RuntimeError("bytes of a stream have passed by unseen")
        self.books["repeated"] += min(known, len(payload))
        if known < len(payload):
            self.books["stream"] += len(payload) - known
            self.next_byte[ports] = (sequence + len(payload)) & 0xFFFFFFFF
            self.streams[ports].feed(payload[known:])

    def total(self):
        whole = self.books.copy()
        for stream in self.streams.values():
            whole.update(stream.books)
        return whole

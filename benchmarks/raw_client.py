"""N creates over bare sockets: what the stand-in API and the machine take by themselves for N writes by c workers.

python -m benchmarks.raw_client PORT N C        prints the seconds from the first byte sent to the last answer
"""

import socket
import sys
import threading
import time


def main(port: int, count: int, workers: int) -> None:
    """Send them all; every worker has a connection and takes the next number."""
    numbers = iter(range(count))
    lock = threading.Lock()
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(workers)]

    def work(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            body = b'{"identity":"CP-%06d","displayName":"Depot bay %06d","profileId":1}' % (number, number)
            head = b"POST /tenant/acme/charger HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bench\r\nContent-Length: %d\r\n\r\n"
            connection.sendall(head % len(body) + body)
            answer = connection.recv(4096)
            if not answer.startswith(b"HTTP/1.1 201") or not answer.endswith(b"\r\n\r\n"):
                raise SystemExit(f"the stand-in API answered {answer!r}")

    threads = [threading.Thread(target=work, args=(connection,)) for connection in connections]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))

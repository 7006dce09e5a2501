import asyncio
import os
import signal
import socket


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def client(n):
        r, w = await asyncio.open_connection("127.0.0.1", port)
        w.write(f"client {n}\n".encode())
        got = await r.readline()
        w.close()
        return got

    print(sorted(await asyncio.gather(*(client(n) for n in range(20)))))
    server.close()
    unix = await asyncio.start_unix_server(serve, "sock")
    r, w = await asyncio.open_unix_connection("sock")
    w.write(b"unix\n")
    print(await r.readline())
    w.close()
    unix.close()
    p = await asyncio.create_subprocess_exec("sort", stdin=-1, stdout=-1)
    print((await p.communicate(b"b\na\n"))[0], p.returncode)
    p = await asyncio.create_subprocess_shell("exit 4")
    print(await p.wait())
    ps = [
        await asyncio.create_subprocess_exec("sh", "-c", f"sleep 0.{i}; exit {i}")
        for i in (3, 1, 2)
    ]
    print(await asyncio.gather(*(p.wait() for p in ps)))
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.1)
    except TimeoutError:
        print("timed out")
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(done.wait(), 5)
    print("signal")
    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    await loop.sock_sendall(a, b"x" * 500000) if False else None
    sender = asyncio.create_task(loop.sock_sendall(a, b"y" * 500000))
    n = 0
    while n < 500000:
        n += len(await loop.sock_recv(b, 65536))
    await sender
    print(n)
    print(await asyncio.to_thread(os.getpid) == os.getpid())
    with open("words.txt", "rb") as f:
        print(len(await loop.run_in_executor(None, f.read)))


asyncio.run(main())

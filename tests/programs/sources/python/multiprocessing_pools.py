import multiprocessing as mp
import os


def square(x):
    return x * x


def child(conn, value, lock):
    for _ in range(100):
        with lock:
            value.value += 1
    conn.send({"pid is mine": os.getpid() != os.getppid()})
    conn.close()


if __name__ == "__main__":
    for method in ("fork", "spawn"):
        ctx = mp.get_context(method)
        with ctx.Pool(3) as pool:
            print(method, pool.map(square, range(10)), pool.apply(square, (12,)))
        value, lock = ctx.Value("i", 0), ctx.Lock()
        pairs = [ctx.Pipe() for _ in range(3)]
        ps = [ctx.Process(target=child, args=(b, value, lock)) for _, b in pairs]
        for p in ps:
            p.start()
        print([a.recv() for a, _ in pairs])
        for p in ps:
            p.join()
        print(value.value, [p.exitcode for p in ps])
    q = mp.Queue()
    p = mp.Process(target=q.put, args=(["x"] * 1000,))
    p.start()
    print(len(q.get(timeout=20)))
    p.join()
    with mp.Manager() as m:
        d = m.dict()
        p = mp.Process(target=d.update, args=({"k": "v"},))
        p.start()
        p.join()
        print(dict(d))
    from multiprocessing import shared_memory

    s = shared_memory.SharedMemory(create=True, size=100)
    s.buf[:5] = b"hello"
    t = shared_memory.SharedMemory(s.name)
    print(bytes(t.buf[:5]))
    t.close()
    s.close()
    s.unlink()
    p = mp.Process(target=os._exit, args=(9,))
    p.start()
    p.join()
    print(p.exitcode)
    p = mp.Process(target=__import__("time").sleep, args=(30,))
    p.start()
    p.terminate()
    p.join()
    print(p.exitcode)

import queue
import signal
import threading
import time

results = []
lock = threading.Lock()


def work(n):
    for i in range(200):
        with lock:
            results.append(n * i)


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(len(results), sum(results))
q, out = queue.Queue(5), queue.Queue()


def consume():
    while (item := q.get()) is not None:
        out.put(item * item)


consumers = [threading.Thread(target=consume) for _ in range(3)]
for t in consumers:
    t.start()
for i in range(100):
    q.put(i)
for _ in consumers:
    q.put(None)
for t in consumers:
    t.join()
print(sum(out.get() for _ in range(100)))
cond, turns, log = threading.Condition(), [0], []


def ping(me):
    for _ in range(50):
        with cond:
            cond.wait_for(lambda: turns[0] % 2 == me)
            log.append(me)
            turns[0] += 1
            cond.notify_all()


pair = [threading.Thread(target=ping, args=(m,)) for m in (0, 1)]
[t.start() for t in pair]
[t.join() for t in pair]
print(log == [0, 1] * 50)
event = threading.Event()
start = time.monotonic()
print(event.wait(0.1), time.monotonic() - start >= 0.1)
timer = threading.Timer(0.05, event.set)
timer.start()
print(event.wait(5))
barrier = threading.Barrier(4)
late = []
group = [threading.Thread(target=lambda: late.append(barrier.wait())) for _ in range(4)]
[t.start() for t in group]
[t.join() for t in group]
print(sorted(late))
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(threading.current_thread().name))
t = threading.Thread(
    target=lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
)
t.start()
t.join()
time.sleep(0.05)
print(got)
local = threading.local()
local.x = 1
seen = []
t = threading.Thread(target=lambda: seen.append(hasattr(local, "x")))
t.start()
t.join()
print(seen, threading.active_count())

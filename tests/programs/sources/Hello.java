import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;

public class Hello {
    public static void main(String[] args) throws Exception {
        System.out.println("hello " + args.length);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> futures = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            final int n = i;
            futures.add(pool.submit(() -> n * n));
        }
        int sum = 0;
        for (Future<Integer> f : futures) sum += f.get();
        pool.shutdown();
        System.out.println("sum " + sum + " " + pool.awaitTermination(5, TimeUnit.SECONDS));
        Path file = Paths.get("made.txt");
        Files.write(file, List.of("one", "two"));
        System.out.println(Files.readAllLines(file) + " " + Files.size(file));
        try (ServerSocket server = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
            Thread t = new Thread(() -> {
                try (Socket s = server.accept()) {
                    s.getOutputStream().write("from server\n".getBytes());
                } catch (IOException e) {
                    System.out.println(e);
                }
            });
            t.start();
            try (Socket c = new Socket(InetAddress.getLoopbackAddress(), server.getLocalPort())) {
                System.out.println(new BufferedReader(new InputStreamReader(c.getInputStream())).readLine());
            }
            t.join();
        }
        Process p = new ProcessBuilder("sh", "-c", "echo child; exit 3").start();
        System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
        System.gc();
        byte[][] garbage = new byte[50][];
        for (int i = 0; i < 2000; i++) garbage[i % 50] = new byte[50000];
        try {
            Object o = null;
            o.toString();
        } catch (NullPointerException e) {
            System.out.println("null pointer");  // raised by a SIGSEGV handler once compiled
        }
        System.out.println(IntStream.range(0, 1000000).parallel().mapToLong(x -> x).sum());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        System.exit(5);
    }
}

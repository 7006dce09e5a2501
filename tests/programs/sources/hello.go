package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"sync"
	"syscall"
	"time"
)

func main() {
	var wg sync.WaitGroup
	results := make(chan int, 100)
	for i := 0; i < 100; i++ {
		wg.Add(1)
		go func(n int) {
			defer wg.Done()
			time.Sleep(time.Millisecond)
			results <- n * n
		}(i)
	}
	wg.Wait()
	close(results)
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("sum", sum)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		c, _ := listener.Accept()
		io.Copy(c, c)
		c.Close()
	}()
	c, _ := net.Dial("tcp", listener.Addr().String())
	c.Write([]byte("echo"))
	c.(*net.TCPConn).CloseWrite()
	back, _ := io.ReadAll(c)
	fmt.Println("back", string(back))

	out, err := exec.Command("sh", "-c", "echo child; exit 3").Output()
	fmt.Printf("%q %v\n", out, err)

	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-caught)

	os.WriteFile("made", []byte("text"), 0o600)
	entries, _ := os.ReadDir(".")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	sort.Strings(names)
	fmt.Println(len(names) > 1)
	_, err = os.Open("nosuch")
	fmt.Println(err)
	select {
	case <-time.After(50 * time.Millisecond):
		fmt.Println("timer")
	}
	busy := make(chan bool)
	go func() {
		x := 0
		for i := 0; i < 200000000; i++ {
			x += i
		}
		busy <- x > 0
	}()
	fmt.Println("busy", <-busy)
	os.Exit(4)
}

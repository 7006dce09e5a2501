"""Compilers and builders: gcc, make, go, java; what they make is run as well."""

from __future__ import annotations

from pathlib import Path

from tests.programs.case import Case, script

SOURCES = Path(__file__).resolve().parents[1] / "sources"


def source(name: str) -> str:
    """Read one file of sources/."""
    return (SOURCES / name).read_text(encoding="utf-8")


MAKEFILE = """\
OBJECTS := one.o two.o three.o four.o main.o
prog: $(OBJECTS)
\t$(CC) -o $@ $^
%.o: %.c common.h
\t$(CC) -O1 -c -o $@ $<
clean:
\trm -f prog *.o
fail:
\t@echo failing; exit 3
sub:
\t@$(MAKE) --no-print-directory -C sub hello
.PHONY: clean fail sub
"""
UNITS = ("one", "two", "three", "four")
MAKE_FILES: dict[str, str | bytes] = {
    "Makefile": MAKEFILE,
    "common.h": "".join(f"int {u}(int);\n" for u in UNITS),
    **{f"{u}.c": f'#include "common.h"\nint {u}(int x) {{ return x * {i} + 1; }}\n' for i, u in enumerate(UNITS, 2)},
    "main.c": '#include <stdio.h>\n#include "common.h"\nint main(void) { printf("%d\\n", one(two(three(four(1))))); return 4; }\n',
    "sub/Makefile": "hello:\n\t@echo hello from $(MAKELEVEL)\n",
}  # fmt: skip
HELLO = '#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) { printf("hello %d %s\\n", c, v[1] ? v[1] : ""); return atoi("3"); }\n'
BROKEN = "int main(void) { return undeclared; }\n"

SCRIPTS = [
    ("gcc hello", "gcc -O2 -Wall -o hello hello.c && ./hello arg; echo $?"),
    ("gcc error", "gcc -c broken.c 2> e; echo $?; grep -c undeclared e"),
    ("gcc link error", "echo 'int main(void) { extern int f(void); return f(); }' > x.c; gcc x.c 2> e; echo $?; grep -c 'undefined reference' e"),
    ("gcc stages", "gcc -E hello.c | grep -c printf; gcc -S -O1 hello.c && grep -c main hello.s; gcc -c hello.c && nm hello.o | grep ' T '; gcc -pipe hello.o -o h && ./h"),
    ("gcc static", "gcc -static -o hello hello.c && ./hello x; echo $?"),
    ("gcc static-pie and no-pie", "gcc -static-pie -o a hello.c && ./a; gcc -no-pie -o b hello.c && ./b; echo $?"),
    ("gcc shared library", "echo 'int f(void) { return 42; }' > f.c; gcc -shared -fPIC -o libf.so f.c; echo '#include <stdio.h>\nint f(void); int main(void) { printf(\"%d\\n\", f()); }' > m.c; gcc m.c -L. -lf -Wl,-rpath,. -o m && ./m; rm libf.so; ./m 2> /dev/null; echo $?"),
    ("gcc threads", "gcc -O1 -pthread -o t threads.c && ./t; echo $?"),
    ("gcc signals", "gcc -O0 -w -o s signals.c && ./s; echo $?"),
    ("gcc lto and ar", "gcc -O2 -flto -c hello.c && gcc -flto -O2 hello.o -o h && ./h; ar rc lib.a hello.o; ar t lib.a; strip h && ./h"),
    ("make", "make -s && ./prog; echo $?; make -q; echo $?; touch three.c; make | wc -l; make clean; ls"),
    ("make -j2", "make -s -j2 && ./prog; echo $?; make -j2 fail; echo $?; make -s sub"),
    ("make -j8 output", "make -j8 -O | sort"),
    ("as and ld", "printf '.globl _start\\n_start: mov $60, %%eax\\nmov $9, %%edi\\nsyscall\\n' > x.s; as -o x.o x.s && ld -o x x.o && ./x; echo $?"),
    ("objdump and readelf", "gcc -o hello hello.c; readelf -h hello | grep -E 'Type|Machine'; objdump -d hello | grep -c main; size hello | wc -l"),
]  # fmt: skip

C_FILES: dict[str, str | bytes] = {
    "hello.c": HELLO,
    "broken.c": BROKEN,
    "threads.c": source("c/threads.c"),
    "signals.c": source("c/signals.c"),
    **MAKE_FILES,
}
GO_FILES: dict[str, str | bytes] = {
    "hello.go": source("hello.go"),
    "go.mod": "module hello\n\ngo 1.19\n",
}
JAVA_FILES: dict[str, str | bytes] = {"Hello.java": source("Hello.java")}

CASES: list[Case] = [
    *(
        script(f"build: {n}", t, files=C_FILES, needs=("gcc", "make"), timeout_s=60, slow=True)
        for n, t in SCRIPTS
    ),
    script(
        "go: build and run",
        "export GOCACHE=$PWD/cache GOPATH=$PWD/gopath GO111MODULE=on GOFLAGS=-p=2\n"
        "go build -o hello hello.go && ./hello; echo $?",
        files=GO_FILES,
        needs=("go",),
        timeout_s=200,
        slow=True,
    ),
    script("go: vet and version", "go version | cut -c1-10; go env GOOS", needs=("go",), slow=True),
    script(
        "java: compile and run",
        "javac Hello.java && java -Xmx200m -cp . Hello a b; echo $?",
        files=JAVA_FILES,
        needs=("javac", "java"),
        timeout_s=60,
        slow=True,
    ),
    script(
        "java: source launcher, interpreter only",
        "java -Xint -Xmx200m -XX:+UseSerialGC Hello.java; echo $?",
        files=JAVA_FILES,
        needs=("javac", "java"),
        timeout_s=60,
        slow=True,
    ),
]
